"""What one change among 2,000 Services costs in the packet filter: `services_rules.py HAND`, run inside a network namespace of its
own by bench.py. Prints one JSON object."""
import json
import statistics
import subprocess
import sys

hand = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def do(**order):
    hand.stdin.write(json.dumps(order) + "\n")
    hand.stdin.flush()
    answer = json.loads(hand.stdout.readline())
    if not answer["ok"]:
        sys.exit(f"{str(order)[:200]}: {answer['why']}")
    return answer


def rss_mb():
    with open(f"/proc/{hand.pid}/status", encoding="ascii") as f:
        return round(next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024, 1)


def serve(i, *targets):
    do(do="serve", key=f"d/s{i}", service={"metadata": {"name": f"s{i}", "namespace": "d"}, "spec": {"clusterIP": f"10.43.{i // 250}.{i % 250 + 1}", "ports": [{"port": 80, "protocol": "TCP"}]}},
       slices=[{"addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": [t]} for t in targets]}])


do(do="node", name="n1", cidr="10.42.0.0/16")
for i in range(2000):
    serve(i, f"10.42.{i // 250}.{i % 250 + 1}", f"10.42.{10 + i // 250}.{i % 250 + 1}")
before = rss_mb()
whole = do(do="whole")
changes = []
for turn in range(200):
    serve(turn * 7 % 2000, f"10.42.30.{turn % 250 + 1}", f"10.42.31.{turn % 250 + 1}", *(["10.42.32.1"] if turn % 2 else []))
    changes.append(do(do="changes")["ms"])
print(json.dumps({"rules_whole_2000_ms": round(whole["ms"], 1), "rules_change_median_ms": round(statistics.median(changes), 2),
                  "rules_change_p99_ms": round(sorted(changes)[197], 2), "rules_memory_before_mb": before, "rules_memory_after_mb": rss_mb()}))
hand.stdin.close()
