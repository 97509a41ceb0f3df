"""Joining: who is refused and what he is told, and what an agent does while nobody answers."""
import hashlib
import os
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, address, expect, expect_in, folder, run, until, write

_servers = {}


def server(which="one"):
    """Two clusters serve all tests."""
    if which not in _servers:
        _servers[which] = Node("server", "--disable-agent", "--token", f"password-of-{which}").ready()
    return _servers[which]


def agent(token, to=None, **more):
    return Node("agent", "--server", (to or server()).url, "--token", token, **more)


def gives_up(node, *words, secret=None):
    """It ends with 1 and says `words`, in a few lines, without the secret."""
    code = node.ends()
    said = node.said()
    expect(code == 1, f"exit code {code}; it said:\n{said}")
    for word in words:
        expect_in(word, said)
    expect(secret is None or secret not in said, "it repeats the secret")
    expect(node.name not in server().kubectl("get", "nodes", "-o", "name"), "the node was registered")


def test_good_tokens():
    """the full token, its short form and the token of another user all join, and the node becomes Ready"""
    for token in (server().token(), "password-of-one", server().token().replace("::server:", "::node:")):
        node = agent(token).ready()
        expect_in(" Ready", server().kubectl("get", "node", node.name))
        expect(node.terminate() == 0, node.said())


def test_tunnel():
    """a server reaches the kubelet of an agent, that nobody else can reach, through the tunnel"""
    node = agent(server().token()).ready()
    expect(server().kubectl("get", "--raw", f"/api/v1/nodes/{node.name}/proxy/healthz").strip() == "ok", "healthz")
    node.terminate()


def test_wrong_password():
    """a wrong password is refused for good, in one clear line that does not repeat it"""
    gives_up(agent("wrong-password-77"), "token", secret="wrong-password-77")


def test_other_cluster():
    """the token of another cluster is refused by its CA before the password leaves the agent"""
    gives_up(agent(server("two").token()), "CA hash", secret="password-of-two")


def test_wrong_ca_hash():
    """the right password with a wrong CA hash is refused"""
    wrong = "K10" + hashlib.sha256(b"x").hexdigest() + "::server:password-of-one"
    gives_up(agent(wrong), "CA hash", secret="password-of-one")


def test_bootstrap_garbage():
    """a bootstrap-shaped token that nobody made is refused"""
    gives_up(agent("abcdef.0123456789abcdef"), "token", secret="0123456789abcdef")


def test_garbage_tokens():
    """text that cannot be a token is refused without asking anybody"""
    nowhere = type("nowhere", (), {"url": f"https://{address()}:6443"})
    for token in ("K10", "K10::", "K10abc::server:x", "K10" + "g" * 64 + "::server:x", "K10" + "a" * 64 + "::", "a b", "\x01"):
        node = agent(token, to=nowhere)
        code = node.ends()
        expect(code in (1, 2), f"{token!r}: exit code {code}: {node.said()}")
        expect_in("token", node.said())


def test_password_mismatch():
    """another machine under a known name is refused with the way out, and after `delete node` it may join"""
    first = agent(server().token(), name="twice").ready()
    first.terminate()
    second = agent(server().token(), name="twice")
    code = second.ends()
    expect(code == 1, f"exit code {code}")
    expect_in("kubectl delete node twice", second.said())
    third = agent(server().token(), name="twice", home=first.home).ready()   # the first machine itself may return
    third.terminate()
    server().kubectl("delete", "node", "twice")
    until("the password is forgotten", lambda: "twice.node-password.k3s" not in
          server().kubectl("get", "secrets", "-n", "kube-system", "-o", "name"))
    fourth = agent(server().token(), name="twice").ready()
    fourth.terminate()


def test_node_id():
    """--with-node-id gives two machines with one name two nodes"""
    nodes = [Node("agent", "--server", server().url, "--token", server().token(), "--with-node-id", name="same").ready() for _ in range(2)]
    names = [n for n in server().kubectl("get", "nodes", "-o", "name").split() if n.startswith("node/same-")]
    expect(len(names) == 2, names)
    for n in nodes:
        n.terminate()


def test_agent_waits_for_a_server():
    """an agent whose server is not there says so, goes on trying without growing, and joins when it comes"""
    at = address()
    node = Node("agent", "--server", f"https://{at}:6443", "--token", "later")
    node.says("waiting for|retry|refused|unavailable")
    seen = []
    until("many attempts", lambda: seen.append(node.rss_kib()) or len(seen) > 100)
    expect(max(seen[50:]) - max(seen[:50]) < 1024, f"it grows: {seen[0]} .. {seen[-1]} KiB")
    expect(node.process.poll() is None, node.said())
    late = Node("server", "--disable-agent", "--token", "later", at=at).ready()
    node.ready()
    node.terminate()
    late.terminate()


class Impostor(threading.Thread):
    """Listens where a server should be: answers HTML over TLS, or accepts and then hangs."""

    def __init__(self, html):
        super().__init__(daemon=True)
        self.at, self.html, self.open = address(), html, []
        self.accepted = 0
        self.context = None
        if html:
            home = folder("tls")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=impostor", "-addext", f"subjectAltName=IP:{self.at}", "-keyout", home + "/k", "-out", home + "/c"],
                           check=True, capture_output=True)
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(home + "/c", home + "/k")
        self.listener = socket.create_server((self.at, 6443))
        self.start()

    def run(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if not self.html:
                self.open.append(one)
                continue
            try:
                with self.context.wrap_socket(one, server_side=True) as tls:
                    tls.recv(65536)
                    body = b"<html><body>It works!</body></html>"
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            except OSError:
                pass

    def stop(self):
        self.listener.close()
        for one in self.open:
            one.close()


def test_html_server():
    """a web server that answers HTML is not taken for a server of ours: the agent says so and goes on trying"""
    web = Impostor(html=True)
    node = Node("agent", "--server", f"https://{web.at}:6443", "--token", "x")
    node.says("no server of ours|waiting for")
    until("a second attempt", lambda: web.accepted > 2, process=node.process)
    expect(node.terminate() == 0, node.said())
    web.stop()


def test_hanging_server():
    """a server that accepts and then says nothing does not hold the agent: it says what it waits for, and ends when asked"""
    deaf = Impostor(html=False)
    node = Node("agent", "--server", f"https://{deaf.at}:6443", "--token", "x")
    node.says("waiting for")
    expect(node.terminate() == 0, node.said())
    deaf.stop()


def test_join_port_in_use():
    """an agent whose port is taken says which and by whom, and ends"""
    at = address()
    with socket.create_server((at, 10250)):
        node = agent(server().token(), at=at)
        expect(node.ends() == 1, node.said())
        expect_in(f"{at}:10250 is in use by ", node.said())


run(globals())
