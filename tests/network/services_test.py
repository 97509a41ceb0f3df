"""The rules of Services in a real kernel: connections of pods, nodes and strangers, between two nodes with routes between them."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Hand, Lab, enter, expect, run  # noqa: E402

enter()
LAB = Lab()
A, B, C = LAB.pod(1, 2), LAB.pod(1, 3), LAB.pod(2, 2)
for pod in (A, B, C):
    LAB.speak(pod)
from lab import sh  # noqa: E402
sh("ip -n n1 route add 10.42.2.0/24 via 172.30.0.12; ip -n n2 route add 10.42.1.0/24 via 172.30.0.11")
HANDS = {n: Hand(n) for n in ("n1", "n2")}
for n, hand in HANDS.items():
    hand.do(do="node", name=n, cidr="10.42.0.0/16")
    hand.do(do="whole")
VIP = "10.43.0.7"
WHERE = {A: ("10.42.1.2", "n1"), B: ("10.42.1.3", "n1"), C: ("10.42.2.2", "n2")}


def serve(pods, key="d/web", ip=VIP, protocol="TCP", port=80, node_port=None, target=8080, **spec):
    """The Service on both nodes."""
    one = {"port": port, "protocol": protocol, **({"nodePort": node_port} if node_port else {})}
    status = spec.pop("status", {})
    service = {"metadata": {"name": key.split("/")[1], "namespace": "d"}, "spec": {"clusterIP": ip, "ports": [one], **spec}, "status": status}
    slices = [{"addressType": "IPv4", "ports": [{"name": "", "port": target, "protocol": protocol}],
               "endpoints": [{"addresses": [WHERE[p][0]], "nodeName": WHERE[p][1], "conditions": {"ready": True}} for p in pods]}]
    for hand in HANDS.values():
        hand.do(do="serve", key=key, service=service, slices=slices)
        hand.do(do="changes")


def gone(key="d/web"):
    for hand in HANDS.values():
        hand.do(do="serve", key=key)
        hand.do(do="changes")


def who(answers):
    return {a.split()[0] for a in answers}


def test_cluster_address():
    """a Service's address reaches all of its pods, from a pod on either node, which keeps its own address"""
    serve([A, B, C])
    for caller in (A, C):
        answers = LAB.call(caller, VIP, 80, 40)
        expect(who(answers) == {A, B, C}, answers)
    expect(LAB.call(C, VIP, 80, 20).count(f"{A} 10.42.2.2") > 0, "the caller's address was hidden")


def test_hairpin():
    """a pod reaches itself through its Service, and then sees its node as the caller"""
    serve([A])
    expect(LAB.call(A, VIP, 80) == [f"{A} 10.42.1.1"], LAB.call(A, VIP, 80))


def test_from_the_node():
    """a node's own processes reach Services, and their source is one that pods can answer"""
    serve([A, C])
    answers = LAB.call("n1", VIP, 80, 20)
    expect(who(answers) == {A, C}, answers)


def test_refused():
    """a Service without pods refuses connections of pods and of nodes, and a pod that comes is reached at once"""
    serve([])
    expect(LAB.call(A, VIP, 80) == ["refused"], LAB.call(A, VIP, 80))
    expect(LAB.call("n1", VIP, 80) == ["refused"], LAB.call("n1", VIP, 80))
    expect(LAB.call(A, VIP, 80, how="udp")[0] != "", "no answer at all")
    serve([B])
    expect(who(LAB.call(A, VIP, 80)) == {B}, "not reached")
    gone()
    serve([B], key="d/other", ip="10.43.0.8")
    expect(who(LAB.call(A, "10.43.0.8", 80)) == {B}, "not reached")
    gone("d/other")


def test_node_port():
    """a node port is served on every node's address to strangers, by all pods; with a local policy by the node's own, unmasked"""
    serve([A, B, C], node_port=30080, type="NodePort", externalTrafficPolicy="Cluster")
    for node in ("172.30.0.11", "172.30.0.12"):
        answers = LAB.call(None, node, 30080, 40)
        expect(who(answers) == {A, B, C}, answers)
    serve([A, B], node_port=30080, type="NodePort", externalTrafficPolicy="Local")
    expect({a for a in LAB.call(None, "172.30.0.11", 30080, 20)} == {f"{A} 172.30.0.1", f"{B} 172.30.0.1"}, LAB.call(None, "172.30.0.11", 30080, 5))
    expect(LAB.call(None, "172.30.0.12", 30080) == ["timeout"], "a node without pods answered")
    expect(who(LAB.call(C, "172.30.0.12", 30080, 20)) == {A, B}, "a pod was kept to its node")
    serve([], node_port=30080, type="NodePort", externalTrafficPolicy="Cluster")
    expect(LAB.call(None, "172.30.0.11", 30080) == ["refused"], "not refused")
    gone()


def test_affinity():
    """with session affinity a client stays with its pod while others come, and moves only when its pod goes"""
    serve([A, B, C], sessionAffinity="ClientIP")
    first = LAB.call(C, VIP, 80)
    expect(len(set(LAB.call(C, VIP, 80, 30))) == 1 and LAB.call(C, VIP, 80) == first, "it moved")
    mine = first[0].split()[0]
    serve([mine, B if mine != B else A], sessionAffinity="ClientIP")
    expect(set(LAB.call(C, VIP, 80, 10)) == set(first), "it moved when another pod went")
    rest = [p for p in (A, B, C) if p != mine]
    serve(rest, sessionAffinity="ClientIP")
    second = LAB.call(C, VIP, 80, 10)
    expect(len(set(second)) == 1 and who(second) <= set(rest), second)


def test_load_balancer():
    """a balancer's address is served on the node to strangers from allowed networks, and to nobody else"""
    status = {"loadBalancer": {"ingress": [{"ip": "172.30.0.11"}]}}
    serve([C], port=9090, type="LoadBalancer", externalTrafficPolicy="Cluster", status=status)
    expect(who(LAB.call(None, "172.30.0.11", 9090)) == {C}, "not reached")
    serve([C], port=9090, type="LoadBalancer", externalTrafficPolicy="Cluster", status=status, loadBalancerSourceRanges=["192.0.2.0/24"])
    expect(LAB.call(None, "172.30.0.11", 9090) == ["timeout"], "a stranger got in")
    serve([C], port=9090, type="LoadBalancer", externalTrafficPolicy="Cluster", status=status, loadBalancerSourceRanges=["172.30.0.0/24", "192.0.2.0/24"])
    expect(who(LAB.call(None, "172.30.0.11", 9090)) == {C}, "an allowed one did not")
    gone()


def test_internal_policy():
    """a Service that stays on its node serves from there, and drops where there is no pod"""
    serve([A], internalTrafficPolicy="Local")
    expect(who(LAB.call(B, VIP, 80)) == {A}, "not reached")
    expect(LAB.call(C, VIP, 80) == ["timeout"], "it left the node")
    gone()


def test_udp():
    """UDP is served too, and a socket that goes on speaking finds the next pod when its first has gone"""
    serve([A], protocol="UDP", port=53)
    expect(who(LAB.call(C, VIP, 53, how="udp", source=40000)) == {A}, "not reached")
    serve([B], protocol="UDP", port=53)
    expect(who(LAB.call(C, VIP, 53, how="udp", source=40000)) == {B}, "still sent to the pod that has gone")
    gone()


def test_leaving():
    """pods reach the world as their node, and each other as themselves"""
    LAB.speak("n2", port=7070, name="host")
    expect(LAB.call(A, "172.30.0.12", 7070) == ["host 172.30.0.11"], LAB.call(A, "172.30.0.12", 7070))
    expect(LAB.call(A, "10.42.2.2", 8080) == [f"{C} 10.42.1.2"], LAB.call(A, "10.42.2.2", 8080))


def test_replaced():
    """that our table is gone is noticed, and written anew it is there again"""
    hand = HANDS["n1"]
    for _ in range(3):   # the first time it is looked for, then nobody has changed anything
        expect(hand.do(do="there")["there"], "the mark is not there")
    hand.do(do="remove")
    expect(not hand.do(do="there")["there"], "the mark is still there")
    hand.do(do="whole")
    expect(hand.do(do="there")["there"], "the mark is not there again")
    expect(not hand.ask(do="nonsense")["ok"], "nonsense was obeyed")


try:
    run(globals())
finally:
    LAB.end()
    for hand in HANDS.values():
        hand.end()
