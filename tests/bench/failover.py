"""Fail-over of a cluster of three servers on embedded etcd: how long writes and reads through the two others stand still when
a server is killed, and when one is frozen. `failover.py [rounds] [leader]`: the one that leads etcd is about every third, or
always. Prints histograms and JSON."""
import http.client
import json
import os
import signal
import sys
import threading
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "journeys"))
os.environ.setdefault("CHECK_HISTORY", os.path.join(here, "..", "..", "build", "tests", "harness", "check_history"))
import cluster_test as cluster  # noqa: E402
from harness import _end_all, until  # noqa: E402
from partition_test import etcd_leader  # noqa: E402


class Reader(threading.Thread):
    """Reads one object at one server, again and again, as new as it is; keeps when each answer came."""

    def __init__(self, server, key):
        super().__init__(daemon=True)
        self.server, self.key, self.answers, self.stopping = server, key, [], threading.Event()
        self.start()

    def run(self):
        admin = None
        while not self.stopping.wait(0.005):
            try:
                if admin is None:
                    admin = self.server.admin()
                    admin.connection.timeout = 4
                if admin.call("GET", f"{cluster.MAPS}/{self.key}")[0] == 200:
                    self.answers.append(time.monotonic())
            except (OSError, http.client.HTTPException):
                admin = None

    def stall(self, since):
        times = [t for t in self.answers if t > since - 0.5]
        return max((b - a for a, b in zip(times, times[1:]) if b > since), default=0.0)


def round_of(servers, work, readers, how, number):
    # In turn, so that over three rounds etcd's leader is among the victims whoever it is.
    victim = etcd_leader(servers) if "leader" in sys.argv else servers[number % len(servers)]
    before = len(work.commits(victim))
    until("writes at the others", lambda: len(work.commits(victim)) > before + 30)
    led = etcd_leader(servers) is victim
    since = time.monotonic()
    if how == "kill":
        victim.kill()
    else:
        victim.freeze(signal.SIGSTOP)
    until("writes after it", lambda: len([t for t in work.commits(victim) if t > since + 0.05]) > 30, patience=30)
    times = [t for t in work.commits(victim) if t > since - 0.5]
    longest = max((b - a for a, b in zip(times, times[1:]) if b > since), default=0.0)
    read = max(r.stall(since) for r in readers if r.server is not victim)
    if how == "kill":
        back = victim.next_life().ready()
        servers[servers.index(victim)] = back
        for c in [*work.clients, *readers]:
            if c.server is victim:
                c.server = back
    else:
        victim.freeze(signal.SIGCONT)
    until("three servers", lambda: all(len(cluster.listed(s)) == 3 for s in servers))
    return longest, read, led


def report(name, stalls):
    stalls = sorted(stalls)
    edges = [0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 1e9]
    print(f"{name}: median {stalls[len(stalls) // 2]:.2f} s, worst {stalls[-1]:.2f} s, {len(stalls)} rounds")
    low = 0.0
    for edge in edges:
        n = sum(low <= s < edge for s in stalls)
        if n:
            print(f"  {low:4.1f} to {edge:4.1f} s  {'#' * n} {n}" if edge < 1e9 else f"  over {low:4.1f} s  {'#' * n} {n}")
        low = edge
    return {"median_s": round(stalls[len(stalls) // 2], 3), "worst_s": round(stalls[-1], 3), "rounds": len(stalls)}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    servers = cluster.three("--disable-agent")
    out = {}
    try:
        until("three servers", lambda: len(cluster.listed(servers[0])) == 3)
        for how in ("kill", "freeze"):
            work = cluster.Work(servers, per_server=1)
            readers = [Reader(s, work.keys[0]) for s in servers]
            all_rounds = [round_of(servers, work, readers, how, i) for i in range(rounds)]
            for r in readers:
                r.stopping.set()
            out[how] = report(f"{how}: writes", [writes for writes, _, _ in all_rounds])
            out[how]["reads"] = report(f"{how}: reads", [reads for _, reads, _ in all_rounds])
            if any(led for _, _, led in all_rounds):
                out[how]["reads_of_leader"] = report(f"{how} of etcd's leader: reads", [reads for _, reads, led in all_rounds if led])
            out[how]["history"] = work.end()
            print(" ", out[how]["history"], flush=True)
    finally:
        cluster.stop_all(*servers)
        _end_all()
    print(json.dumps({"failover": out}))


if __name__ == "__main__":
    main()
