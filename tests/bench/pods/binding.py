"""Bindings per second through the API: 1,000 Node objects that nobody stands behind, and a ReplicaSet of 3,000 pods whose making
goes on meanwhile, on a server of one process. Prints one JSON object. `binding.py TROUPE`"""
import json
import os
import re
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", folder) for folder in ("harness", "journeys")]
import harness  # noqa: E402
from harness import expect, until  # noqa: E402

NODES, PODS = 1000, 3000
NAME = re.compile(rb'"name":"(many-[a-z0-9]+)"')


class Watch(threading.Thread):
    """When each pod was first seen, and first seen bound."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.admin, self.made, self.bound = server.admin(), {}, {}
        self.admin.connection.timeout = None
        self.start()

    def run(self):
        self.admin.connection.request("GET", "/api/v1/namespaces/default/pods?watch=true")
        answer = self.admin.connection.getresponse()
        for line in iter(answer.readline, b""):
            found = NAME.search(line)
            if not found:
                continue
            now = time.monotonic()
            self.made.setdefault(found[1], now)
            if b'"nodeName":"' in line:
                self.bound.setdefault(found[1], now)


def main():
    server = harness.Node("server", "--disable-agent").ready()
    admin = server.admin()
    until("the account of pods", lambda: admin.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)
    for i in range(NODES):
        status, answer = admin.call("POST", "/api/v1/nodes", {
            "metadata": {"name": f"n{i}", "labels": {"zone": str(i % 3)}},
            "status": {"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]}})
        expect(status == 201, answer)
    watch = Watch(server)
    until("taints of new nodes are gone", lambda: not any(n.get("spec", {}).get("taints") for n in admin.call("GET", "/api/v1/nodes")[1]["items"]))
    labels, before = {"app": "many"}, server.cpu_seconds()
    status, answer = admin.call("POST", "/apis/apps/v1/namespaces/default/replicasets", {
        "metadata": {"name": "many"}, "spec": {"replicas": PODS, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}]}}}})
    expect(status == 201, answer)
    until("all are bound", lambda: len(watch.bound) == PODS, patience=120)
    spent = server.cpu_seconds() - before
    made, bound = sorted(watch.made.values()), sorted(watch.bound.values())
    print(json.dumps({"scheduler_bindings_per_second": round(PODS / (bound[-1] - bound[0])), "scheduler_pods_made_per_second": round(PODS / (made[-1] - made[0])),
                      "scheduler_server_cpu_ms_per_pod": round(spent * 1000 / PODS, 2), "scheduler_server_rss_mb": round(server.rss_kib() / 1024, 1)}))


if __name__ == "__main__":
    main()
    harness._end_all()
