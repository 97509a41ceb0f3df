"""A request through a Service beside the same request to its pod: each a new connection, an answer of some bytes, and the end.
Runs itself in namespaces (tests/network/lab.py). Prints one JSON object."""
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "network"))
from lab import Hand, Lab, enter  # noqa: E402

CLIENT = r'''
import json, socket, time
def once(host, port):
    began = time.perf_counter()
    with socket.create_connection((host, port)) as s:
        s.recv(100)
    return (time.perf_counter() - began) * 1e6
for _ in range(200):
    once("10.42.1.3", 8080), once("10.43.0.7", 80)
both = [(once("10.42.1.3", 8080), once("10.43.0.7", 80)) for _ in range(3000)]
print(json.dumps([sorted(x) for x in zip(*both)]))
'''

enter()
lab = Lab(1)
caller, callee = lab.pod(1, 2), lab.pod(1, 3)
lab.speak(callee)
hand = Hand("n1")
hand.do(do="node", name="n1", cidr="10.42.0.0/16")
for i in range(2000):   # it is one of many
    hand.do(do="serve", key=f"d/s{i}", service={"metadata": {"name": f"s{i}", "namespace": "d"}, "spec": {"clusterIP": f"10.43.{1 + i // 250}.{i % 250 + 1}", "ports": [{"port": 80, "protocol": "TCP"}]}},
            slices=[{"addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": ["10.42.7.7"]}]}])
    if i % 200 == 0:   # in pieces: without root the kernel takes no large message
        hand.do(do="whole" if i == 0 else "changes")
hand.do(do="serve", key="d/web", service={"metadata": {"name": "web", "namespace": "d"}, "spec": {"clusterIP": "10.43.0.7", "ports": [{"port": 80, "protocol": "TCP"}]}},
        slices=[{"addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": ["10.42.1.3"], "nodeName": "n1"}]}])
hand.do(do="changes")
done = subprocess.run(["ip", "netns", "exec", caller, sys.executable, "-c", CLIENT], capture_output=True, text=True, check=True)
pod, service = json.loads(done.stdout)
print(json.dumps({"request_to_pod_us": round(statistics.median(pod), 1), "request_through_service_us": round(statistics.median(service), 1),
                  "request_ratio": round(statistics.median(service) / statistics.median(pod), 3)}))
lab.end()
hand.end()
