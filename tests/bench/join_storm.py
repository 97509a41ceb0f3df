"""A storm of joins: many agents ask one server for their certificates and register their nodes, some at a time, each as a new
machine does it, while somebody reads from the API and is timed. Run by bench.py's `storm`.

An agent here is what the server sees of one: trust, two certificates under a node password of its own, a Node and its Lease.
"""
import base64
import http.client
import json
import queue
import secrets
import ssl
import statistics
import subprocess
import threading
import time

AT_A_TIME = 50


def basic(token):
    user, _, password = token.split("::", 1)[1].partition(":")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Storm:
    def __init__(self, node, folder, count):
        self.node, self.folder, self.count = node, folder, count
        self.token = open(f"{node.folder}/data/server/node-token", encoding="utf-8").read().strip()
        self.trust = f"{node.folder}/data/server/tls/server-ca.crt"
        # One key for all: making a thousand is not what is measured.
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/key", "-subj", "/",
                        "-outform", "DER", "-out", f"{folder}/csr"], check=True, capture_output=True)
        self.csr = open(f"{folder}/csr", "rb").read()
        self.left, self.took, self.failed = queue.SimpleQueue(), [], []
        for i in range(count):
            self.left.put(i)

    def ask(self, connection, method, path, body, headers, fine):
        """The answer's body; a server that is busy says so and is asked again."""
        while True:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status in fine:
                return data
            if answer.status not in (429, 503):
                raise OSError(f"{path}: {answer.status} {data[:200]!r}")
            time.sleep(0.5)

    def join(self, i):
        name, address = f"storm-{i}", f"10.99.{i // 250}.{i % 250 + 1}"
        context = ssl.create_default_context(cafile=self.trust)
        connection = http.client.HTTPSConnection(self.node.address, 6443, context=context, timeout=170)
        who = {"Authorization": basic(self.token), "k3s-Node-Name": name, "k3s-Node-Password": secrets.token_hex(16), "k3s-Node-IP": address}
        self.ask(connection, "POST", "/v1-k3s/serving-kubelet.crt", self.csr, who, (200,))
        certificate = self.ask(connection, "POST", "/v1-k3s/client-kubelet.crt", self.csr, who, (200,))
        connection.close()
        file = f"{self.folder}/{name}"
        open(file, "wb").write(certificate)
        context.load_cert_chain(file, f"{self.folder}/key")
        connection = http.client.HTTPSConnection(self.node.address, 6443, context=context, timeout=170)
        json_type = {"Content-Type": "application/json"}
        node = {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {"podCIDR": ""},
                "status": {"addresses": [{"type": "InternalIP", "address": address}], "conditions": [{"type": "Ready", "status": "True"}]}}
        self.ask(connection, "POST", "/api/v1/nodes", json.dumps(node), json_type, (201,))
        lease = {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"holderIdentity": name, "leaseDurationSeconds": 40}}
        self.ask(connection, "POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", json.dumps(lease), json_type, (201,))
        connection.close()

    def work(self):
        while True:
            try:
                i = self.left.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            try:
                self.join(i)
                self.took.append(time.monotonic() - began)
            except (OSError, http.client.HTTPException) as why:
                self.failed.append(f"storm-{i}: {why!r}")

    def go(self):
        began = time.monotonic()
        workers = [threading.Thread(target=self.work) for _ in range(AT_A_TIME)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        return time.monotonic() - began


# A process of its own: the storm's threads must not stand in the way of who takes the time.
READER = """
import http.client, json, ssl, sys, time
folder, address = sys.argv[1:]
context = ssl.create_default_context(cafile=folder + "/ca.crt")
context.load_cert_chain(folder + "/client.crt", folder + "/client.key")
connection = http.client.HTTPSConnection(address, 6443, context=context, timeout=30)
took = []
print("ready", flush=True)
import select
while not select.select([sys.stdin], [], [], 0.02)[0]:
    began = time.monotonic()
    connection.request("GET", "/api/v1/namespaces/kube-system")
    assert connection.getresponse().read()
    took.append((time.monotonic() - began) * 1000)
print(json.dumps(took))
"""


def run(node, folder, credentials, count=1000):
    """Figures of a storm of `count` joins at a server; `credentials` is a folder with ca.crt, client.crt and client.key."""
    storm = Storm(node, folder, count)
    reader = subprocess.Popen(["python3", "-c", READER, credentials, node.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    reader.stdout.readline()
    spent = node.cpu_s()
    seconds = storm.go()
    spent = node.cpu_s() - spent
    took = sorted(json.loads(reader.communicate("\n")[0]))
    if storm.failed:
        raise SystemExit(f"{len(storm.failed)} of {count} could not join: {storm.failed[:3]}")
    return {"storm_joins": count, "storm_s": seconds, "storm_join_median_s": statistics.median(storm.took), "storm_server_cpu_s": spent,
            "storm_api_p50_ms": statistics.median(took), "storm_api_p99_ms": took[int(len(took) * 0.99)], "storm_server_rss_mb": node.rss_mb()}
