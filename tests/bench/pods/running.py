"""From the creation of a pod to Running, beside what the container runtime itself takes; and what an agent's memory is with 100
pods. A server without a node and an agent stand in a machine of namespaces (tests/harness/containers.py). Prints one JSON object.

`running.py TROUPE CRI_BENCH`
"""
import glob
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", folder) for folder in ("harness", "journeys")]
import containers  # noqa: E402

containers.enter(os.path.abspath(__file__))

import harness  # noqa: E402
from harness import expect, until  # noqa: E402

IMAGE = "localhost/busybox:1"
SERVER = "172.30.0.12"
PODS = "/api/v1/namespaces/default/pods"
MANY = 100


class Watch(threading.Thread):
    """When each pod was first seen running, and which there are."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.admin, self.ran, self.there = server.admin(), {}, set()
        self.admin.connection.timeout = None
        self.start()

    def run(self):
        self.admin.connection.request("GET", PODS + "?watch=true")
        answer = self.admin.connection.getresponse()
        for line in iter(answer.readline, b""):
            event = json.loads(line)
            pod = event["object"]
            name = pod["metadata"]["name"]
            if event["type"] == "DELETED":
                self.there.discard(name)
                continue
            self.there.add(name)
            if any("running" in c["state"] for c in pod.get("status", {}).get("containerStatuses", [])):
                self.ran.setdefault(name, time.monotonic())


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
        {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]}]}}


def begin():
    subprocess.run(["ip", "addr", "add", SERVER + "/24", "dev", "lab0"], check=True)
    server = harness.Node("server", "--disable-agent", at=SERVER, name="server").ready()
    home = harness.folder("agent")
    os.makedirs(home + "/data/agent/images")
    with open(home + "/data/agent/images/busybox.tar", "wb") as f:
        f.write(containers.busybox())
    agent = harness.Node("agent", "--server", server.url, "--token", server.token(), "--cgroup-root", f"/troupe-test/{os.getpid()}",
                         home=home, at=containers.ADDRESS, name="n1", env={"TROUPE_DISABLE_RUNTIME": "false"}).ready()
    return server, agent


def raw(socket, *words):
    done = subprocess.run([sys.argv[2], socket, IMAGE, *map(str, words)], capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def main():
    server, agent = begin()
    admin = server.admin()
    until("the account of pods", lambda: admin.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)
    until("the node is ready", lambda: any(c["type"] == "Ready" and c["status"] == "True"
                                           for c in admin.call("GET", "/api/v1/nodes/n1")[1].get("status", {}).get("conditions", [])))
    socket = glob.glob("/run/troupe*/containerd/containerd.sock") + glob.glob("/run/troupe*/containerd.sock")
    expect(socket, "containerd has no socket: " + str(glob.glob("/run/*/*")))
    watch = Watch(server)
    out = {"kubelet_rss_mb_0_pods": round(agent.rss_kib() / 1024, 1)}

    def create(name):
        began = time.monotonic()
        status, answer = admin.call("POST", PODS, pod(name))
        expect(status == 201, answer)
        return began

    def one(name):
        began = create(name)
        until(name + " runs", lambda: name in watch.ran)
        took = (watch.ran[name] - began) * 1000
        admin.call("DELETE", PODS + "/" + name)
        until(name + " is gone", lambda: name not in watch.there)
        return took

    one("warm")
    raw(socket[0], 2)
    ours, theirs = [], []
    for turn in range(12):   # in turns: the machine may have other things to do
        theirs.append(raw(socket[0], 1)["median_ms"])
        ours.append(one(f"one{turn}"))
    out["pod_running_ms"], out["pod_cri_ms"] = round(statistics.median(ours), 1), round(statistics.median(theirs), 1)
    out["pod_over_cri_ms"] = round(statistics.median(a - b for a, b in zip(ours, theirs)), 1)
    out["pods_100_cri_s"] = round(raw(socket[0], MANY, 16)["whole_ms"] / 1000, 2)
    began = time.monotonic()
    for i in range(MANY):
        create(f"many{i}")
    until("all run", lambda: sum(name.startswith("many") for name in watch.ran) == MANY, patience=300)
    out["pods_100_running_s"] = round(max(at for name, at in watch.ran.items() if name.startswith("many")) - began, 2)
    time.sleep(75)   # at most once a minute a node gives back what a burst of work has left it
    out["kubelet_rss_mb_100_pods"] = round(agent.rss_kib() / 1024, 1)
    with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as f:
        out["kubelet_own_mb_100_pods"] = round(next(int(line.split()[1]) for line in f if line.startswith("RssAnon")) / 1024, 1)
    before = agent.cpu_seconds()
    time.sleep(10)
    out["kubelet_cpu_percent_100_pods"] = round((agent.cpu_seconds() - before) * 10, 2)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
