"""Fail-over of a cluster of three servers on embedded etcd: how long writes through the two others stand still when the
server that leads etcd is killed, and when it is frozen. `failover.py [rounds]`; prints a histogram and JSON."""
import json
import os
import signal
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "journeys"))
os.environ.setdefault("CHECK_HISTORY", os.path.join(here, "..", "..", "build", "tests", "harness", "check_history"))
import cluster_test as cluster  # noqa: E402
from harness import _end_all, until  # noqa: E402


def round_of(servers, work, how, number):
    # In turn, so that over three rounds etcd's leader is among the victims whoever it is.
    victim = servers[number % len(servers)]
    before = len(work.commits(victim))
    until("writes at the others", lambda: len(work.commits(victim)) > before + 30)
    since = time.monotonic()
    if how == "kill":
        victim.kill()
    else:
        victim.freeze(signal.SIGSTOP)
    until("writes after it", lambda: len([t for t in work.commits(victim) if t > since + 0.05]) > 30, patience=30)
    times = [t for t in work.commits(victim) if t > since - 0.5]
    longest = max((b - a for a, b in zip(times, times[1:]) if b > since), default=0.0)
    if how == "kill":
        back = victim.next_life().ready()
        servers[servers.index(victim)] = back
        for c in work.clients:
            if c.server is victim:
                c.server = back
    else:
        victim.freeze(signal.SIGCONT)
    until("three servers", lambda: len(cluster.listed(servers[(number + 1) % 3])) == 3)
    return longest


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
            out[how] = report(how, [round_of(servers, work, how, i) for i in range(rounds)])
            out[how]["history"] = work.end()
            print(" ", out[how]["history"], flush=True)
    finally:
        cluster.stop_all(*servers)
        _end_all()
    print(json.dumps({"failover": out}))


if __name__ == "__main__":
    main()
