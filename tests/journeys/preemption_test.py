"""A pod that is more important than others gets their room: with a real server, and nodes that this test speaks for."""
import datetime
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, expect, expect_in, run, until

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = "application/strategic-merge-patch+json"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def made(admin, path, body):
    status, got = admin.call("POST", path, body)
    expect(status == 201, got)
    return got


def begin(nodes):
    """A server and nodes with two processors each, which are Ready for longer than a test takes."""
    server = Node("server", "--disable-agent", "--node-grace", "10m").ready()
    admin = server.admin()
    for name in nodes:
        made(admin, "/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now(), "lastTransitionTime": now()}]
        size = {"cpu": "2", "memory": "4Gi", "pods": "10"}
        status, got = admin.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": conditions, "capacity": size, "allocatable": size}}, STRATEGIC)
        expect(status == 200, got)
    for name, value, policy in (("low", 100, "PreemptLowerPriority"), ("high", 1000, "PreemptLowerPriority"), ("polite", 1000, "Never")):
        made(admin, "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": value, "preemptionPolicy": policy})
    until("an account", lambda: admin.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)
    return server, admin


def pod(admin, name, important, cpu="1", **spec):
    return made(admin, PODS, {"metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "priorityClassName": important, "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "c", "image": "busybox", "resources": {"requests": {"cpu": cpu}}}], **spec}})


def place(server, name):
    return ((server.read(f"{PODS}/{name}") or {}).get("spec") or {}).get("nodeName")


def stop(admin, name):
    """What a kubelet does when the containers have ended."""
    status, got = admin.call("DELETE", f"{PODS}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    expect(status == 200, got)


def condition(of, kind):
    return next((c for c in of["status"].get("conditions", []) if c["type"] == kind), {})


def test_room_is_made():
    """the least important pod is told and deleted, its room is kept meanwhile, and the one who needs it comes"""
    server, admin = begin(["n1", "n2"])
    for name, important, node in (("a", "low", "n1"), ("b", "high", "n2"), ("c", "high", "n1"), ("d", "high", "n2")):
        pod(admin, name, important, nodeSelector={"kubernetes.io/hostname": node})
    for name in "abcd":
        until(f"{name} has a node", lambda: place(server, name))
    pod(admin, "polite", "polite")
    said = until("it is told", lambda: server.events("polite"))
    expect_in("0/2 nodes are available: 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.", said)
    expect(not any(server.read(f"{PODS}/{n}")["metadata"].get("deletionTimestamp") for n in "abcd"), "nobody goes for it")
    admin.call("DELETE", f"{PODS}/polite")

    pod(admin, "urgent", "high")
    victim = until("the least important goes", lambda: (lambda p: p if p["metadata"].get("deletionTimestamp") else None)(server.read(f"{PODS}/a")))
    told = condition(victim, "DisruptionTarget")
    expect((told["status"], told["reason"]) == ("True", "PreemptionByScheduler"), victim["status"])
    expect_in(f"Preempted: Preempted by pod {server.read(f'{PODS}/urgent')['metadata']['uid']} on node n1", until("an event", lambda: server.events("a") if "Preempted" in server.events("a") else ""))
    waiting = until("it is promised", lambda: (lambda p: p if p["status"].get("nominatedNodeName") else None)(server.read(f"{PODS}/urgent")))
    expect(waiting["status"]["nominatedNodeName"] == "n1", waiting["status"])
    expect(condition(waiting, "PodScheduled")["message"] == "0/2 nodes are available: 2 Insufficient cpu.", waiting["status"])
    # Somebody less important comes first when the room is there, and does not get it.
    pod(admin, "greedy", "low")
    until("it is told", lambda: server.events("greedy"))
    stop(admin, "a")
    until("the one who needs it comes", lambda: place(server, "urgent") == "n1")
    expect(not place(server, "greedy"), "its room was kept")
    for name in "bcd":
        expect("deletionTimestamp" not in server.read(f"{PODS}/{name}")["metadata"], "nobody else goes")
    expect(server.terminate() == 0, server.said())


def test_budget():
    """a pod that a disruption budget keeps stays when another will do"""
    server, admin = begin(["n1"])
    for name in ("stays", "other"):
        pod(admin, name, "low")
        until(f"{name} has a node", lambda: place(server, name))
    made(admin, "/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "stays"}}}})
    until("the budget is counted", lambda: (server.read("/apis/policy/v1/namespaces/default/poddisruptionbudgets/b")["status"] or {}).get("expectedPods") == 1)
    pod(admin, "urgent", "high")
    until("the other one goes", lambda: server.read(f"{PODS}/other")["metadata"].get("deletionTimestamp"))
    stop(admin, "other")
    until("it comes", lambda: place(server, "urgent") == "n1")
    expect("deletionTimestamp" not in server.read(f"{PODS}/stays")["metadata"], "it stays")
    expect(server.terminate() == 0, server.said())


if __name__ == "__main__":
    run(globals())
