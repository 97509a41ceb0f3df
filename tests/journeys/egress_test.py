"""How a server reaches into the cluster: a CONNECT through the nodes' tunnels, by mode, and who may ask for it."""
import base64
import os
import re
import socket
import ssl
import subprocess
import threading

from harness import Node, expect, expect_in, folder, run, until, write


def admin_pair(server):
    """A file with the admin's certificate and key."""
    with open(server.kubeconfig, encoding="utf-8") as f:
        data = {k: base64.b64decode(v) for k, v in re.findall(r"([a-z-]+-data): \"?([A-Za-z0-9+/=]+)", f.read())}
    return write(os.path.join(folder("tls"), "pair"), data["client-certificate-data"] + b"\n" + data["client-key-data"])


def connect(server, target, pair=None):
    """(status, the rest of what came, the open socket) of a CONNECT."""
    context = ssl._create_unverified_context()
    if pair:
        context.load_cert_chain(pair)
    s = context.wrap_socket(socket.create_connection((server.at, 6443), timeout=30))
    s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        more = s.recv(4096)
        if not more:
            break
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status != 200:
        length = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))
        while len(rest) < length:
            rest += s.recv(4096)
    return status, rest.decode(), s


class Service:
    """Says what it is told back, once per connection, on an address of a node."""

    def __init__(self, host):
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.callers = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            s, _ = self.listener.accept()
            self.callers.append(s)
            s.sendall(b"said " + s.recv(100))


def server_and_agent(mode):
    server = Node("server", "--egress-selector-mode", mode).ready()
    agent = Node("agent", "--server", server.url, "--token", server.token()).ready()
    return server, agent


def healthz(server, agent):
    return server.kubectl("get", "--raw", f"/api/v1/nodes/{agent.name}/proxy/healthz")


def test_agent_mode():
    """A CONNECT by the cluster's own certificate reaches a node's kubelet, and nobody else's does."""
    server, agent = server_and_agent("agent")
    expect(healthz(server, agent) == "ok", "the kubelet answers through the tunnel")
    pair = admin_pair(server)
    status, said, s = connect(server, f"{agent.name}:10250", pair)
    expect(status == 200, said)
    # TLS with the kubelet, inside the tunnel, inside TLS with the server.
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl._create_unverified_context().wrap_bio(came, goes)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            s.sendall(goes.read())
            came.write(s.recv(16384))
    shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=tls.getpeercert(True), capture_output=True, check=True)
    expect_in(agent.name, shown.stdout.decode())
    for who, target, code, text in [(None, f"{agent.name}:10250", 403, "CONNECT is for the cluster's own servers"),
                                    (pair, "nobody:10250", 502, "there is no node nobody"),
                                    (pair, f"{agent.name}:22", 502, "port 22"),
                                    (pair, "no port", 400, "")]:
        status, said, _ = connect(server, target, who)
        expect(status == code, f"{target}: {status} {said}")
        expect_in(text, said)
    # Another port of the node: in this mode that is nobody's tunnel's business.
    service = Service(agent.at)
    status, said, s = connect(server, f"{agent.at}:{service.port}", pair)
    expect(status == 200, said)
    s.sendall(b"hello")
    expect(s.recv(100) == b"said hello", "it is dialled directly")
    labels = server.kubectl("get", "node", agent.name, "-o", "jsonpath={.metadata.labels}")
    expect("egress.k3s.io/cluster" not in labels, labels)


def test_cluster_and_pod_modes():
    """In modes cluster and pod nodes say that they carry more, and their tunnels do."""
    for mode in ("cluster", "pod"):
        server, agent = server_and_agent(mode)
        expect(healthz(server, agent) == "ok", "the kubelet answers")
        until("the label", lambda: "egress.k3s.io/cluster" in server.read(f"/api/v1/nodes/{agent.name}")["metadata"]["labels"])
        pair, service = admin_pair(server), Service(agent.at)

        def answered():
            status, _, s = connect(server, f"{agent.at}:{service.port}", pair)
            if status != 200:
                return None
            s.sendall(b"hello")
            try:
                return s.recv(100)
            except OSError:
                return b""
        if mode == "cluster":
            expect(answered() == b"said hello", "the node's own address is reached through its tunnel")
        else:
            expect(answered() == b"", "a port that no pod of the node declares is refused by the agent")
        server.terminate()
        agent.terminate()


def test_disabled_and_unknown():
    """In mode disabled kubelets are dialled at their nodes' addresses, and an unknown mode is refused."""
    server, agent = server_and_agent("disabled")
    expect(healthz(server, agent) == "ok", "the kubelet answers")
    bad = Node("server", "--egress-selector-mode", "tunnel")
    expect(bad.ends() != 0, "it ends")
    expect_in('--egress-selector-mode is agent, cluster, pod or disabled, and not "tunnel"', bad.said())


run(globals())
