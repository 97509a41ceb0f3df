"""Who may come in, and who no longer: bootstrap tokens, revoked nodes, two machines of one name."""
import json
import re
import socket
import ssl
import threading
import time

from harness import Node, expect, expect_in, run, run_binary, until


REVOKED = "/api/v1/namespaces/kube-system/configmaps/troupe-revoked-nodes"


def command(server, *words, code=0):
    got, said = run_binary(*words, "--data-dir", server.home + "/data")
    expect(got == code, f"{words}: {got}: {said}")
    return said


def by_certificate(node, server, path):
    """(status, body) of a request with the certificate of a node's kubelet; status 0 when the connection is cut, as a revocation does."""
    context = ssl._create_unverified_context()
    agent = node.home + "/data/agent/"
    context.load_cert_chain(agent + "client-kubelet.crt", agent + "client-kubelet.key")
    got = b""
    try:
        with context.wrap_socket(socket.create_connection((server.at, 6443), timeout=30)) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            while more := s.recv(65536):
                got += more
    except (ssl.SSLError, ConnectionError):
        expect(server.process.poll() is None, server.said())
    if not got:
        return 0, ""
    return int(got.split()[1]), got.partition(b"\r\n\r\n")[2].decode(errors="replace")


def test_bootstrap_tokens():
    """A bootstrap token lets agents join until it ends, and is listed, deleted, expired and cleaned away."""
    server = Node("server").ready()
    token = command(server, "token", "create", "--description", "for one rack").strip()
    expect(re.fullmatch(r"K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}", token), "the full form is printed")
    listed = command(server, "token", "list")
    for part in ("TOKEN", "EXTRA GROUPS", token.partition("::")[2], "authentication,signing", "for one rack", "system:bootstrappers:k3s:default-node-token"):
        expect_in(part, listed)
    expect(re.search(r" (24h|23h) ", listed), listed)
    as_json = json.loads(command(server, "token", "list", "-o", "json"))
    expect(as_json[0]["description"] == "for one rack", as_json)
    agent = Node("agent", "--server", server.url, "--token", token).ready()
    # Whoever holds it is a bootstrapper and nothing more.
    code, said = server.kubectl("--token", token.partition("::")[2], "--client-certificate", "/dev/null", "--client-key", "/dev/null", "get", "secrets", check=False)
    expect(code != 0, said)
    # A server may not join by it.
    late = Node("server", "--server", server.url, "--token", token)
    expect(late.ends() != 0, "a server is refused")
    # The agent's next life has a certificate: the token may be gone by then.
    command(server, "token", "delete", token)
    expect_in("there is no bootstrap token", command(server, "token", "delete", token, code=1))
    expect(agent.terminate() == 0, "it ends")
    Node("agent", "--server", server.url, "--token", token, home=agent.home, at=agent.at, name=agent.name).ready().terminate()
    # A new machine with a deleted token is told so.
    refused = Node("agent", "--server", server.url, "--token", token)
    expect(refused.ends() != 0, "it ends")
    expect_in("is not accepted: it is unknown or has expired; `troupe token list`", refused.said())
    expect(token.rpartition(".")[2] not in refused.said() + server.said(), "its secret is nowhere said")
    # One that has run out, before and after it is cleaned away.
    short = command(server, "token", "create", "--ttl", "1s").strip()
    until("the token ends", lambda: "<expired>" in command(server, "token", "list"), every=0.2)
    refused = Node("agent", "--server", server.url, "--token", short)
    expect(refused.ends() != 0, "it ends")
    expect_in("has expired", refused.said())
    until("it is cleaned away", lambda: short.partition("::")[2] not in command(server, "token", "list"), every=1)
    # Chosen by hand, twice, and wrong.
    command(server, "token", "create", "abcdef.0123456789abcdef", "--ttl", "0")
    expect_in("<forever>", command(server, "token", "list"))
    expect_in("already", command(server, "token", "create", "abcdef.0123456789abcdef", code=1))
    refused = Node("agent", "--server", server.url, "--token", "abcdef.0123456789abcdee")
    expect(refused.ends() != 0, "another secret is refused")
    server.terminate()


def test_revoked_node():
    """A revoked node loses tunnels, connections and its name within a second on every server, and comes back only by hand."""
    first = Node("server", "--cluster-init").ready()
    with open(first.home + "/data/server/token", encoding="utf-8") as f:
        token = f.read().strip()
    second = Node("server", "--server", first.url, "--token", token).ready()
    servers = [first, second]
    agent = Node("agent", "--server", first.url, "--token", first.token()).ready()
    other = Node("agent", "--server", first.url, "--token", first.token()).ready()
    own = f"/api/v1/nodes/{agent.name}"
    for s in servers:
        until("its certificate counts", lambda s=s: by_certificate(agent, s, own)[0] == 200)
        until("its tunnel stands", lambda s=s: s.read(own + "/proxy/healthz") == "ok")
    # A watch by the node's own certificate, open at the second server.
    ended, context = threading.Event(), ssl._create_unverified_context()
    context.load_cert_chain(agent.home + "/data/agent/client-kubelet.crt", agent.home + "/data/agent/client-kubelet.key")
    watch = context.wrap_socket(socket.create_connection((second.at, 6443), timeout=60))
    watch.sendall(f"GET /api/v1/nodes?watch=1&fieldSelector=metadata.name%3D{agent.name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    expect(watch.recv(12) == b"HTTP/1.1 200", "the watch is open")

    def follow():
        try:
            while watch.recv(65536):
                pass
        except OSError:
            pass
        ended.set()
    threading.Thread(target=follow, daemon=True).start()

    begun = time.monotonic()
    command(first, "node", "revoke", agent.name)
    took = []
    for s in servers:
        until("its certificate is refused", lambda s=s: by_certificate(agent, s, own)[0] == 401)
        took.append(time.monotonic() - begun)
        expect_in("was revoked at", by_certificate(agent, s, own)[1])
        until("its tunnel is gone", lambda s=s: re.search(r"tunnel.session_ended.*node=" + agent.name, s.said()))
        took.append(time.monotonic() - begun)
    expect(ended.wait(60), "its watch ends")
    print("    refused and without tunnels after", ", ".join(f"{t:.2f}" for t in took), "s, the command's own time included")
    expect(by_certificate(other, second, f"/api/v1/nodes/{other.name}")[0] == 200, "another node stays")
    expect_in("refused", command(second, "node", "list"))
    agent.terminate()
    again = Node("agent", "--server", second.url, "--token", first.token(), home=agent.home, at=agent.at, name=agent.name)
    expect(again.ends() != 0, "its next life is refused")
    expect_in(f"troupe node admit {agent.name}", again.said())
    expect_in("was not revoked", command(first, "node", "admit", other.name, code=1))
    revoked = first.read(REVOKED)["data"][agent.name]
    command(first, "node", "admit", agent.name)
    admitted = first.read(REVOKED)["data"][agent.name]
    # Certificates know whole seconds: one of the second of the revocation must not look younger than the admission.
    expect(admitted.startswith("admitted since ") and admitted.rpartition(" ")[2] > revoked.rpartition(" ")[2], (revoked, admitted))
    stale = open(agent.home + "/data/agent/client-kubelet.crt", encoding="utf-8").read()
    until("the list has come by", lambda: "issued before the node was revoked" in by_certificate(agent, second, own)[1])
    back = Node("agent", "--server", second.url, "--token", first.token(), home=agent.home, at=agent.at, name=agent.name).ready()
    expect(open(agent.home + "/data/agent/client-kubelet.crt", encoding="utf-8").read() != stale, "it has another certificate")
    for node in (back, other, second, first):
        node.terminate()


def test_two_machines_of_one_name():
    """The second machine of a name is refused with both addresses, and the way out works."""
    server = Node("server").ready()
    first = Node("agent", "--server", server.url, "--token", server.token(), name="web").ready()
    second = Node("agent", "--server", server.url, "--token", server.token(), name="web")
    expect(second.ends() != 0, "it is refused")
    expect_in(f"another machine ({first.at}) registered this name, or this one ({second.at})", second.said())
    expect_in("kubectl delete node web", second.said())
    first.terminate()
    server.kubectl("delete", "node", "web")
    Node("agent", "--server", server.url, "--token", server.token(), name="web", home=second.home, at=second.at).ready().terminate()
    server.terminate()


run(globals())
