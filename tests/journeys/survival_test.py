"""What a server survives, and what it refuses to touch: ports, files, signals, sudden death."""
import glob
import hashlib
import http.client
import os
import random
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, address, expect, expect_in, folder, run, until, write


def test_port_in_use():
    """a port in use is reported with its owner, and the server ends"""
    at = address()
    with socket.create_server((at, 6443)):
        node = Node("server", at=at)
        expect(node.ends() == 1, node.said())
        expect_in(f"{at}:6443 is in use by ", node.said())
        expect_in(str(os.getpid()), node.said())


def test_second_server():
    """a second process on one data directory is refused by name, whichever the engine, and changes nothing; after a kill -9 the next may have it at once"""
    def state(home):
        out = {}
        for below in ("tls", "cred", "token", "agent-token"):
            for path in [f"{home}/data/server/{below}", *glob.glob(f"{home}/data/server/{below}/**", recursive=True)]:
                if os.path.isfile(path):
                    out[path] = (os.stat(path).st_mtime_ns, open(path, "rb").read())
        return out

    for flags in ([], ["--datastore-endpoint", "rocksdb"], ["--cluster-init"]):
        first = Node("server", "--disable-agent", *flags).ready()
        before = state(first.home)
        expect(before, "there are files to look at")
        os.kill(first.process.pid, signal.SIGSTOP)   # one that is frozen holds it, too
        for second in (Node("server", "--disable-agent", *flags, home=first.home), Node("agent", "--server", first.url, "--token", "x", home=first.home)):
            expect(second.ends() == 1, second.said())
            expect_in(f"the data directory {first.home}/data is in use by process {first.process.pid} (troupe server, since ", second.said())
        os.kill(first.process.pid, signal.SIGCONT)
        expect(state(first.home) == before, "the first one's files were changed")
        first.kubectl("create", "configmap", "kept")
        first.kill()
        again = Node("server", "--disable-agent", *flags, home=first.home, at=first.at, name=first.name).ready()
        again.kubectl("get", "configmap", "kept")
        expect(again.terminate() == 0, again.said())


def test_ready_means_usable():
    """Who waits for /readyz and then creates an object in the namespace "default" finds that there"""
    for _ in range(5):
        server = Node("server", "--disable-agent")
        until("the admin's kubeconfig is there", lambda: os.path.exists(server.kubeconfig), every=0.001)
        admin = server.admin()

        def ready():
            try:
                return admin.call("GET", "/readyz")[0] == 200
            except (OSError, http.client.HTTPException):
                admin.connection.close()
                return False
        until("it is ready", ready, every=0.0005)
        status, said = admin.call("POST", "/api/v1/namespaces/default/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}})
        expect(status == 201, (status, said))
        server.terminate()


def test_unwritable_data():
    """a data directory that cannot be one is refused by name"""
    home = folder()
    write(home + "/data", "a file")
    node = Node("server", home=home)
    expect(node.ends() == 1, node.said())
    expect_in(home + "/data", node.said())


def test_sigterm():
    """SIGTERM ends server and agent in order, with exit code 0 and nobody forced; state is found again"""
    server = Node("server").ready()
    agent = Node("agent", "--server", server.url, "--token", server.token()).ready()
    server.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    for node in (agent, server):
        expect(node.terminate() == 0, node.said())
        expect("stop_forced" not in node.said(), node.said())
    again = Node("server", home=server.home, at=server.at, name=server.name).ready()
    expect(again.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b", "the configmap is lost")
    expect(again.token() == server.token(), "the token changed")
    again.terminate()


def test_sigterm_while_starting():
    """SIGTERM at any moment of a start ends it with 0"""
    home = folder()
    for wait_for in ("certificates", "datastore", "listening", "API ready"):
        node = Node("server", home=home)
        node.says(wait_for)
        expect(node.terminate() == 0, f"after {wait_for}: {node.said()}")


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def test_broken_database():
    """a database that is truncated or overwritten with noise is refused with advice, and not touched"""
    first = Node("server", "--disable-agent").ready()
    for i in range(20):
        first.admin().call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"c{i}"}, "data": {"a": "b" * 3000}})
    first.terminate()
    path = first.home + "/data/server/db/state.db"
    with open(path, "rb") as f:
        good = f.read()
    dice = random.Random(7)
    broken = {"truncated": good[:len(good) // 2], "noise": dice.randbytes(len(good)),
              "noise in the middle": good[:8192] + dice.randbytes(16384) + good[24576:], "text": b"hello\n"}
    for what, data in broken.items():
        write(path, data)
        before = digest(path)
        node = Node("server", "--disable-agent", home=first.home)
        expect(node.ends() == 1, f"{what}: {node.said()}")
        expect_in(path, node.said())
        expect("backup" in node.said() or "move" in node.said(), f"{what}: no advice: {node.said()}")
        expect(digest(path) == before, f"{what}: the file was changed")
    write(path, good)
    node = Node("server", "--disable-agent", home=first.home, at=first.at).ready()
    expect(node.kubectl("get", "configmaps", "-n", "default", "-o", "name").count("configmap/c") >= 20, "objects are lost")
    node.terminate()


class Load(threading.Thread):
    """Creates configmaps one after the other and remembers which were acknowledged."""

    def __init__(self, node, prefix):
        super().__init__(daemon=True)
        self.node, self.prefix, self.acknowledged = node, prefix, []
        self.start()

    def run(self):
        try:
            admin = self.node.admin()
            for i in range(100000):
                name = f"{self.prefix}-{i}"
                status, _ = admin.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}, "data": {"n": name}})
                if status == 201:
                    self.acknowledged.append(name)
        except (OSError, http.client.HTTPException):
            pass   # the server died, as it should


def test_kill_under_load():
    """no acknowledged write is lost when the server is killed at any moment, ten times in a row under load"""
    home, at, expected, dice = folder(), address(), set(), random.Random()
    for life in range(10):
        server = Node("server", "--disable-agent", home=home, at=at).ready()
        loads = [Load(server, f"l{life}-{t}") for t in range(4)]
        most = dice.randrange(5, 150)
        until("some writes", lambda: sum(len(x.acknowledged) for x in loads) >= most, process=server.process)
        server.kill()
        for x in loads:
            x.join()
            expected.update(x.acknowledged)
    server = Node("server", "--disable-agent", home=home, at=at).ready()
    status, answer = server.admin().call("GET", "/api/v1/namespaces/default/configmaps")
    expect(status == 200, answer)
    found = {o["metadata"]["name"]: o["data"].get("n") for o in answer["items"] if "data" in o}
    missing = [n for n in expected if found.get(n) != n]
    expect(not missing, f"{len(missing)} of {len(expected)} acknowledged writes are lost: {missing[:5]}")
    server.terminate()


def test_rocksdb():
    """on RocksDB no acknowledged write is lost when the server is killed under load, and SQLite's file is not there"""
    home, at, expected = folder(), address(), set()
    flags = ("--disable-agent", "--datastore-endpoint", "rocksdb")
    for life in range(4):
        server = Node("server", *flags, home=home, at=at).ready()
        loads = [Load(server, f"r{life}-{t}") for t in range(4)]
        until("some writes", lambda: sum(len(x.acknowledged) for x in loads) >= 60, process=server.process)
        server.kill()
        for x in loads:
            x.join()
            expected.update(x.acknowledged)
    server = Node("server", *flags, home=home, at=at).ready()
    status, answer = server.admin().call("GET", "/api/v1/namespaces/default/configmaps")
    expect(status == 200, answer)
    missing = expected - {o["metadata"]["name"] for o in answer["items"]}
    expect(not missing, f"{len(missing)} of {len(expected)} acknowledged writes are lost")
    expect(not os.path.exists(home + "/data/server/db/state.db"), "there is an SQLite file too")
    server.terminate()


def test_restart_of_a_node():
    """a server whose node was there before becomes Ready again after a kill"""
    first = Node("server").ready()
    first.kill()
    again = Node("server", home=first.home, at=first.at, name=first.name).ready()
    expect_in(" Ready", again.kubectl("get", "node", first.name))
    again.terminate()


run(globals())
