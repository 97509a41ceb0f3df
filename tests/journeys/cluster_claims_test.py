"""Services of a cluster: no two have one address or node port, however many servers grant them at once (docs/decisions/122)."""
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_test import leader, stop_all, three
from harness import clean_environment, expect, until

SERVICES = "/api/v1/namespaces/default/services"
CLAIMS = "/registry/claims/"
CHOSEN = 10   # addresses and ports that all servers ask for by name


def etcdctl(server, *words):
    tls = server.home + "/data/server/tls/etcd"
    done = subprocess.run(["etcdctl", f"--endpoints=https://{server.at}:2379", f"--cacert={tls}/server-ca.crt", f"--cert={tls}/client.crt",
                           f"--key={tls}/client.key", *words], capture_output=True, text=True, check=False, env=clean_environment(ETCDCTL_API="3"))
    expect(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


def service(name, address=None, port=None):
    spec = {"type": "NodePort", "ports": [{"port": 80, **({"nodePort": port} if port else {})}]}
    return {"metadata": {"name": name}, "spec": {**spec, **({"clusterIP": address} if address else {})}}


def held(server):
    """What the Services hold, by their claims' keys, as this server tells it; every one once."""
    status, got = server.admin().call("GET", "/api/v1/services")
    expect(status == 200, got)
    keys = [f"{CLAIMS}addresses/{s['spec']['clusterIP']}" for s in got["items"]]
    keys += [f"{CLAIMS}ports/{p['nodePort']}" for s in got["items"] for p in s["spec"]["ports"] if "nodePort" in p]
    twice = sorted(k for k in set(keys) if keys.count(k) > 1)
    expect(not twice, f"granted twice: {twice}")
    return sorted(keys)


def claimed(server):
    return sorted(etcdctl(server, "get", "--prefix", CLAIMS, "--keys-only").split())


def test_claims():
    """of Services made at once at three servers none shares an address or a port, and a cluster from before claims gets them"""
    servers = three("--disable-agent")
    refused = []

    def work(number):
        admin = servers[number].admin()
        for i in range(60):
            chosen = i < CHOSEN
            status, got = admin.call("POST", SERVICES, service(f"s{number}-{i}", f"10.43.77.{i + 1}" if chosen else None, 31000 + i if chosen else None))
            if status != 201:
                refused.append((i, status, got["message"]))
    try:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        expect(sorted(i for i, _, _ in refused) == sorted(2 * list(range(CHOSEN))), refused)
        expect(all(status == 422 and "already allocated" in said for _, status, said in refused), refused)
        for s in servers:
            expect(held(s) == claimed(s), "claims and Services differ")
        # As if another version had made them, and some had gone without a word.
        etcdctl(servers[0], "del", "--prefix", CLAIMS)
        etcdctl(servers[0], "put", CLAIMS + "addresses/10.43.88.88", "/registry/services/specs/default/nobody")
        leading = until("a leader", lambda: leader(servers))
        leading.kill()
        left = [s for s in servers if s is not leading]
        until("the next leader repairs them", lambda: claimed(left[0]) == held(left[0]))
        admin = left[0].admin()
        expect(admin.call("POST", SERVICES, service("was-taken", "10.43.88.88"))[0] == 201, "a claim of nobody stayed")
        for s in (x["metadata"]["name"] for x in admin.call("GET", SERVICES)[1]["items"]):
            if s != "kubernetes":
                expect(admin.call("DELETE", f"{SERVICES}/{s}")[0] == 200, s)
        expect(claimed(left[0]) == [f"{CLAIMS}addresses/10.43.0.1", f"{CLAIMS}addresses/10.43.0.10"], claimed(left[0]))   # kubernetes, kube-dns
        servers = left
    finally:
        stop_all(*servers)


if __name__ == "__main__":
    from harness import run
    run(globals())
