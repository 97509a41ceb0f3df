"""`troupe token rotate` with real processes: who may join afterwards, who stays, and what a restart finds."""
import base64
import json
import os
import ssl
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PATIENCE, Node, expect, expect_in, run, run_binary, until


def rotate(server, *words):
    return run_binary("token", "rotate", "--data-dir", server.home + "/data", "--server", server.url, *words)


def ask(server, path, header, method="GET", body=None):
    """The status that a caller with this Authorization header gets."""
    context = ssl.create_default_context(cafile=server.home + "/data/server/tls/server-ca.crt")
    request = urllib.request.Request(server.url + path, method=method, data=body, headers={"Authorization": header})
    try:
        with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as why:
        return why.code


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def agent(server, token, **more):
    return Node("agent", "--server", server.url, "--token", token, **more)


def test_rotate():
    """The old token admits nobody any more, the new one does, who has joined stays, and a restart keeps it so."""
    server = Node("server", "--disable-agent", "--token", "the-old-secret").ready()
    old = server.token()
    early = agent(server, old).ready()
    code, said = rotate(server, "--token", "the-old-secret", "--new-token", "the-new-secret")
    expect(code == 0, said)
    expect_in("Token rotated", said)
    expect("the-new-secret" not in said and "the-new-secret" not in server.said(), "no secret is printed")
    expect(server.token() == old.replace("the-old-secret", "the-new-secret"), server.token())
    with open(server.home + "/data/server/cred/passwd", encoding="ascii") as f:
        expect(f.read() == "the-new-secret,node,node,k3s:agent\nthe-new-secret,server,server,k3s:server\n", "cred/passwd has it")
    for who, password, right in (("node", "the-old-secret", 401), ("server", "the-old-secret", 401), ("node", "the-new-secret", 200),
                                 ("server", "the-new-secret", 200)):
        expect(ask(server, "/v1-k3s/config", basic(who, password)) == right, f"{who} {password}")
    until("the API forgets the old one", lambda: ask(server, "/api/v1/nodes", "Bearer the-old-secret") == 401)
    expect(ask(server, "/api/v1/nodes", "Bearer the-new-secret") in (200, 403), "and knows the new one")
    late = agent(server, old)
    late.says("does not accept the token")
    late.kill()
    agent(server, server.token()).ready().terminate()
    early.terminate()
    server.kill()
    server = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name).ready()
    expect(ask(server, "/v1-k3s/config", basic("node", "the-old-secret")) == 401, "the old one stays refused")
    expect(ask(server, "/v1-k3s/config", basic("node", "the-new-secret")) == 200, "the new one is kept")
    Node("agent", "--server", server.url, "--token", old, home=early.home, at=early.at, name=early.name).ready().terminate()
    server.terminate()


def test_agent_token():
    """An agents' token of their own stays; without --new-token a random one is made."""
    server = Node("server", "--disable-agent", "--agent-token", "for-agents").ready()
    before = server.token()
    code, said = rotate(server)
    expect(code == 0, said)
    expect(server.token() != before and len(server.token()) == len(before), "a random one of the same form")
    expect(ask(server, "/v1-k3s/config", basic("node", "for-agents")) == 200, "agents keep theirs")
    with open(server.home + "/data/server/agent-token", encoding="ascii") as f:
        expect(f.read().strip().endswith("::node:for-agents"), "in its file as well")
    server.terminate()


def test_refusals():
    """A wrong old token, a new one that cannot be one, other methods and agents are refused, and nothing changes."""
    server = Node("server", "--disable-agent", "--token", "server-secret", "--agent-token", "agent-secret").ready()
    before = server.token()
    for words in (("--token", "wrong", "--new-token", "x"), ("--new-token", "a,b"), ("--new-token", "abcdef.0123456789abcdef"), ("--new-token", "a\nb")):
        code, said = rotate(server, *words)
        expect(code == 1, (words, said))
        expect("server-secret" not in said, said)
    put = json.dumps({"newToken": "x"}).encode()
    expect(ask(server, "/v1-k3s/token", basic("node", "agent-secret"), "PUT", put) == 403, "agents may not")
    expect(ask(server, "/v1-k3s/token", basic("server", "server-secret"), "GET") == 405, "nor by GET")
    for body in (b"", b"{", b"7", b'{"newToken":7}', b"{}"):
        expect(ask(server, "/v1-k3s/token", basic("server", "server-secret"), "PUT", body) == 400, body)
    expect(server.token() == before, "nothing changed")
    server.terminate()


def test_cluster():
    """On embedded etcd, which others may share, it is refused with the reason."""
    server = Node("server", "--disable-agent", "--cluster-init").ready()
    before = server.token()
    code, said = rotate(server, "--new-token", "other")
    expect(code == 1, said)
    expect_in("cannot be changed", said)
    expect(server.token() == before, "nothing changed")
    server.terminate()


run(globals())
