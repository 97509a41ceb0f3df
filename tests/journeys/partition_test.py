"""J5 with a network that really parts: each server in a network namespace of its own, joined by a bridge of the test's.

The test starts itself again in namespaces of its own (`unshare -Urnm`), so nothing outside is touched and no root is needed.
"""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

INSIDE = "TROUPE_PARTITION_INSIDE"
NETWORK = "10.77.0."


def sh(line):
    done = subprocess.run(line.split(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{line}: {done.stdout}{done.stderr}")


def why_not():
    """What is missing for network namespaces here; empty when nothing is."""
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            return f"there is no program {tool}"
    probe = "mount -t tmpfs none /run && ip link add b0 type bridge && ip netns add probe && " \
            "ip link add v0 type veth peer name v1 netns probe && nsenter --net=/run/netns/probe true"
    done = subprocess.run(["unshare", "-Urnm", "sh", "-c", probe], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip()


def main():
    if os.environ.get(INSIDE):
        lay_network()
        from harness import run
        run(globals())
        return
    missing = why_not()
    if missing:
        print(f"skipped: network namespaces cannot be had here: {missing}", flush=True)
        sys.exit(77)   # Meson's "skipped"
    os.execvpe("unshare", ["unshare", "-Urnm", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


def lay_network():
    """Servers 1 to 3 at 10.77.0.1 to .3, we at .254. What is sent to `hole` arrives at its other end, where nobody lives."""
    sh("mount -t tmpfs none /run")
    sh("ip link set lo up")
    sh("ip link add b0 type bridge")
    sh(f"ip addr add {NETWORK}254/24 dev b0")
    sh("ip link set b0 up")
    for i in (1, 2, 3):
        sh(f"ip netns add n{i}")
        sh(f"ip link add v{i} type veth peer name e0 netns n{i}")
        sh(f"ip link set v{i} master b0 up")
        for line in ("ip link set lo up", f"ip addr add {NETWORK}{i}/24 dev e0", "ip link set e0 up", f"ip route add default via {NETWORK}254",
                     "ip link add hole type veth peer name bottom", "ip link set hole arp off up", "ip link set bottom up"):
            inside(i, line)


def inside(i, line):
    sh(f"nsenter --net=/run/netns/n{i} {line}")


def servers_in_namespaces():
    from cluster_test import Server

    def start(i, join=None):
        return Server("--disable-agent", join=join, at=f"{NETWORK}{i}", name=f"s{i}", within=["nsenter", f"--net=/run/netns/n{i}"])
    first = start(1).ready()
    others = [start(2, first), start(3, first)]
    return [first, *(x.ready() for x in others)]


def part(who, others, direction="add"):
    """What these send each other vanishes without a word, both ways; whoever else asks them still reaches them."""
    for other in others:
        inside(number(who), f"ip route {direction} {other.at}/32 dev hole")
        inside(number(other), f"ip route {direction} {who.at}/32 dev hole")


def number(server):
    return int(server.at.rpartition(".")[2])


def etcd_leader(servers):
    """Whose etcd leads, by its own word."""
    env = {**os.environ, "ETCDCTL_API": "3"}
    for s in servers:
        tls = s.home + "/data/server/tls/etcd"
        said = subprocess.run(["etcdctl", f"--endpoints=https://{s.at}:2379", f"--cacert={tls}/server-ca.crt", f"--cert={tls}/client.crt",
                               f"--key={tls}/client.key", "endpoint", "status", "-w", "fields"], capture_output=True, text=True, env=env, check=False).stdout
        fields = dict(line.split(" : ") for line in said.splitlines() if " : " in line)
        if fields.get('"MemberID"', 1) == fields.get('"Leader"', 2):
            return s
    return servers[0]


def cut_and_heal(work, victim, servers):
    """The rest goes on, the victim acknowledges nothing once it knows, and takes part again afterwards."""
    from cluster_test import stall
    from harness import expect, until
    others = [s for s in servers if s is not victim]
    since = time.monotonic()
    part(victim, others)
    work.goes_on(victim, since + 0.1)
    admin = victim.admin()
    until("the cut one is not ready", lambda: admin.call("GET", "/readyz")[0] == 503)
    known = time.monotonic()
    work.goes_on(victim, known + 1)
    expect(admin.call("GET", "/livez")[0] == 200, "it is alive")
    late = [t for c in work.clients if c.server is victim for t in c.commits if t > known]
    expect(not late, f"a server without the others acknowledged {len(late)} writes")
    print(f"    stall of the others: {stall(work.commits(victim), since):.2f} s", flush=True)
    healed = time.monotonic()
    part(victim, others, "del")
    until("the cut one is ready again", lambda: admin.call("GET", "/readyz")[0] == 200)
    until("and writes", lambda: [t for c in work.clients if c.server is victim for t in c.commits if t > healed])
    print(f"    back after {min(t for c in work.clients if c.server is victim for t in c.commits if t > healed) - healed:.2f} s", flush=True)


def test_partitions():
    """cut off from the others, leader or follower, a server acknowledges nothing, loses nothing, and comes back; the others go on"""
    from cluster_test import Work, stop_all
    from harness import until
    servers = servers_in_namespaces()
    try:
        work = Work(servers)
        until("some work", lambda: len(work.commits()) > 50)
        cut_and_heal(work, etcd_leader(servers), servers)
        lead = etcd_leader(servers)
        cut_and_heal(work, next(s for s in servers if s is not lead), servers)
        # Its wire is pulled: clients do not reach it either.
        victim = etcd_leader(servers)
        since = time.monotonic()
        sh(f"ip link set v{number(victim)} down")
        work.goes_on(victim, since + 0.1)
        work.goes_on(victim, time.monotonic() + 2)
        healed = time.monotonic()
        sh(f"ip link set v{number(victim)} up")
        until("the pulled one writes again", lambda: [t for c in work.clients if c.server is victim for t in c.commits if t > healed])
        print("   ", work.end(), flush=True)
    finally:
        stop_all(*servers)


def test_everybody_parted():
    """when no server reaches another none acknowledges a write, reads go on, and all of it heals by itself"""
    from cluster_test import MAPS, Work, stop_all
    from harness import expect, until
    servers = servers_in_namespaces()
    try:
        work = Work(servers)
        until("some work", lambda: len(work.commits()) > 50)
        pairs = [(servers[0], servers[1:]), (servers[1], servers[2:])]
        for who, others in pairs:
            part(who, others)
        admins = [s.admin() for s in servers]
        for a in admins:
            until("nobody is ready", lambda: a.call("GET", "/readyz")[0] == 503)
        known = time.monotonic()
        for a in admins:
            status, got = a.call("POST", MAPS, {"metadata": {"name": "x"}})
            expect(status == 503 and got["details"]["retryAfterSeconds"] >= 1, got)
            expect(a.call("GET", f"{MAPS}/{work.keys[0]}")[0] == 200, "reads go on")
        expect(not [t for t in work.commits() if t > known], "somebody acknowledged a write alone")
        for who, others in pairs:
            part(who, others, "del")
        work.goes_on(None, time.monotonic())
        for a in admins:
            until("all are ready", lambda: a.call("GET", "/readyz")[0] == 200)
        print("   ", work.end(), flush=True)
    finally:
        stop_all(*servers)


if __name__ == "__main__":
    main()
