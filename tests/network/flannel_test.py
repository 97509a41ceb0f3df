"""The overlay in real kernels: two nodes joined by a bridge, pods that reach each other by vxlan and by host-gw, and Services over it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Hand, Lab, enter, expect, run, sh  # noqa: E402

enter()
LAB = Lab()
A, C = LAB.pod(1, 2), LAB.pod(2, 2)
for pod in (A, C):
    LAB.speak(pod)
HANDS = {n: Hand(n) for n in ("n1", "n2")}
for n, hand in HANDS.items():
    hand.do(do="node", name=n, cidr="10.42.0.0/16")
    hand.do(do="whole")
ADDRESS = {"n1": "172.30.0.11", "n2": "172.30.0.12"}
CIDR = {"n1": "10.42.1.0/24", "n2": "10.42.2.0/24"}


def nodes(backend, macs, of=("n1", "n2")):
    note = "flannel.alpha.coreos.com/"
    return [{"metadata": {"name": n, "annotations": {note + "backend-type": backend, note + "public-ip": ADDRESS[n], note + "kube-subnet-manager": "true",
                                                     note + "backend-data": '{"VNI":1,"VtepMAC":"%s"}' % macs[n] if macs else "null"}},
             "spec": {"podCIDR": CIDR[n]}} for n in of]


def settle(backend, of=("n1", "n2")):
    first = {n: h.do(do="flannel", backend=backend, node=n, address=ADDRESS[n], peers=nodes(backend, None)) for n, h in HANDS.items()}
    peers = nodes(backend, {n: a["mac"] for n, a in first.items()} if backend == "vxlan" else None, of)
    return {n: h.do(do="flannel", backend=backend, node=n, address=ADDRESS[n], peers=peers)["mtu"] for n, h in HANDS.items()}


def talk():
    expect(LAB.call(A, "10.42.2.2", 8080) == [f"{C} 10.42.1.2"], LAB.call(A, "10.42.2.2", 8080))
    expect(LAB.call(C, "10.42.1.2", 8080) == [f"{A} 10.42.2.2"], LAB.call(C, "10.42.1.2", 8080))
    answer = LAB.call("n1", "10.42.2.2", 8080)
    expect(answer[0].startswith(C), answer)


def test_vxlan():
    """by vxlan pods of two nodes see each other's own addresses, on flannel's interface, port and number"""
    mtus = settle("vxlan")
    expect(set(mtus.values()) == {1450}, mtus)
    talk()
    shown = sh("ip -d -n n1 link show flannel.1")
    for part in ("vxlan id 1 ", "local 172.30.0.11", "dev eth0", "dstport 8472", "nolearning", "mtu 1450"):
        expect(part in shown, f"{part} is not in {shown}")
    expect("10.42.2.0/24 via 10.42.2.0 dev flannel.1 proto 84 onlink" in sh("ip -n n1 route"), sh("ip -n n1 route"))
    expect("dst 172.30.0.12 self permanent" in sh("bridge -n n1 fdb show dev flannel.1"), sh("bridge -n n1 fdb show dev flannel.1"))
    expect("10.42.1.0/32" in sh("ip -n n1 addr show flannel.1"), "flannel.1 has not its address")


def test_service_over_vxlan():
    """a Service reaches a pod on the other node through the overlay, from pods and from nodes"""
    settle("vxlan")
    service = {"metadata": {"name": "web", "namespace": "d"}, "spec": {"clusterIP": "10.43.0.7", "ports": [{"port": 80, "protocol": "TCP"}]}}
    slices = [{"addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": ["10.42.2.2"], "nodeName": "n2"}]}]
    for hand in HANDS.values():
        hand.do(do="serve", key="d/web", service=service, slices=slices)
        hand.do(do="changes")
    expect(LAB.call(A, "10.43.0.7", 80) == [f"{C} 10.42.1.2"], LAB.call(A, "10.43.0.7", 80))
    for caller in ("n1", "n2"):
        answer = LAB.call(caller, "10.43.0.7", 80)
        expect(answer[0].startswith(C), answer)


def test_host_gw():
    """by host-gw the same, without an interface of flannel's and with the whole MTU; what vxlan had left is gone"""
    settle("vxlan")
    mtus = settle("host-gw")
    expect(set(mtus.values()) == {1500}, mtus)
    talk()
    expect("flannel.1" not in sh("ip -n n1 link"), "flannel.1 is still there")
    expect("10.42.2.0/24 via 172.30.0.12 dev eth0 proto 84" in sh("ip -n n1 route"), sh("ip -n n1 route"))


def test_peer_goes():
    """a peer that has gone leaves nothing behind, and routes of others are not touched"""
    sh("ip -n n1 route add 192.0.2.0/24 via 172.30.0.1")
    settle("vxlan")
    HANDS["n1"].do(do="flannel", backend="vxlan", node="n1", address=ADDRESS["n1"], peers=nodes("vxlan", {"n1": "02:00:00:00:00:01"}, ("n1",)))
    expect("10.42.2.0" not in sh("ip -n n1 route") + sh("ip -n n1 neigh show dev flannel.1"), sh("ip -n n1 route"))
    expect("172.30.0.12" not in sh("bridge -n n1 fdb show dev flannel.1"), "the forwarding entry is still there")
    expect("192.0.2.0/24" in sh("ip -n n1 route"), "a route of others has gone")
    settle("vxlan")
    talk()


def test_nonsense():
    """what cannot be done is said in a sentence"""
    answer = HANDS["n1"].ask(do="flannel", backend="vxlan", node="n1", address="192.0.2.77", peers=nodes("vxlan", None))
    expect(not answer["ok"] and "no interface has the node's address 192.0.2.77" in answer["why"], answer)


try:
    run(globals())
finally:
    LAB.end()
    for hand in HANDS.values():
        hand.end()
