"""A node's life: silence, freezing, return, deletion, and a server that goes and comes back."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, expect, expect_in, run, until

GRACE = ["--node-grace", "6s", "--node-check-interval", "500ms"]
_servers = {}


def server():
    """One serves all tests but those that kill it."""
    if "one" not in _servers:
        _servers["one"] = Node("server", *GRACE, "--node-lease-interval", "1s").ready()
    return _servers["one"]


def agent(*flags, to=None, **more):
    to = to or server()
    return Node("agent", "--server", to.url, "--token", to.token(), "--node-lease-interval", "1s", *flags, **more)


def seen(of, at=None):
    """(Ready's status, taints as "key:effect", uid) of the node."""
    object = (at or server()).read(f"/api/v1/nodes/{of.name}") or {}
    ready = [c["status"] for c in object.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
    taints = sorted(t["key"].split("/")[-1] + ":" + t["effect"] for t in object.get("spec", {}).get("taints", []))
    return ready[0] if ready else "", taints, object.get("metadata", {}).get("uid")


def is_well(of, at=None):
    return seen(of, at)[:2] == ("True", [])


def events(of, at=None):
    """What `kubectl describe node` finds: the kubelet's own by name, the controllers' by uid. A list of (reason, component)."""
    about = (of.name, seen(of, at)[2])
    got = (at or server()).read("/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind=Node") or {}
    for e in got.get("items", []):
        if e["reason"] == "NodeNotReady":
            expect(e["message"] == f"Node {e['involvedObject']['name']} status is now: NodeNotReady", e)
    return [(e["reason"], e["source"]["component"]) for e in got.get("items", []) if e["involvedObject"]["uid"] in about]


UNREACHABLE = ("Unknown", ["unreachable:NoExecute", "unreachable:NoSchedule"])


def renewed(of, at=None):
    """Empty while there is none: a node may be Ready before its first Lease."""
    lease = (at or server()).read(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{of.name}")
    return lease["spec"]["renewTime"] if lease else ""


def listens(process):
    """Where the process listens: a set of "a.b.c.d:port"; IPv6 as it is in the kernel's table."""
    inodes = set()
    for fd in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{process.pid}/fd/{fd}"))
        except OSError:
            pass
    out = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{process.pid}/net/{table}", encoding="ascii") as f:
            for row in list(f)[1:]:
                parts = row.split()
                if parts[3] != "0A" or f"socket:[{parts[9]}]" not in inodes:
                    continue
                host, port = parts[1].split(":")
                plain = ".".join(str(b) for b in reversed(bytes.fromhex(host))) if len(host) == 8 else host
                out.add(f"{plain}:{int(port, 16)}")
    return out


def healthz(of, at=None):
    return (at or server()).kubelet_answers(of.name)


def test_own_address():
    """an agent listens on its own address only, and the server reaches its kubelet through the tunnel"""
    node = agent().ready()
    expect(listens(node.process) == {f"{node.at}:10250", f"{node.at}:6444", f"{node.at}:6443"}, listens(node.process))
    expect(healthz(node), "healthz through the tunnel")
    until("well", lambda: is_well(node))
    code, said = server().kubectl("get", "--raw", f"/api/v1/nodes/{node.name}:22/proxy/", check=False)
    expect(code != 0, f"another port was reached: {said}")
    expect_in(f"port 22 of node {node.name} is neither its kubelet's", said)
    node.terminate()


def test_silence_and_return():
    """a node that dies becomes Unknown and tainted, nobody else does, and its next life makes it well again"""
    node, other = agent().ready(), agent().ready()
    until("a first life", lambda: is_well(node) and is_well(other))
    uid = seen(node)[2]
    born = {("Starting", "kubelet"), ("NodeHasSufficientMemory", "kubelet"), ("NodeHasNoDiskPressure", "kubelet"), ("NodeHasSufficientPID", "kubelet"),
            ("NodeReady", "kubelet"), ("RegisteredNode", "node-controller")}
    until("events of its beginning", lambda: set(events(node)) == born)
    node.kill()
    until("Unknown and tainted", lambda: seen(node)[:2] == UNREACHABLE)
    expect_in("NotReady", server().kubectl("get", "node", node.name))
    until("an event says so", lambda: ("NodeNotReady", "node-controller") in events(node))
    expect_in("NodeReady", server().kubectl("describe", "node", node.name))   # one before 1.24 shows the kubelet's own alone
    expect(("NodeNotReady", "node-controller") not in events(other), events(other))
    expect(is_well(other), seen(other))
    expect(is_well(server()), seen(server()))
    code, said = server().kubectl("get", "--raw", f"/api/v1/nodes/{node.name}/proxy/healthz", check=False)
    expect(code != 0, f"a dead kubelet answers: {said}")
    expect_in(f"no tunnel to node {node.name}: gone since", said)
    again = agent(home=node.home, at=node.at, name=node.name).ready()
    until("well again", lambda: is_well(again))
    expect(seen(again)[2] == uid, "the Node was made anew")
    until("and an event says that", lambda: [reason for reason, _ in events(node)].count("NodeReady") == 2)
    until("the tunnel", lambda: healthz(again))
    again.terminate()
    other.terminate()


def test_freeze():
    """a node that freezes is declared Unknown, and well again by itself when it thaws"""
    node = agent().ready()
    until("well", lambda: is_well(node))
    node.process.send_signal(signal.SIGSTOP)
    try:
        until("Unknown and tainted", lambda: seen(node)[:2] == UNREACHABLE)
    finally:
        node.process.send_signal(signal.SIGCONT)
    until("well again", lambda: is_well(node))
    until("the tunnel", lambda: healthz(node))
    expect(node.process.poll() is None, node.said())
    node.terminate()


def test_deleted_node():
    """a node that is deleted while it runs says so, stays away, and registers anew with its next life"""
    node = agent("--node-status-interval", "1s").ready()
    first = seen(node)[2]
    server().kubectl("delete", "node", node.name)
    until("the password is forgotten", lambda: server().read(f"/api/v1/namespaces/kube-system/secrets/{node.name}.node-password.k3s") is None)
    node.says("the Node was deleted; restart this agent to register again")
    node.kill()
    expect(server().kubectl("get", "node", node.name, check=False)[0] != 0, "it came back by itself")
    again = agent(home=node.home, at=node.at, name=node.name).ready()
    until("well", lambda: is_well(again))
    expect(seen(again)[2] != first, "the same Node")
    again.terminate()


def test_server_restart():
    """a server that is killed and comes back finds its agents back by themselves: tunnel, leases, Ready"""
    flags = ["--node-grace", "20s", "--node-check-interval", "500ms"]
    first = Node("server", *flags).ready()
    node = agent(to=first).ready()
    until("a lease", lambda: renewed(node, first))
    for _ in range(2):
        before = renewed(node, first)
        first.kill()
        second = Node("server", *flags, home=first.home, at=first.at, name=first.name).ready()
        until("the tunnel", lambda: healthz(node, second))
        until("a renewed lease", lambda: renewed(node, second) > before)
        expect(node.process.poll() is None, node.said())
        expect(is_well(node, second), seen(node, second))
        first = second
    node.terminate()
    first.terminate()


def test_labels_survive():
    """what an admin wrote on a Node survives the agent's next life, what the node says of itself is renewed"""
    node = agent().ready()
    server().kubectl("label", "node", node.name, "mine=yes", "kubernetes.io/arch=vax", "--overwrite")
    server().kubectl("taint", "node", node.name, "dedicated=x:NoSchedule")
    node.terminate()
    again = agent(home=node.home, at=node.at, name=node.name).ready()
    until("the label is its own again", lambda: server().read(f"/api/v1/nodes/{node.name}")["metadata"]["labels"]["kubernetes.io/arch"] != "vax")
    expect(server().kubectl("get", "node", node.name, "-o", "jsonpath={.metadata.labels.mine}") == "yes", "the label is gone")
    expect(seen(again)[1] == ["dedicated:NoSchedule"], seen(again))
    again.terminate()


def test_cordon():
    """a node that is cordoned says so, by taint and event, and keeps both no longer than it is"""
    node = agent().ready()
    until("well", lambda: is_well(node))
    server().kubectl("cordon", node.name)
    until("tainted", lambda: seen(node)[1] == ["unschedulable:NoSchedule"])
    expect_in("Ready,SchedulingDisabled", server().kubectl("get", "node", node.name))
    until("told", lambda: ("NodeNotSchedulable", "kubelet") in events(node))
    server().kubectl("uncordon", node.name)
    until("free of the taint", lambda: is_well(node))
    until("told, too", lambda: ("NodeSchedulable", "kubelet") in events(node))
    server().kubectl("delete", "node", node.name)
    until("its end is told", lambda: "RemovingNode" in server().kubectl("get", "events"))
    node.terminate()


run(globals())
