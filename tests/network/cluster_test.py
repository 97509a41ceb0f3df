"""A server and an agent as nodes in namespaces of their own, with pods of the test's: networks for pods, Services and DNS from
the objects of a real API to connections in a real kernel."""
import os
import socket
import subprocess
import sys
import threading

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "journeys")]
from lab import Lab, enter, run, sh  # noqa: E402

enter()
import harness  # noqa: E402
from harness import Node, expect, until  # noqa: E402

ASKER = r'''
import socket, struct, sys
server, way, name, kind = sys.argv[1:5]
kind = {"A": 1, "SRV": 33, "PTR": 12, "AAAA": 28}[kind]
q = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0" + struct.pack("!2H", kind, 1)
if way == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(8); s.connect((server, 53)); s.send(q); a = s.recv(4096)
else:
    s = socket.create_connection((server, 53), timeout=8); s.sendall(struct.pack("!H", len(q)) + q)
    f = s.makefile("rb"); a = f.read(struct.unpack("!H", f.read(2))[0])
code, count = a[3] & 15, struct.unpack("!H", a[6:8])[0]
def skip(i):
    while True:
        if a[i] == 0: return i + 1
        if a[i] >= 192: return i + 2
        i += 1 + a[i]
i, out = skip(12) + 4, []
for _ in range(count):
    i = skip(i); t, _, _, n = struct.unpack("!HHIH", a[i:i+10]); i += 10
    out.append(socket.inet_ntoa(a[i:i+4]) if t == 1 else f"port {struct.unpack('!H', a[i+4:i+6])[0]}" if t == 33 else f"type {t}"); i += n
print(code, *sorted(out))
'''


def serve_outside():
    """A DNS server of the world: every name is 203.0.113.9."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("172.30.0.1", 53))

    def go():
        while True:
            data, who = door.recvfrom(2000)
            end = data.index(b"\0", 12) + 5
            door.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:end] + b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + bytes([203, 0, 113, 9]), who)
    threading.Thread(target=go, daemon=True).start()


LAB = Lab(bridges=False)
serve_outside()
sh("mkdir -p /run/etc && echo nameserver 172.30.0.1 > /run/etc/resolv.conf")
ON = {"TROUPE_NETWORK_ALONE": "true", "TROUPE_RESOLV_CONF": "/run/etc/resolv.conf"}


def within(i):
    return ("ip", "netns", "exec", f"n{i}")


SERVER = Node("server", "--node-ip", "172.30.0.11", at="172.30.0.11", name="n1", env=ON, within=within(1)).ready()
AGENT = Node("agent", "--server", SERVER.url, "--token", SERVER.token(), "--node-ip", "172.30.0.12", at="172.30.0.12", name="n2", env=ON, within=within(2)).ready()
ADMIN = SERVER.admin()
PODS = {}


def call(method, path, body=None, kind="application/json", fine=(200, 201)):
    status, answer = ADMIN.call(method, path, body, kind)
    if status not in fine:
        raise AssertionError(f"{method} {path}: {status} {answer}")
    return answer


def pod(node, number, app="web", subdomain=None):
    """A Pod object, and the namespace that is it."""
    name = LAB.pod(node, number)
    spec = {"nodeName": f"n{node}", "containers": [{"name": "c", "image": "x", "ports": [{"name": "http", "containerPort": 8080}]}]}
    if subdomain:
        spec.update(hostname=name, subdomain=subdomain)
    body = {"metadata": {"name": name, "labels": {"app": app}}, "spec": spec}
    until(f"the API to take pod {name}", lambda: call("POST", "/api/v1/namespaces/default/pods", body, fine=(200, 201, 403)).get("kind") == "Pod")   # 403: no service account yet
    PODS[name] = f"{LAB.prefix[node]}.{number}"
    ready(name)
    LAB.speak(name)
    return name


def ready(name, yes=True):
    call("PATCH", f"/api/v1/namespaces/default/pods/{name}/status",
         {"status": {"phase": "Running", "podIP": PODS[name], "podIPs": [{"ip": PODS[name]}], "conditions": [{"type": "Ready", "status": "True" if yes else "False"}]}},
         "application/strategic-merge-patch+json")


def service(name, **spec):
    return call("POST", "/api/v1/namespaces/default/services",
                {"metadata": {"name": name}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}], **spec}})["spec"]


def ask(space, name, kind="A", way="udp"):
    done = subprocess.run(["ip", "netns", "exec", space, sys.executable, "-c", ASKER, "10.43.0.10", way, name, kind], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().split("\n")[-1]


def reached(space, host, port, times=20):
    return {a.split()[0] for a in LAB.call(space, host, port, times)}


def test_networks():
    """every node gets a network for its pods, a way to the others', and a configuration for its runtime"""
    until("both podCIDRs", lambda: all(call("GET", f"/api/v1/nodes/n{i}")["spec"].get("podCIDR") for i in (1, 2)))
    cidrs = [call("GET", f"/api/v1/nodes/n{i}")["spec"]["podCIDR"] for i in (1, 2)]
    expect(cidrs[0] != cidrs[1] and all(c.endswith("/24") and c.startswith("10.42.") for c in cidrs), cidrs)
    for i in (1, 2):
        LAB.bridge(i, cidrs[i - 1].rsplit(".", 1)[0])
        until("a route to the other node", lambda i=i: f"{cidrs[2 - i]} via " in sh(f"ip -n n{i} route"))
        note = call("GET", f"/api/v1/nodes/n{i}")["metadata"]["annotations"]
        expect(note["flannel.alpha.coreos.com/public-ip"] == f"172.30.0.1{i}", note)
        with open((SERVER, AGENT)[i - 1].home + "/data/agent/etc/cni/net.d/10-flannel.conflist", encoding="utf-8") as f:
            expect(cidrs[i - 1] in f.read(), "the conflist has another network")


def test_service_by_name():
    """a pod reaches a Service by its name, on any node, and follows pods that come, get ready or go"""
    a, b, c = pod(1, 2), pod(1, 3), pod(2, 2)
    ip = service("web")["clusterIP"]
    for caller in (a, c, "n1", "n2"):
        until(f"all three from {caller}", lambda caller=caller: reached(caller, ip, 80) == {a, b, c})
        expect(ask(caller, "web.default.svc.cluster.local") == f"0 {ip}", ask(caller, "web.default.svc.cluster.local"))
    ready(b, False)
    until("b left out", lambda: reached(c, ip, 80) == {a, c})
    ready(b)
    call("DELETE", f"/api/v1/namespaces/default/pods/{c}?gracePeriodSeconds=0")
    until("c left out", lambda: reached(a, ip, 80) == {a, b})


def test_names():
    """DNS answers by UDP and TCP for Services, named ports, headless pods, nodes, addresses backwards, and names outside"""
    a = next(iter(PODS))
    d = pod(2, 4, "db", "db")
    call("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}})
    until("the headless service", lambda: ask(a, "db.default.svc.cluster.local") == f"0 {PODS[d]}")
    expect(ask(a, f"{d}.db.default.svc.cluster.local", way="tcp") == f"0 {PODS[d]}", "no name of its own")
    expect(ask(a, "_http._tcp.db.default.svc.cluster.local", "SRV") == "0 port 8080", ask(a, "_http._tcp.db.default.svc.cluster.local", "SRV"))
    expect(ask(a, "n2") == "0 172.30.0.12", ask(a, "n2"))
    expect(ask(a, "10.0.43.10.in-addr.arpa", "PTR") == "0 type 12", ask(a, "10.0.43.10.in-addr.arpa", "PTR"))
    expect(ask(a, "nobody.default.svc.cluster.local") == "3", "a name that is not there")
    for way in ("udp", "udp", "tcp"):
        got = ask(a, "www.example.org", way=way)
        expect(got == "0 203.0.113.9", f"{way}: {got}")
    expect(ask(a, "kube-dns.kube-system.svc.cluster.local") == "0 10.43.0.10", "DNS itself has no name")


def test_node_port_and_balancer():
    """a node port is served on every node, and a balancer is answered with the nodes' addresses"""
    port = service("np", type="NodePort")["ports"][0]["nodePort"]
    for node in ("172.30.0.11", "172.30.0.12"):
        until(f"port {port} of {node}", lambda node=node: all(x.startswith("p1x") for x in reached(None, node, port)) and "refused" not in reached(None, node, port))
    service("lb", type="LoadBalancer", ports=[{"name": "http", "port": 8081, "targetPort": "http"}])
    status = until("a balancer's addresses", lambda: call("GET", "/api/v1/namespaces/default/services/lb")["status"]["loadBalancer"].get("ingress"))
    expect(sorted(i["ip"] for i in status) == ["172.30.0.11", "172.30.0.12"], status)
    until("the balancer's port", lambda: all(x.startswith("p1x") for x in reached(None, "172.30.0.12", 8081)))


def test_flushed_rules():
    """rules that somebody takes away come back by themselves"""
    ip = call("GET", "/api/v1/namespaces/default/services/web")["spec"]["clusterIP"]
    a = next(iter(PODS))
    sh("ip netns exec n1 nft delete table ip troupe")
    until("the Service again", lambda: all(x.startswith("p1x") for x in reached(a, ip, 80, 1)), patience=60)


def test_restart():
    """an agent that is killed and comes back leaves Services reachable all the while"""
    global AGENT
    ip = call("GET", "/api/v1/namespaces/default/services/web")["spec"]["clusterIP"]
    caller = next(p for p in PODS if p.startswith("p2x4"))
    expect(all(x.startswith("p1x") for x in reached(caller, ip, 80)), "not reached before")
    AGENT.kill()
    expect(all(x.startswith("p1x") for x in reached(caller, ip, 80)), "not reached while it was away")
    AGENT = Node("agent", "--server", SERVER.url, "--token", SERVER.token(), "--node-ip", "172.30.0.12", at="172.30.0.12", name="n2", home=AGENT.home, env=ON, within=within(2)).ready()
    expect(all(x.startswith("p1x") for x in reached(caller, ip, 80)), "not reached after it came back")


try:
    run(globals())
finally:
    LAB.end()
    harness._end_all()
