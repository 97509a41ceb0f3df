#!/usr/bin/env python3
"""Figures of nodes and clusters: `bench.py BUILD_FOLDER [start|idle|storage|api|observed|etcd|cluster|failover|link ...]`
(the first five by default; `datastore` is storage, engines, list, long, etcd and cluster).

Prints a table a person can read and, as its last line, one JSON document. Starts and ends only its own
processes, on loopback addresses of its own, in a temporary folder. Nothing here asserts a time.
"""
import base64, json, os, re, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, time, http.client

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
NAMES = sys.argv[2:] or ["start", "idle", "storage", "api", "observed"]
if NAMES == ["link"]:
    NAMES = ["link", "tunnel", "agents", "storm"]
if NAMES == ["pods"]:
    NAMES = ["pods", "services"]
if NAMES == ["datastore"]:
    NAMES = ["storage", "engines", "list", "long", "etcd", "cluster"]
TROUPE = next(p for p in (BUILD + "/bin/troupe", BUILD + "/troupe") if os.path.exists(p))
GOALS = {"ready_cold_ms": 300, "ready_warm_ms": 100, "agent_ready_ms": 1000, "server_rss_mb": 32, "agent_rss_mb": 12,
         "server_idle_cpu_percent": 0.5, "agent_idle_cpu_percent": 0.2, "api_creates_per_second_256": 8000,
         "observed_cost_percent": 5, "storage_ratio_1": 1.3, "storage_ratio_16": 8, "storage_ratio_256": 40,
         "tunnel_ratio": 0.6, "tunnel_call_p99_ms": 20, "agents_kib_each": 100, "agents_back_s": 5, "storm_s": 180, "storm_api_p99_ms": 100,
         "storage_idle_syncs_ratio": 50, "storage_idle_bytes_ratio": 15,
         "link_ratio_64": 1, "link_ratio_1000": 1, "link_p50_ratio_64": 1, "link_p50_ratio_1000": 1, "link_troupe_bytes_per_idle_connection": 2048,
         "list_10k_ratio": 15, "etcd_client_ratio_16": 0.9, "etcd_client_ratio_256": 0.9, "cluster_ratio_256": 0.65,
         "pod_over_cri_ms": 150, "kubelet_rss_mb_100_pods": 24, "scheduler_bindings_per_second": 1000, "scheduler_decisions_per_second": 1000,
         "rules_change_median_ms": 15, "failover_kill_median_s": 1.0, "failover_kill_worst_s": 2.5, "failover_freeze_median_s": 1.0, "failover_freeze_worst_s": 2.5}
MORE_IS_BETTER = {"tunnel_ratio", "link_ratio_64", "link_ratio_1000", "api_creates_per_second_256", "storage_ratio_1", "storage_ratio_16", "storage_ratio_256",
                  "storage_idle_syncs_ratio", "storage_idle_bytes_ratio", "list_10k_ratio", "etcd_client_ratio_16", "etcd_client_ratio_256",
                  "cluster_ratio_256", "scheduler_bindings_per_second", "scheduler_decisions_per_second"}


os.environ["TROUPE_DISABLE_RUNTIME"] = "true"   # what is measured here is troupe without containers


class Node:
    begun = []   # what is left of them when a bench gives up is ended by main

    def __init__(self, kind, folder, address, *flags):
        self.folder, self.address = folder, address
        os.makedirs(folder, exist_ok=True)
        out = open(folder + "/log", "ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen([TROUPE, kind, "--data-dir", folder + "/data", "--identity-dir", folder + "/id",
                                         "--bind-address", address, "--node-name", os.path.basename(folder), *flags],
                                        stdout=out, stderr=out)
        Node.begun.append(self.process)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def proc(self, name):
        return open(f"/proc/{self.process.pid}/{name}").read()

    def rss_mb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", self.proc("status")).group(1)) / 1024

    def cpu_s(self):
        fields = self.proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server(folder, address, *flags):
    return Node("server", folder, address, "--write-kubeconfig", folder + "/kubeconfig", *flags)


def until_ready(node, seconds=30):
    """Milliseconds from exec to the first 200 on /readyz, asked anew every 2 ms."""
    context = ssl._create_unverified_context()
    while time.monotonic() - node.began < seconds:
        try:
            c = http.client.HTTPSConnection(node.address, 6443, context=context, timeout=2)
            c.request("GET", "/readyz")
            if c.getresponse().status == 200:
                return (time.monotonic() - node.began) * 1000
        except OSError:
            pass
        time.sleep(0.002)
    raise SystemExit("the server did not become ready: " + open(node.folder + "/log").read())


def until_logged(node, text, seconds=30):
    while time.monotonic() - node.began < seconds:
        if text in open(node.folder + "/log").read():
            return (time.monotonic() - node.began) * 1000
        time.sleep(0.002)
    raise SystemExit(f"'{text}' was not said: " + open(node.folder + "/log").read())


def bench_tunnel(top, out):
    """Small calls beside four bulk streams, and bulk beside plain TLS, inside one tunnel."""
    got = json.loads(subprocess.run([BUILD + "/tests/bench/tunnel_bench", "5"], check=True, capture_output=True, text=True).stdout)
    out["tunnel_mb_per_second"], out["plain_tls_mb_per_second"] = got["tunnel_mb_per_second"], got["plain_tls_mb_per_second"]
    out["tunnel_ratio"], out["relayed_tls_ratio"] = got["tunnel_ratio"], got["relayed_tls_ratio"]
    out["tunnel_over_relayed_tls"] = got["tunnel_over_relayed_tls"]
    out["tunnel_call_alone_p99_ms"], out["tunnel_call_p99_ms"] = got["alone_p99_ms"], got["beside_p99_ms"]


def bench_agents(top, out, count=2000):
    """That many agents' tunnels at one server: its memory for each, and how long until all are back after its restart."""
    node = server(top + "/many", "127.0.0.31", "--disable-agent")
    until_ready(node)
    time.sleep(3)
    before = node.rss_mb()
    agents = subprocess.Popen([BUILD + "/tests/bench/agents_bench", top + "/many/data/server/tls", "127.0.0.31:6443", str(count)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def all_up():
        for line in agents.stdout:
            if line == f"up {count}\n":
                return time.monotonic()
        raise SystemExit("the agents ended")

    began = time.monotonic()
    out["agents_all_up_s"] = all_up() - began
    time.sleep(5)
    out["agents_kib_each"] = (node.rss_mb() - before) * 1024 / count
    node.process.send_signal(signal.SIGKILL)
    node.process.wait()
    node = server(top + "/many", "127.0.0.31", "--disable-agent")
    out["agents_back_s"] = all_up() - node.began
    agents.stdin.close()
    agents.wait(10)
    node.stop()


def bench_start(top, out):
    cold, warm, agents = [], [], []
    for i in range(5):
        s = server(f"{top}/cold{i}", "127.0.0.21")
        cold.append(until_ready(s))
        token = open(s.folder + "/data/server/node-token").read().strip()
        a = Node("agent", f"{top}/agent{i}", "127.0.0.22", "--server", "https://127.0.0.21:6443", "--token", token)
        agents.append(until_logged(a, "is Ready"))
        a.stop()
        s.stop()
        s = server(f"{top}/cold{i}", "127.0.0.21")
        warm.append(until_ready(s))
        s.stop()
    out["ready_cold_ms"], out["ready_warm_ms"], out["agent_ready_ms"] = map(statistics.median, (cold, warm, agents))


def bench_idle(top, out):
    s = server(f"{top}/idle", "127.0.0.23")
    until_ready(s)
    token = open(s.folder + "/data/server/node-token").read().strip()
    a = Node("agent", f"{top}/idle-agent", "127.0.0.24", "--server", "https://127.0.0.23:6443", "--token", token)
    until_logged(a, "is Ready")
    time.sleep(5)
    before = s.cpu_s(), a.cpu_s()
    time.sleep(60)
    out["server_idle_cpu_percent"] = (s.cpu_s() - before[0]) / 60 * 100
    out["agent_idle_cpu_percent"] = (a.cpu_s() - before[1]) / 60 * 100
    out["server_rss_mb"], out["agent_rss_mb"] = s.rss_mb(), a.rss_mb()
    a.stop()
    s.stop()


def build(target):
    subprocess.run(["ninja", "-C", BUILD, target], check=True, stdout=subprocess.DEVNULL)
    return f"{BUILD}/{target}"


def bench_storage(top, out):
    done = subprocess.run([build("tests/bench/storage_bench")], check=True, capture_output=True, text=True, cwd=top)
    print(done.stderr.rstrip())
    found = json.loads(done.stdout)
    for row in found["writes"]:
        clients = row["clients"]
        out[f"storage_writes_per_second_{clients}"] = row["ours"]["per_second"]
        out[f"storage_ratio_{clients}"] = row["ratio_median"]
    out["storage_idle_syncs_ratio"] = found["idle100"]["fewer_syncs_than_kine_full"]
    out["storage_idle_bytes_ratio"] = found["idle100"]["fewer_bytes_than_kine_full"]


def bench_engines(top, out, rounds=2, span=400):
    """Every engine beside kine's pattern and bare puts, in turns on one disk; medians."""
    program = build("tests/bench/engines_bench")
    found = {}
    for turn in range(rounds):
        for engine in ("sqlite", "rocksdb", "kine", "kine-normal", "etcd", "put"):
            where = f"{top}/engines-{engine}-{turn}"
            os.makedirs(where)
            processes = []
            if engine in ("etcd", "put"):
                processes, where = bare_etcd(where, ["127.0.0.29"])
            try:
                got = subprocess.run([program, engine, where, str(span)], check=True, capture_output=True, text=True)
                found.setdefault(engine, []).append(json.loads(got.stdout))
            finally:
                end_etcd(processes)
            shutil.rmtree(f"{top}/engines-{engine}-{turn}", ignore_errors=True)
    print(f"{'engine':12}{'clients':>8}" + "".join(f"{what + '/s':>12}{'p99 ms':>10}" for what in ("create", "update", "erase")))
    for engine, runs in found.items():
        for i, row in enumerate(runs[0]["writes"]):
            line = f"{engine:12}{row['clients']:>8}"
            for what in ("create", "update", "erase"):
                speed, tail = (statistics.median(r["writes"][i][what][key] for r in runs) for key in ("per_second", "p99_ms"))
                line += f"{speed:12.0f}{tail:10.2f}"
                out[f"{engine}_{what}s_per_second_{row['clients']}"], out[f"{engine}_{what}_p99_ms_{row['clients']}"] = speed, tail
            print(line)
        for key in ("list_10k_ms", "delivery_ms", "rss_mb"):
            if key in runs[0]:
                out[f"{engine}_{key}"] = statistics.median(r[key] for r in runs)


def bench_long(top, out):
    """A million updates: what is left of them on disk and in memory."""
    done = subprocess.run([build("tests/bench/storage_bench"), top, "1", "1", "long"], check=True, capture_output=True, text=True)
    for engine, row in json.loads(done.stdout)["long_life"].items():
        for key in ("per_second", "file_to_live", "file_bytes_max", "log_bytes_max", "longest_ms", "reopen_ms"):
            out[f"{engine}_long_{key}"] = row[key]


def bench_observed(top, out):
    found = json.loads(subprocess.run([build("tests/bench/observed_bench")], check=True, capture_output=True, text=True).stdout)
    out["observed_cost_percent"] = found["cost_percent"]


def unpack_credentials(s):
    """ca.crt, client.crt and client.key of the admin into the node's folder."""
    text = open(s.folder + "/kubeconfig").read()
    for key, name in (("certificate-authority-data", "ca.crt"), ("client-certificate-data", "client.crt"), ("client-key-data", "client.key")):
        data = re.search(key + r": (\S+)", text).group(1).strip('"')
        open(f"{s.folder}/{name}", "wb").write(base64.b64decode(data))


def creates(s, clients, seconds=5):
    """Creates per second through the API with TLS, and their 99th percentile in ms."""
    unpack_credentials(s)
    got = json.loads(subprocess.run([build("tests/bench/api_bench"), s.folder, s.address + ":6443", str(clients), str(seconds)],
                                    check=True, capture_output=True, text=True).stdout)
    return got["creates_per_second"], got["p99_ms"]


def bench_storm(top, out):
    """A thousand agents join one server at once, 50 at a time; beside it the API is read 50 times a second."""
    import join_storm
    s = server(top + "/storm", "127.0.0.26")
    until_ready(s)
    unpack_credentials(s)
    os.makedirs(top + "/agents")
    out.update(join_storm.run(s, top + "/agents", s.folder))
    s.stop()


def bench_api(top, out):
    s = server(f"{top}/api", "127.0.0.25")
    until_ready(s)
    for clients in (1, 16, 256):
        out[f"api_creates_per_second_{clients}"], out[f"api_create_p99_ms_{clients}"] = creates(s, clients)
    s.stop()


def bench_list(top, out, count=10_000):
    """All of so many objects of 1.5 kB through the API with TLS, first byte asked to last byte read; the best of five."""
    s = server(f"{top}/list", "127.0.0.24", "--disable-agent")
    until_ready(s)
    unpack_credentials(s)
    context = ssl.create_default_context(cafile=s.folder + "/ca.crt")
    context.load_cert_chain(s.folder + "/client.crt", s.folder + "/client.key")
    c = http.client.HTTPSConnection(s.address, 6443, context=context, timeout=60)

    def ask(method, path, body=None):
        c.request(method, path, body, {"Content-Type": "application/json"})
        answer = c.getresponse()
        return answer.status, answer.read()

    where = "/api/v1/namespaces/default/configmaps"
    for i in range(count):
        status, body = ask("POST", where, json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"listed-{i}"}, "data": {"k": "v" * 1300}}))
        if status != 201:
            raise SystemExit(f"listed-{i} was not created: {status}, {body[:300]}")
    took = []
    for _ in range(5):
        began = time.monotonic()
        status, body = ask("GET", where)
        took.append((time.monotonic() - began) * 1000)
    if status != 200 or body.count(b'"name":"listed-') != count:
        raise SystemExit(f"the list is not whole: {status}, {body[:200]}")
    out["api_list_10k_ms"], out["api_list_10k_mb"] = min(took), len(body) / 1e6
    out["rendered_list_10k_ms"] = json.loads(subprocess.run([build("tests/bench/list_bench")], check=True, capture_output=True, text=True).stdout)["list_10k_ms"]
    if "kine_list_10k_ms" in out:
        out["list_10k_ratio"] = out["kine_list_10k_ms"] / out["rendered_list_10k_ms"]
    s.stop()


def bare_etcd(top, addresses):
    """etcd as troupe runs it, without TLS and without troupe: its processes and a client URL."""
    cluster = ",".join(f"m{i}=http://{a}:2380" for i, a in enumerate(addresses))
    env = {"PATH": os.environ["PATH"], "GOGC": "50"}
    started = [subprocess.Popen(["etcd", "--name", f"m{i}", "--data-dir", f"{top}/bare{len(addresses)}-{i}", "--listen-client-urls", f"http://{a}:2379",
                                 "--advertise-client-urls", f"http://{a}:2379", "--listen-peer-urls", f"http://{a}:2380",
                                 "--initial-advertise-peer-urls", f"http://{a}:2380", "--initial-cluster", cluster, "--snapshot-count", "5000",
                                 "--heartbeat-interval", "50", "--election-timeout", "500"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) for i, a in enumerate(addresses)]
    time.sleep(2.5)
    return started, f"http://{addresses[0]}:2379"


def end_etcd(processes):
    for p in processes:
        p.kill()
        p.wait()


def etcd_rows(url):
    done = subprocess.run([build("tests/bench/etcd_bench"), url, "1500", "3"], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def bench_etcd(top, out):
    processes, url = bare_etcd(top, ["127.0.0.26"])
    try:
        for row in etcd_rows(url):
            n = row["in_flight"]
            out[f"etcd_client_writes_per_second_{n}"], out[f"etcd_bare_writes_per_second_{n}"] = row["per_second"], row["bare_per_second"]
            out[f"etcd_client_ratio_{n}"], out[f"etcd_client_ratio_to_same_compares_{n}"] = row["ratio"], row["compared_ratio"]
    finally:
        end_etcd(processes)


def bench_cluster(top, out):
    """Three servers through the API with TLS beside three bare members, one after the other on the same disk."""
    processes, url = bare_etcd(top, ["127.0.0.26", "127.0.0.27", "127.0.0.28"])
    try:
        bare = {row["in_flight"]: row["bare_per_second"] for row in etcd_rows(url)}
    finally:
        end_etcd(processes)
    first = server(f"{top}/c1", "127.0.0.21", "--cluster-init", "--token", "bench", "--disable-agent")
    until_logged(first, "ready after")
    others = [server(f"{top}/c{i}", f"127.0.0.2{i}", "--server", "https://127.0.0.21:6443", "--token", "bench", "--disable-agent") for i in (2, 3)]
    for s in others:
        until_logged(s, "ready after")
    try:
        for clients in (1, 16, 256):
            out[f"cluster_bare_writes_per_second_{clients}"] = bare[clients]
            out[f"cluster_creates_per_second_{clients}"], out[f"cluster_create_p99_ms_{clients}"] = creates(first, clients)
            out[f"cluster_ratio_{clients}"] = out[f"cluster_creates_per_second_{clients}"] / bare[clients]
    finally:
        for s in [*others, first]:
            s.stop()


def bench_failover(top, out):
    here = os.path.dirname(os.path.abspath(__file__))
    build("tests/harness/check_history")
    done = subprocess.run([sys.executable, here + "/failover.py", "50"], check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ, TROUPE=TROUPE))
    lines = done.stdout.rstrip().splitlines()
    print("\n".join(lines[:-1]))
    for how, got in json.loads(lines[-1])["failover"].items():
        out[f"failover_{how}_median_s"], out[f"failover_{how}_worst_s"] = got["median_s"], got["worst_s"]


def status_of(pid):
    text = open(f"/proc/{pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def cpu_of(pid):
    """Seconds of processor that all threads of a process have used."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


HAPROXY = """
global
  nbthread 1
  maxconn 9500
defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
listen all
  bind {at}
  maxconn 9500
  server one {to}
"""


def bench_link(top, out):
    """The balancer's forwarding beside HAProxy in TCP mode: one thread each, the same backend, in turn, medians."""
    program, to = build("tests/bench/link_bench"), "127.0.0.41:7001"
    ways = {"troupe": "127.0.0.41:7002", "haproxy": "127.0.0.41:7003", "direct": to}
    open(f"{top}/haproxy.cfg", "w").write(HAPROXY.format(at=ways["haproxy"], to=to))

    def begin(way):
        line = [program, "forward", ways[way], to] if way == "troupe" else ["haproxy", "-db", "-f", f"{top}/haproxy.cfg"]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        host, port = ways[way].split(":")
        for _ in range(500):
            try:
                socket.create_connection((host, int(port)), 1).close()
                return process
            except OSError:
                time.sleep(0.02)
        raise SystemExit(way + " does not listen")

    backend = subprocess.Popen([program, "backend", to])
    running = []
    try:
        time.sleep(0.3)
        running = {way: begin(way) for way in ("troupe", "haproxy")}
        rounds, seconds = int(os.environ.get("LINK_ROUNDS", "5")), 3
        for clients in (64, 1000):
            found = {way: [] for way in ways}
            for _ in range(rounds):
                for way in ways:
                    pid = running[way].pid if way in running else None
                    before = cpu_of(pid) if pid else 0
                    got = json.loads(subprocess.run([program, "load", ways[way], str(clients), str(seconds)], check=True, capture_output=True, text=True).stdout)
                    # Load counts after half a second of warming up; the processor's time covers that too.
                    got["cpu_us"] = (cpu_of(pid) - before) / (got["requests_per_second"] * (seconds + 0.5)) * 1e6 if pid else 0.0
                    found[way].append(got)
            for way, rows in found.items():
                for key in ("requests_per_second", "p50_us", "p99_us", "cpu_us"):
                    out[f"link_{way}_{key}_{clients}"] = statistics.median(r[key] for r in rows)
            out[f"link_ratio_{clients}"] = statistics.median(a["requests_per_second"] / b["requests_per_second"] for a, b in zip(found["troupe"], found["haproxy"]))
            out[f"link_p50_ratio_{clients}"] = statistics.median(a["p50_us"] / b["p50_us"] for a, b in zip(found["troupe"], found["haproxy"]))
            for way in running:
                out[f"link_{way}_rss_kib_{clients}"] = status_of(running[way].pid)
        for process in running.values():
            process.kill()
            process.wait()
        for way in ("troupe", "haproxy"):
            running = {way: begin(way)}
            before = status_of(running[way].pid)
            holder = subprocess.Popen([program, "hold", ways[way], "8000"], stdout=subprocess.PIPE, text=True)
            try:
                assert holder.stdout.readline() == "held 8000\n", way + " carries no 8000 connections"
                out[f"link_{way}_bytes_per_idle_connection"] = (status_of(running[way].pid) - before) * 1024 / 8000
            finally:
                for process in (holder, running[way]):
                    process.kill()
                    process.wait()
    finally:
        for process in [backend, *(running.values() if running else [])]:
            process.kill()
            process.wait()


def bench_pods(top, out):
    """From a pod's creation to Running beside what CRI takes, an agent's memory with 100 pods, and the scheduler on 1,000 nodes."""
    here = os.path.dirname(os.path.abspath(__file__))
    found = json.loads(subprocess.run([build("tests/bench/scheduler_bench")], check=True, capture_output=True, text=True).stdout)
    out["scheduler_decisions_per_second"] = found["decisions_per_second"]
    for line in (["pods/binding.py", TROUPE], ["pods/running.py", TROUPE, build("tests/bench/cri_bench")]):
        done = subprocess.run([sys.executable, f"{here}/{line[0]}", *line[1:]], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{line[0]} cannot run here: {(done.stdout + done.stderr).strip()}")
            continue
        out.update(json.loads(done.stdout))


def bench_services(top, out):
    """The rules of Services in a network of their own: one change among 2,000, and a request through one."""
    here = os.path.dirname(os.path.abspath(__file__))
    hand = BUILD + "/tests/network/network_hand"
    for line in (["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"], [sys.executable, here + "/services_rules.py", hand]), ([], [sys.executable, here + "/services_requests.py"]):
        done = subprocess.run(line[0] + line[1], capture_output=True, text=True, env={**os.environ, "NETWORK_HAND": hand})
        if done.returncode != 0:
            print(f"{os.path.basename(line[1][1])} cannot run here: {(done.stdout + done.stderr).strip()}")
            continue
        out.update(json.loads(done.stdout))


def main():
    top = tempfile.mkdtemp(prefix="troupe-bench-")
    out = {}
    try:
        for name in NAMES:
            globals()["bench_" + name](top, out)
    finally:
        for process in Node.begun:
            if process.poll() is None:
                process.kill()
        shutil.rmtree(top, ignore_errors=True)
    print(f"{'figure':36}{'here':>12}{'goal':>10}")
    for key, value in out.items():
        if not isinstance(value, (int, float)):
            continue
        goal = GOALS.get(key)
        met = "" if goal is None else "  met" if (value >= goal if key in MORE_IS_BETTER else value <= goal) else "  missed"
        print(f"{key:36}{value:12.2f}{'' if goal is None else goal:>10}{met}")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
