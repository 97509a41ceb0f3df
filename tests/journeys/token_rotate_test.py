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
from upkeep import etcd_of_others  # noqa: E402


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
    """In a cluster every server takes the new token at once, also one that was away; the old one opens nothing any more"""
    def server(*flags, join=None, **more):
        how = ["--server", join.url] if join else ["--cluster-init"]
        return Node("server", "--disable-agent", *how, *flags, **more)
    first = server().ready()
    old = first.token()
    second, third = (server("--token", old, join=first) for _ in range(2))
    second.ready(), third.ready()
    third.terminate()
    code, said = rotate(second, "--new-token", "another-secret")
    expect(code == 0, said)
    secret = old.rpartition(":")[2]
    for one in (first, second):
        until("the new one holds", lambda: ask(one, "/v1-k3s/config", basic("server", "another-secret")) == 200)
        expect(ask(one, "/v1-k3s/config", basic("server", secret)) == 401, "the old one is refused")
        expect(one.token().endswith("::server:another-secret"), "its file has the new one")
        expect("another-secret" not in one.said(), "no secret is printed")
    new = first.token()
    # Its service still has the old one in its flags.
    back = server("--token", old, join=first, home=third.home, at=third.at, name=third.name).ready()
    until("who was away knows it, too", lambda: ask(back, "/v1-k3s/config", basic("server", "another-secret")) == 200)
    until("and has forgotten the old one", lambda: ask(back, "/v1-k3s/config", basic("server", secret)) == 401)
    expect(back.token() == new, back.token())
    back.terminate()
    stale = server("--token", old, join=first, home=third.home, at=third.at, name=third.name)
    expect(stale.ends() == 1, stale.said())
    expect_in("does not accept this token", stale.said())
    expect_in("the token that this server has had so far is in " + third.home + "/data/server/token", stale.said())
    back = server("--token", new, join=first, home=third.home, at=third.at, name=third.name).ready()
    late = server("--token", old, join=first)
    expect(late.ends() == 1, late.said())
    expect_in("does not accept this token", late.said())
    fourth = server("--token", new, join=second).ready()
    expect(ask(fourth, "/v1-k3s/config", basic("node", "another-secret")) == 200, "who joins has it")
    agent(fourth, new).ready().terminate()
    for one in (fourth, back, second):
        one.terminate()
    first.kill()


def test_external_store():
    """Servers on an etcd of others: one that was away finds the new token in the store; a stranger with the old one is told"""
    etcd, client = etcd_of_others()
    try:
        store = ("--disable-agent", "--datastore-endpoint", client)
        first = Node("server", *store, "--token", "the-first").ready()
        away = Node("server", *store, "--token", "the-first").ready()
        away.terminate()
        code, said = rotate(first, "--new-token", "the-second")
        expect(code == 0, said)
        back = Node("server", *store, home=away.home, at=away.at, name=away.name).ready()
        expect(ask(back, "/v1-k3s/config", basic("server", "the-second")) == 200, "it has the new one")
        expect(ask(back, "/v1-k3s/config", basic("server", "the-first")) == 401, "and not the old one")
        stranger = Node("server", *store, "--token", "the-first")
        expect(stranger.ends() == 1, stranger.said())
        expect_in("start with its --token", stranger.said())
        back.terminate()
        first.terminate()
    finally:
        etcd.kill()
        etcd.wait()


run(globals())
