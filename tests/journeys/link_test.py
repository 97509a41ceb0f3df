"""J2 and J3 with real processes: agents whose servers die, freeze, fall silent, leave and come, under load through the balancer.

Stalls are printed as histograms, of reads and of writes apart, and never judged: the machine may be busy. What is judged: no read
fails while one server lives (one retry, as clients do), no write fails for good (it waits for the datastore's next leader), no watch
has a gap, and agents find their servers again.

  TROUPE_AGENTS=n   as many agents (default 2);  TROUPE_RATE=n  requests per second through each (default 100)
"""
import http.client
import itertools
import json
import os
import re
import select
import signal
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_test import Server, listed, stop_all
from partition_test import etcd_leader
from harness import PATIENCE, Node, address, expect, expect_in, run_binary, until, write

MAPS = "/api/v1/namespaces/default/configmaps"
EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 3.0, 1e9)


def status(agent):
    code, said = run_binary("agent", "status", "-o", "json", "--data-dir", agent.home + "/data")
    expect(code == 0, said + agent.said())
    return json.loads(said)["balancer"]


def context_of(server):
    """The admin's TLS through a balancer: the cluster's CA is checked, the name of the address dialled is not."""
    admin = server.admin()
    made = admin.connection._context   # the harness's own, with CA and certificate
    made.check_hostname = False
    return made


class Proxy:
    """Stands at a server's advertised address and forwards to it, until it swallows: then nothing passes and nothing ends."""

    def __init__(self, at, to):
        self.to, self.swallowing, self.door = (to, 6443), False, socket.create_server((at, 6443), backlog=512)
        self.pairs, self.mute = {}, []
        threading.Thread(target=self.run, daemon=True).start()

    def half_open(self):
        """Those who are connected keep half a connection: nothing they say is answered, nothing ends. New ones pass."""
        self.muting = True
        until("the connections are mute", lambda: not self.muting)

    def run(self):
        self.muting = False
        while True:
            if self.muting:
                for one in [p for p in self.pairs if p.getpeername()[0] == self.to[0] and p.getpeername()[1] == self.to[1]]:
                    self.mute.append(self.pairs.pop(one))
                    self.pairs.pop(self.mute[-1])
                    one.close()
                self.muting = False
            if self.swallowing:
                time.sleep(0.01)
                continue
            ready, _, _ = select.select([self.door, *self.pairs], [], [], 0.05)
            for one in ready:
                try:
                    if one is self.door:
                        client = self.door.accept()[0]
                        server = socket.create_connection(self.to, 5)
                        for s in (client, server):
                            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self.pairs[client], self.pairs[server] = server, client
                        continue
                    data = one.recv(65536) if one in self.pairs else b""
                    if data:
                        self.pairs[one].sendall(data)
                        continue
                except OSError:
                    pass
                if one in self.pairs:
                    other = self.pairs.pop(one)
                    self.pairs.pop(other, None)
                    one.close()
                    other.close()


class Asker(threading.Thread):
    """Reads one object again and again through an agent's balancer, each time at most twice, and keeps how long it took."""

    def __init__(self, agent, context, per_second):
        super().__init__(daemon=True)
        self.agent, self.context, self.pause = agent, context, 1 / per_second
        self.took, self.failed, self.retried, self.cached, self.stopping = [], [], 0, 0, threading.Event()
        self.connection = None
        self.start()

    def once(self, method="GET", name="read-me", said=None):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.agent.at, 6444, context=self.context, timeout=10)
        try:
            self.connection.request(method, f"{MAPS}/{name}", said, {"Content-Type": "application/json"} if said else {})
            answer = self.connection.getresponse()
            body = answer.read()
            self.cached += "the datastore has no leader" in answer.headers.get("Warning", "")
            if answer.status == 200 and name.encode() in body:
                return ""
            return f"{answer.status} {body[:200]!r}"
        except (OSError, http.client.HTTPException) as why:
            self.connection.close()
            self.connection = None
            return repr(why)

    def run(self):
        while not self.stopping.wait(self.pause):
            began = time.monotonic()
            why = self.once()
            if why:
                self.retried += 1
                again = self.once()
                if again:
                    self.failed.append(f"at {began:.2f}: {why}, then {again}")
            self.took.append((began, time.monotonic() - began))


class Changer(Asker):
    """Writes one object again and again, each time until it is written: after a leader of the datastore comes the next."""

    def run(self):
        for n in itertools.count(1):
            if self.stopping.wait(self.pause):
                return
            began = time.monotonic()
            while why := self.once("PUT", "write-me", json.dumps({"metadata": {"name": "write-me"}, "data": {"v": f"{self.agent.at} {n}"}})):
                self.retried += 1
                if time.monotonic() - began > PATIENCE:
                    self.failed.append(f"at {began:.2f}, for {PATIENCE:.0f} s: {why}")
                    return
                time.sleep(0.05)
            self.took.append((began, time.monotonic() - began))


class Watcher(threading.Thread):
    """Watches through an agent's balancer, takes up where it was cut, and notes the names it was told in order."""

    def __init__(self, agent, context, revision):
        super().__init__(daemon=True)
        self.agent, self.context, self.revision = agent, context, revision
        self.names, self.broken, self.cuts, self.relisted, self.stopping = [], "", 0, 0, threading.Event()
        self.start()

    def run(self):
        while not self.stopping.is_set() and not self.broken:
            try:
                connection = http.client.HTTPSConnection(self.agent.at, 6444, context=self.context, timeout=3)
                connection.request("GET", f"{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={self.revision}")
                answer = connection.getresponse()
                if answer.status != 200:
                    self.stopping.wait(0.1)
                    continue
                while not self.stopping.is_set():
                    line = answer.readline()
                    if not line:
                        break
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        self.list_anew(line)
                        break
                    self.revision = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] == "ADDED":
                        self.names.append(event["object"]["metadata"]["name"])
            except (OSError, http.client.HTTPException, ValueError):
                pass
            self.cuts += 1

    def list_anew(self, line):
        """What clients do when a server that has only just started does not know the revision they come with."""
        if json.loads(line)["object"].get("code") != 410:
            self.broken = f"the watch could not go on: {line!r}"
            return
        connection = http.client.HTTPSConnection(self.agent.at, 6444, context=self.context, timeout=10)
        connection.request("GET", MAPS)
        listed = json.loads(connection.getresponse().read())
        new = [o["metadata"] for o in listed["items"] if int(o["metadata"]["resourceVersion"]) > int(self.revision)]
        self.names += [m["name"] for m in sorted(new, key=lambda m: int(m["resourceVersion"]))]
        self.revision = listed["metadata"]["resourceVersion"]
        self.relisted += 1


class Load:
    """Requests through every agent, a watch through the first, and somebody who writes what the watch must tell."""

    def __init__(self, agents, servers, per_second=int(os.environ.get("TROUPE_RATE", "100"))):
        server = servers[0]
        context = context_of(server)
        code, got = server.admin().call("GET", MAPS)
        expect(code == 200, got)
        self.watcher = Watcher(agents[0], context, got["metadata"]["resourceVersion"])
        self.askers = [Asker(a, context, per_second / 4) for a in agents for _ in range(4)]
        self.changers = [Changer(a, context, 10) for a in agents]
        self.written = []

    def write(self, server, count=10):
        admin = server.admin()
        for _ in range(count):
            name = f"told-{time.monotonic_ns()}"
            code, got = admin.call("POST", MAPS, {"metadata": {"name": name}})
            expect(code == 201, got)
            self.written.append(name)

    def end(self, what, since, alive=True):
        until("the watch has told all", lambda: self.watcher.broken or set(self.written) <= set(self.watcher.names))
        self.watcher.stopping.set()
        for a in self.askers + self.changers:
            a.stopping.set()
        for a in self.askers + self.changers:
            a.join()
        told = [n for n in self.watcher.names if n in set(self.written)]
        expect(not self.watcher.broken, self.watcher.broken)
        expect(told == self.written, f"the watch told {len(told)} of {len(self.written)}, in order: {told == self.written}")
        failed = [f for a in self.askers + self.changers for f in a.failed]
        expect(not failed, f"{len(failed)} requests failed although a server lived: {failed[:3]}\n" + self.askers[0].agent.said()[-3000:])
        print(f"    {what}: watch cut {self.watcher.cuts} times and begun anew {self.watcher.relisted}", flush=True)
        for kind, those in (("reads", self.askers), ("writes", self.changers)):
            took = [t for a in those for b, t in a.took if b > since - 0.5]
            rows = [sum(low <= t < high for t in took) for low, high in zip((0, *EDGES), EDGES)]
            print(f"      {sum(len(a.took) for a in those)} {kind}, {sum(a.retried for a in those)} asked again, {sum(a.cached for a in those)} answered from a cache without a leader, "
                  f"longest {max(took, default=0):.2f} s; s: " + " ".join(f"<{e:g}:{n}" for e, n in zip(EDGES, rows) if n), flush=True)


def others(servers, one):
    return [s for s in servers if s is not one]


def current(agent, servers):
    name = status(agent)["current"]
    return next(s for s in servers if f"{s.seen_at}:6443" == name)


def following(c):
    """A server that is used, if it can be, and whose datastore does not lead."""
    used, leading = current(c.agents[0], c.servers), etcd_leader(c.servers)
    return used if used is not leading else others(c.servers, leading)[0]


class Cast:
    """Three servers, the second a node too, the third behind a proxy, and two agents or more."""

    def __init__(self):
        behind = address()
        first = Server("--disable-agent").ready()
        third_at = address()
        self.proxy = Proxy(behind, third_at)
        rest = [Server(join=first), Server("--disable-agent", "--advertise-address", behind, "--tls-san", behind, join=first, at=third_at)]
        self.servers = [first, *(s.ready() for s in rest)]
        for s in self.servers:
            s.seen_at = s.at
        self.servers[2].seen_at = behind
        for name in ("read-me", "write-me"):
            code, got = first.admin().call("POST", MAPS, {"metadata": {"name": name}})
            expect(code == 201, got)
        self.whole()
        self.agents = [Node("agent", "--server", s.url, "--token", first.token()) for s in (self.servers * 9)[:int(os.environ.get("TROUPE_AGENTS", "2"))]]
        for a in self.agents:
            a.ready()
        self.settled()

    def whole(self):
        until("three endpoints", lambda: all(listed(s) == sorted(x.seen_at for x in self.servers) for s in self.servers))

    def settled(self):
        for a in self.agents:
            until("three ready servers", lambda: sorted(s["server"] for s in status(a)["servers"] if s["state"] == "ready" and s["role"] == "server") ==
                  sorted(f"{s.seen_at}:6443" for s in self.servers))

    def again(self, server, **how):
        """Its next life; `join`: through this one, afresh, `at`: at another address."""
        back = Server(*server.flags, join=how.get("join"), home=server.home, at=how.get("at", server.at), name=server.name)
        back.seen_at = how.get("at", server.seen_at)
        self.servers[self.servers.index(server)] = back
        return back

    def end(self):
        for a in self.agents:
            expect(a.terminate() == 0, a.said())
        stop_all(*self.servers)


_cast, _names = [], itertools.count(1)


def cast():
    if not _cast:
        _cast.append(Cast())
    return _cast[0]


def test_status():
    """`troupe agent status` names every server, its state, its tunnel and why the current one is used; a stuck node is shown too"""
    c = cast()
    agent = c.agents[0]
    code, said = run_binary("agent", "status", "--data-dir", agent.home + "/data")
    expect(code == 0, said)
    for words in (f"load balancer on {agent.at}:6444, {agent.at}:6443", "* is used: it is the first in this node's own order", " ready ", " up "):
        expect_in(words, said)
    code, said = run_binary("agent", "status", "--data-dir", agent.home)
    expect(code == 1 and "no node answers" in said, said)
    code, said = run_binary("agent", "status", "--bogus")
    expect(code == 2 and "usage" in said, said)


def disturb(what, begin, end, victim=None):
    c = cast()
    c.whole()
    c.settled()
    load = Load(c.agents, c.servers)
    until("requests", lambda: all(len(a.took) > 20 for a in load.askers))
    victim = current(c.agents[0], c.servers) if victim is None else victim(c) if callable(victim) else c.servers[victim]
    living = others(c.servers, victim)[0]
    load.write(living)
    since = time.monotonic()
    begin(c, victim)
    until("requests after it", lambda: all(len([1 for b, _ in a.took if b > since + 3]) > 20 for a in load.askers))
    for a in c.agents:
        expect(current(a, c.servers) is not victim, "it is still used")
    until("writes after it", lambda: living.admin().call("GET", "/readyz")[0] == 200)
    load.write(living)
    end(c, victim)
    c.whole()
    c.settled()
    load.write(living)
    load.end(what, since)


def test_kill():
    """a server is killed under load: no request fails, the watch goes on, and the server is used again when it is back"""
    disturb("kill -9 of one that follows", lambda c, s: s.kill(), lambda c, s: c.again(s).ready(),
            victim=following)


def test_kill_of_the_leader():
    """the server whose datastore leads is killed under load: reads go on before another leads, writes when one does"""
    disturb("kill -9 of the datastore's leader", lambda c, s: s.kill(), lambda c, s: c.again(s).ready(), victim=lambda c: etcd_leader(c.servers))


def test_freeze():
    """a server freezes under load: no request fails, the watch goes on"""
    disturb("SIGSTOP", lambda c, s: s.freeze(signal.SIGSTOP), lambda c, s: s.freeze(signal.SIGCONT))


def test_freeze_of_the_leader():
    """the server whose datastore leads freezes under load: no request fails, and nobody waits for it once another leads"""
    disturb("SIGSTOP of the datastore's leader", lambda c, s: s.freeze(signal.SIGSTOP), lambda c, s: s.freeze(signal.SIGCONT),
            victim=lambda c: etcd_leader(c.servers))


def test_leaving():
    """a server ends in order and comes back: it leaves every agent's list and returns to it"""
    disturb("SIGTERM and back", lambda c, s: s.terminate(), lambda c, s: c.again(s).ready())


def test_removed_and_added():
    """a server's node is deleted under load: agents leave it for good; it joins afresh, and they come to it"""
    def remove(c, victim):
        living = others(c.servers, victim)[0]
        until("its marks", lambda: "etcd.k3s.cattle.io/node-name" in living.kubectl("get", "node", victim.name, "-o", "jsonpath={.metadata.annotations}"))
        living.kubectl("delete", "node", victim.name, "--wait=false")
        expect(victim.ends() == 1, victim.said())
        for a in c.agents:
            until("it is in no list", lambda: f"{victim.seen_at}:6443" not in [s["server"] for s in status(a)["servers"] if s["role"] == "server"])
    disturb("server removed, and added", remove, lambda c, s: c.again(s, join=others(c.servers, s)[0]).ready(), victim=1)


def test_new_address():
    """a server comes back with another address under load: the old one leaves every list, the new one is connected to"""
    disturb("server with a new address", lambda c, s: s.terminate(), lambda c, s: c.again(s, at=address()).ready(), victim=0)


def find_fond(c, silent):
    """An agent that prefers this server: names are tried until one does."""
    for _ in range(30):
        agent = Node("agent", "--server", c.servers[0].url, "--token", c.servers[0].token(), name=f"fond{next(_names)}").ready()
        until("three ready", lambda: len([s for s in status(agent)["servers"] if s["state"] == "ready"]) == 3)
        if current(agent, c.servers) is silent:
            return agent
        agent.terminate()
    raise AssertionError("of thirty names none prefers that server")


def test_half_open():
    """connections of which only the agent's half is left are given up; the server behind them is used again"""
    c = cast()
    c.settled()
    silent = c.servers[2]
    fond = find_fond(c, silent)
    load = Load([fond], c.servers)
    until("requests", lambda: all(len(a.took) > 20 for a in load.askers))
    load.write(c.servers[0])
    since = time.monotonic()
    c.proxy.half_open()
    until("requests after it", lambda: all(len([1 for b, _ in a.took if b > since + 3]) > 20 for a in load.askers))
    load.write(c.servers[0])
    until("it is used again", lambda: current(fond, c.servers) is silent)
    load.write(c.servers[0])
    load.end("half-open connections", since)
    fond.terminate()


def test_black_hole():
    """a server behind a path that swallows everything is left, and taken again when the path works"""
    c = cast()
    c.settled()
    silent = c.servers[2]
    fond = find_fond(c, silent)
    load = Load([fond], c.servers)
    until("requests", lambda: all(len(a.took) > 20 for a in load.askers))
    load.write(c.servers[0])
    since = time.monotonic()
    c.proxy.swallowing = True
    until("requests after it", lambda: all(len([1 for b, _ in a.took if b > since + 3]) > 20 for a in load.askers))
    expect(current(fond, c.servers) is not silent, "it is still used")
    load.write(c.servers[0])
    c.proxy.swallowing = False
    until("it is used again", lambda: current(fond, c.servers) is silent)
    load.write(c.servers[0])
    load.end("black hole", since)
    fond.terminate()


def test_all_down():
    """all servers die and come back in another order: the agents go on without being started again"""
    c = cast()
    c.settled()
    for s in c.servers:
        s.kill()
    until("all are lost", lambda: all(s["state"] == "lost" for a in c.agents for s in status(a)["servers"]))
    for a in c.agents:
        expect(a.process.poll() is None, a.said())
    for s in reversed(list(c.servers)):
        c.again(s)
    for s in c.servers:
        s.ready()
    c.whole()
    c.settled()
    load = Load(c.agents, c.servers)
    until("requests", lambda: all(len(a.took) > 20 for a in load.askers))
    load.write(c.servers[1])
    load.end("after all were down", time.monotonic() - 60)


def test_restart_with_its_server_down():
    """an agent starts again although its --server is down, from the list it kept; a list that is garbage is as good as none"""
    c = cast()
    c.settled()
    agent = c.agents[0]
    kept = agent.home + "/data/agent/etc/k3s-agent-load-balancer.json"
    until("the list is kept", lambda: os.path.exists(kept))
    home, at, name, first = agent.home, agent.at, agent.name, c.servers[0]
    expect(agent.terminate() == 0, agent.said())
    write(kept, b"\x00garbage{")
    again = Node("agent", "--server", first.url, "--token", first.token(), home=home, at=at, name=name).ready()
    until("the list is written anew", lambda: re.search(r'"ServerAddresses"', open(kept, errors="replace").read()))
    expect(again.terminate() == 0, again.said())
    token = first.token()
    first.kill()
    again = Node("agent", "--server", first.url, "--token", token, home=home, at=at, name=name).ready()
    c.agents[0] = again
    expect_in("is Ready", again.said())
    c.again(first).ready()
    c.whole()
    c.settled()


def test_the_end():
    """agents and servers end in order"""
    cast().end()


if __name__ == "__main__":
    from harness import run
    run(globals())
