"""J5 and J6 with real processes and the real etcd: servers that join, lose each other, and come back (docs/journeys)."""
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PATIENCE, Node, address, expect, expect_in, folder, run_binary, until  # noqa: E402
from upkeep import etcd_of_others  # noqa: E402

CHECK_HISTORY = os.environ["CHECK_HISTORY"]
ENDPOINTS = "/api/v1/namespaces/default/endpoints/kubernetes"
MAPS = "/api/v1/namespaces/default/configmaps"


def children(pid):
    """Processes that `pid` started: its etcd."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
            found += [int(x) for x in f.read().split()]
    return found


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Server(Node):
    """One of several, with its etcd."""

    def __init__(self, *flags, join=None, **more):
        how = ["--server", join.url] if join else ["--cluster-init"]
        super().__init__("server", "--token", "the-secret", *how, *flags, **more)
        self.flags = (*flags,)

    def next_life(self, join=None):
        return Server(*self.flags, join=join, home=self.home, at=self.at, name=self.name)

    def freeze(self, number):
        for pid in [self.process.pid, *children(self.process.pid)]:
            os.kill(pid, number)


def clients_inside(server):
    """How many clients of the API a server's own rooms have now."""
    code, said = run_binary("console", "--json", "--data-dir", server.home + "/data")
    expect(code == 0, said)
    return sum(1 for one in json.loads(said)["actors"] if one["name"] == "local")


def three(*flags):
    first = Server(*flags).ready()
    others = [Server(*flags, join=first), Server(*flags, join=first)]
    return [first, *(x.ready() for x in others)]


def stop_all(*servers):
    for s in servers:
        if s.process.poll() is None:
            s.freeze(signal.SIGCONT)
            s.process.send_signal(signal.SIGTERM)
    for s in servers:
        s.ends()


def listed(server):
    got = server.read(ENDPOINTS) or {}
    return sorted(a["ip"] for s in got.get("subsets", []) for a in s["addresses"])


def leader(servers):
    """Whoever holds the controllers' lease now."""
    got = servers[0].read("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/k3s")
    holder = got["spec"]["holderIdentity"] if got else ""
    return next((s for s in servers if holder.startswith(s.name + "_")), None)


PAUSE = 0.1   # s between a client's writes: a steady load; as fast as it goes would only take the processors from other tests


class Client(threading.Thread):
    """Creates, updates and reads one object after the other at one server, and writes down what it was told."""
    clock = itertools.count(1)

    def __init__(self, server, keys, number):
        super().__init__(daemon=True)
        self.server, self.keys, self.number = server, keys, number
        self.history, self.commits, self.stopping = [], [], threading.Event()
        self.refused_for_good = False
        self.last = None   # what it was told last, for whoever asks why nothing moves
        self.start()

    def note(self, op, key, begun, outcome, **more):
        self.history.append({"client": f"c{self.number}", "key": key, "op": op, "start": begun, "end": next(self.clock),
                             "outcome": outcome, **more})

    def run(self):
        admin, seen, n = None, {}, 0
        while not self.stopping.is_set():
            key = self.keys[n % len(self.keys)]
            n += 1
            try:
                if admin is None:
                    admin = self.server.admin()
                    admin.connection.timeout = 4
                self.step(admin, key, seen, n)
            except (OSError, http.client.HTTPException) as why:
                admin, self.last = None, repr(why)
                self.stopping.wait(0.05)

    def step(self, admin, key, seen, n):
        begun = next(self.clock)
        if key not in seen:
            status, got = admin.call("GET", f"{MAPS}/{key}")
            self.last = ("GET", status, got)
            # Without a leader a server answers from its cache and says so: such an answer promises nothing.
            if status == 200 and "the datastore has no leader" not in admin.warning:
                seen[key] = int(got["metadata"]["resourceVersion"])
                self.note("read", key, begun, "ok", revision=seen[key], value=got["data"]["v"])
            else:
                self.stopping.wait(0.02)
            self.refused_for_good |= status in (401, 403)
            return
        value, expected = f"{self.number}-{n}", seen.pop(key)
        body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"v": value},
                "metadata": {"name": key, "namespace": "default", "resourceVersion": str(expected)}}
        try:
            status, got = admin.call("PUT", f"{MAPS}/{key}", body)
        except (OSError, http.client.HTTPException):
            self.history.append({"client": f"c{self.number}", "key": key, "op": "update", "expected": expected, "value": value,
                                 "start": begun, "outcome": "unknown"})
            raise
        self.last = ("PUT", status, got)
        if status == 200:
            at = int(got["metadata"]["resourceVersion"])
            self.commits.append(time.monotonic())
            self.note("update", key, begun, "committed", expected=expected, value=value, revision=at)
            self.stopping.wait(PAUSE)
        elif status == 409:
            self.note("update", key, begun, "conflict", expected=expected, value=value)
            self.stopping.wait(PAUSE)
        elif status == 504:
            self.note("update", key, begun, "unknown", expected=expected, value=value)
        else:
            self.note("update", key, begun, "refused", expected=expected, value=value)
            self.stopping.wait(0.02)


class Work:
    """Clients at every server, on the same few objects."""

    numbers = itertools.count(1)

    def __init__(self, servers, per_server=2):
        number = next(self.numbers)   # fresh objects: a history begins with their making
        self.keys, admin = [f"register-{number}-{i}" for i in range(4)], servers[0].admin()
        self.begun = []
        for key in self.keys:
            status, got = admin.call("POST", MAPS, {"metadata": {"name": key}, "data": {"v": "first"}})
            expect(status == 201, got)
            self.begun.append({"client": "setup", "key": key, "op": "create", "value": "first", "start": 0, "end": 0,
                               "outcome": "committed", "revision": int(got["metadata"]["resourceVersion"])})
        self.clients = [Client(s, self.keys, f"{i}{j}") for i, s in enumerate(servers) for j in range(per_server)]

    def commits(self, besides=None):
        return sorted(t for c in self.clients if c.server is not besides for t in c.commits)

    def goes_on(self, besides, since):
        until("writes go on", lambda: [t for t in self.commits(besides) if t > since])

    def goes_on_at(self, server, since):
        clients = [c for c in self.clients if c.server is server]
        try:
            until("it writes again", lambda: [t for c in clients for t in c.commits if t > since])
        except AssertionError as e:
            told = [(len(c.history), c.last) for c in clients]
            raise AssertionError(f"{e}; its clients' requests, and what they were told last: {told}") from None

    def end(self):
        for c in self.clients:
            c.stopping.set()
        for c in self.clients:
            c.join()
            expect(not c.refused_for_good, c.last)
        lines = "\n".join(json.dumps(x) for x in self.begun + [x for c in self.clients for x in c.history])
        done = subprocess.run([CHECK_HISTORY], input=lines.encode(), capture_output=True, timeout=PATIENCE)
        said = done.stdout.decode() + done.stderr.decode()
        expect(done.returncode == 0, said)
        expect(len(self.commits()) > 20, "hardly anything was written: " + said)
        return said.strip().splitlines()[-1]


def stall(times, since):
    """The longest pause between writes around `since`, in seconds."""
    around = [t for t in times if since - 1 < t]
    return max((b - a for a, b in zip(around, around[1:])), default=0.0)


def test_three_servers():
    """three servers form a cluster; each answers for all; what one was told, the others know at once"""
    servers = three()
    try:
        for s in servers:
            expect(s.kubectl("get", "nodes", "--no-headers").count(" Ready ") == 3, s.said())
        for s in servers:
            until("three endpoints", lambda: listed(s) == sorted(x.at for x in servers))
        until("roles", lambda: servers[1].kubectl("get", "nodes", "--no-headers").count("control-plane,etcd") == 3)
        admins = [s.admin() for s in servers]
        for i in range(30):
            writer, reader = admins[i % 3], admins[(i + 1) % 3]
            name = f"ns{i}"
            expect(writer.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})[0] == 201, name)
            expect(reader.call("GET", f"/api/v1/namespaces/{name}")[0] == 200, f"{name} is not seen by another server")
            status, got = reader.call("POST", f"/api/v1/namespaces/{name}/configmaps", {"metadata": {"name": "m"}, "data": {"a": "1"}})
            expect(status == 201, got)
            third = admins[(i + 2) % 3]
            status, got = third.call("PATCH", f"/api/v1/namespaces/{name}/configmaps/m", {"data": {"a": "2"}}, "application/merge-patch+json")
            expect(status == 200, got)
            expect(writer.call("DELETE", f"/api/v1/namespaces/{name}/configmaps/m")[0] == 200, "delete")
        # An agent may join by any of them; what it says of itself is known to all.
        agents = [Node("agent", "--server", s.url, "--token", s.token()) for s in servers]
        for a in agents:
            a.ready()
        for s, a in zip(servers[1:] + servers[:1], agents):
            expect_in(" Ready ", s.kubectl("get", "node", a.name, "--no-headers"))
        for a in agents:
            expect(a.terminate() == 0, a.said())
        wrong = Node("server", "--token", "another", "--server", servers[0].url)
        expect(wrong.ends() == 1, wrong.said())
        expect_in("does not accept this token", wrong.said())
        other = Server("--cluster-cidr", "10.99.0.0/16", join=servers[0])
        expect(other.ends() == 1, other.said())
        expect_in("critical configuration value mismatch between servers: --cluster-cidr", other.said())
        twin = Server(join=servers[0], name=servers[1].name)
        expect(twin.ends() == 1, twin.said())
        expect_in(f"a server named {servers[1].name} is in the cluster already, at {servers[1].at}", twin.said())
        # All stop, and start again in another order, the founder last.
        stop_all(*servers)
        servers = [s.next_life() for s in reversed(servers)]
        for s in servers:
            s.ready()
        expect(servers[2].admin().call("GET", "/api/v1/namespaces/ns29")[0] == 200, "a namespace is lost")
    finally:
        stop_all(*servers)


def test_kill_and_freeze():
    """a killed or frozen server costs no acknowledged write; the others go on; it comes back by itself"""
    servers = three()
    try:
        work = Work(servers)
        until("some work", lambda: len(work.commits()) > 50)
        victim = leader(servers) or servers[0]
        etcd = children(victim.process.pid)
        expect(len(etcd) == 1, f"one etcd per server: {etcd}")
        since = time.monotonic()
        victim.kill()
        until("its etcd is gone with it", lambda: not lives(etcd[0]))
        work.goes_on(victim, since + 0.1)
        print(f"    stall after kill -9: {stall(work.commits(victim), since):.2f} s", flush=True)
        left = [s for s in servers if s is not victim]
        until("the dead one leaves the endpoints", lambda: listed(left[0]) == sorted(s.at for s in left))
        until("another leads", lambda: leader(left) in left)
        back = victim.next_life().ready()
        servers = left + [back]
        for c in work.clients:
            if c.server is victim:
                c.server = back
        until("three endpoints again", lambda: len(listed(left[0])) == 3)
        frozen = leader(left + [back])
        since = time.monotonic()
        frozen.freeze(signal.SIGSTOP)
        work.goes_on(frozen, since + 0.1)
        print(f"    stall after a freeze: {stall(work.commits(frozen), since):.2f} s", flush=True)
        others = [s for s in servers if s is not frozen]
        until("another leads", lambda: leader(others) in others)
        since = time.monotonic()
        frozen.freeze(signal.SIGCONT)
        work.goes_on_at(frozen, since)
        now = leader(others)
        until("what acted while it led is gone, clients too", lambda: clients_inside(frozen) < clients_inside(now), every=0.3)
        print("   ", work.end(), flush=True)
    finally:
        stop_all(*servers)


def test_quorum():
    """without a quorum reads go on with a warning, writes and readiness say 503; all resumes when it returns"""
    servers = three("--disable-agent")
    try:
        alone = servers[0]
        admin = alone.admin()
        expect(admin.call("POST", MAPS, {"metadata": {"name": "before"}, "data": {"v": "1"}})[0] == 201, "create")
        for s in servers[1:]:
            s.kill()
        until("not ready", lambda: admin.call("GET", "/readyz")[0] == 503)
        status, got = admin.call("PUT", f"{MAPS}/before", {"metadata": {"name": "before"}, "data": {"v": "2"}})
        expect(status == 503 and got["details"]["retryAfterSeconds"] >= 1, got)
        expect_in("no leader", got["message"])
        admin.connection.request("GET", f"{MAPS}/before")
        answer = admin.connection.getresponse()
        body = json.loads(answer.read())
        expect(answer.status == 200 and body["data"]["v"] == "1", body)
        expect_in("the datastore has no leader", answer.headers.get("Warning", ""))
        expect(admin.call("GET", "/livez")[0] == 200, "alive")
        expect(alone.process.poll() is None, alone.said())
        servers[1] = servers[1].next_life().ready()
        until("ready again", lambda: admin.call("GET", "/readyz")[0] == 200)
        until("writes again", lambda: admin.call("PUT", f"{MAPS}/before", {"metadata": {"name": "before"}, "data": {"v": "3"}})[0] == 200)
        expect(servers[1].admin().call("GET", f"{MAPS}/before")[1]["data"]["v"] == "3", "the other server knows")
    finally:
        stop_all(*servers)


def test_removal_and_replacement():
    """a deleted node leaves etcd and says so; it joins afresh; a server that lost its disk is taken back"""
    servers = three()
    try:
        gone = servers[2]
        until("its marks", lambda: "etcd.k3s.cattle.io/node-name" in servers[0].kubectl("get", "node", gone.name, "-o", "jsonpath={.metadata.annotations}"))
        servers[0].kubectl("delete", "node", gone.name, "--wait=false")
        expect(gone.ends() == 1, gone.said())
        expect_in("this server was removed from its cluster", gone.said())
        refused = Node("server", "--token", "the-secret", home=gone.home, at=gone.at, name=gone.name)
        expect(refused.ends() == 1, refused.said())
        expect_in("--server https://OTHER:6443 to join again", refused.said())
        back = gone.next_life(join=servers[0]).ready()
        servers[2] = back
        until("three voters", lambda: len(listed(servers[0])) == 3)
        back.kill()
        subprocess.run(["rm", "-rf", back.home + "/data/server"], check=True)
        servers[2] = back.next_life(join=servers[0]).ready()
        expect_in("member_replaced", servers[2].said())
        expect(servers[2].kubectl("get", "nodes", "--no-headers").count(" Ready ") == 3, "three nodes")
        # etcd itself may die: its server starts it again and nobody is told to care.
        etcd = children(servers[1].process.pid)[0]
        os.kill(etcd, signal.SIGKILL)
        until("another etcd", lambda: [p for p in children(servers[1].process.pid) if p != etcd])
        until("it serves", lambda: servers[1].read("/readyz") == "ok")
        expect(servers[1].admin().call("POST", MAPS, {"metadata": {"name": "after"}, "data": {}})[0] == 201, "create")
    finally:
        stop_all(*servers)


def test_agent_outlives_its_server():
    """an agent learns of all servers, is reached through each, outlives the one it joined by, and starts without it"""
    servers = three("--disable-agent")
    first, second, third = servers
    agent = Node("agent", "--server", first.url, "--token", first.token(), "--node-lease-interval", "1s")
    try:
        agent.ready()
        until("it knows three servers", lambda: all(f"{s.at}:6443" in agent.said().rpartition("servers_settled")[2] for s in servers))
        for s in servers:
            until(f"a tunnel to {s.name}", lambda: s.kubelet_answers(agent.name))
        def renewed():   # on a busy machine its first lease may come after its tunnels
            return (second.read(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{agent.name}") or {}).get("spec", {}).get("renewTime", "")
        seen = until("its first lease", renewed)
        first.kill()
        seen = renewed() or seen
        for _ in range(3):   # it goes on, and not only with what was on its way
            seen = until("a renewal", lambda: (lambda now: now > seen and now)(renewed()))
        expect_in(" Ready ", third.kubectl("get", "node", agent.name, "--no-headers"))
        expect(third.kubelet_answers(agent.name), "reached through the third")
        expect(agent.process.poll() is None, agent.said())
        agent.kill()
        again = Node("agent", "--server", first.url, "--token", first.token(), home=agent.home, at=agent.at, name=agent.name)
        agent = again.ready()   # the server of --server is dead
    finally:
        agent.terminate()
        stop_all(*servers)


def test_etcd_of_others():
    """two servers share an etcd that somebody else runs, under one token; a wrong token or a wrong address is named"""
    at, home = address(), folder("etcd")
    etcd = subprocess.Popen(["/usr/bin/etcd", "--data-dir", home + "/data", "--listen-client-urls", f"http://{at}:2379",
                             "--advertise-client-urls", f"http://{at}:2379", "--listen-peer-urls", f"http://{at}:2380",
                             "--initial-advertise-peer-urls", f"http://{at}:2380", "--initial-cluster", f"default=http://{at}:2380"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    nodes = []
    try:
        where = ["--datastore-endpoint", f"http://{at}:2379"]
        # Side by side on an empty store: one founds the cluster, the other takes its keys.
        first, second = (Node("server", "--token", "the-secret", *where) for _ in range(2))
        nodes += [first, second]
        for n in nodes:
            n.ready()
        authority = "/data/server/tls/server-ca.crt"
        expect(open(first.home + authority).read() == open(second.home + authority).read(), "two authorities in one cluster")
        expect(second.kubectl("get", "nodes", "--no-headers").count(" Ready ") == 2, "two nodes")
        stranger = Node("server", "--token", "another", *where)
        expect(stranger.ends() == 1, stranger.said())
        expect_in("encrypted with different token", stranger.said())
        first.kill()
        until("one endpoint", lambda: listed(second) == [second.at])
        again = Node("server", *where, home=first.home, at=first.at, name=first.name)   # its token is on its disk
        nodes.append(again.ready())
        for flag, sentence in (("mysql://x", "must be sqlite, rocksdb, or the URLs of an etcd"), ("https://a,ftp://b", "is none of")):
            bad = Node("server", "--token", "t", "--datastore-endpoint", flag)
            expect(bad.ends() != 0, bad.said())
            expect_in(sentence, bad.said())
        nowhere = Node("server", "--token", "t", "--datastore-endpoint", f"http://{at}:2999")
        nodes.append(nowhere)
        nowhere.says(r"waiting for the datastore at http://.*:2999")
        expect(nowhere.terminate() == 0, nowhere.said())
    finally:
        for n in nodes:
            if n.process.poll() is None:
                n.terminate()
        etcd.kill()
        etcd.wait()


def test_awkward_stores():
    """an etcd of others of which one address is dead is used; a client certificate that ran out is named with its day"""
    etcd, live = etcd_of_others()
    try:
        half = Node("server", "--disable-agent", "--token", "t", "--datastore-endpoint", f"http://{address()}:2379,{live}").ready()
        half.kubectl("create", "configmap", "kept")
        half.kill()
        again = Node("server", "--disable-agent", "--datastore-endpoint", f"{live},http://{address()}:2379", home=half.home, at=half.at, name=half.name).ready()
        again.kubectl("get", "configmap", "kept")
        expect(again.terminate() == 0, again.said())
        pair = folder("pair")
        for words in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=etcd", "-keyout", "key", "-out", "csr"],
                      ["x509", "-req", "-in", "csr", "-signkey", "key", "-days", "-1", "-out", "crt"]):
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=pair)
        ended = Node("server", "--token", "t", "--datastore-endpoint", live, "--datastore-certfile", pair + "/crt", "--datastore-keyfile", pair + "/key")
        expect(ended.ends() != 0, ended.said())
        expect_in("--datastore-certfile: the certificate in " + pair + "/crt ran out on ", ended.said())
    finally:
        etcd.kill()
        etcd.wait()


if __name__ == "__main__":
    from harness import run
    run(globals())
