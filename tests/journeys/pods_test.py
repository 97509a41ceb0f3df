"""J4: from `kubectl create deployment` to containers on several nodes that reach each other by name.

A server and two agents, each on a machine of its own made of namespaces, joined by a bridge of the test's; real containerd, real
CNI plugins, real kubectl (every version there is for the streams). Needs root; without it, or without containerd, the test says
why and is skipped. The cluster is made once, tests share it and clean up after themselves.
"""
import atexit
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "harness")]
import containers  # noqa: E402

NETWORK = "172.31.0."   # the machine around these has another
IMAGE = "localhost/busybox:1"
# The first process of a machine: it makes the machine private, waits for its cable, and takes in orphans.
INIT = """
set -e
mount -t tmpfs -o mode=755 none /run; mkdir -p /run/netns
mount -t tmpfs none /var/lib/cni; mount -t tmpfs none /var/log/pods
hostname {name}
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip addr add {address}/24 dev eth0; ip link set eth0 up; ip route add default via {gateway}
touch {folder}/up
while :; do sleep 3600 & wait; done
"""
# A server of one page that says who it is and ends when it is told to.
IDLE = "trap 'exit 0' TERM; sleep 3600 & wait"   # ends at once when it is told to
PAGE = ("mkdir -p /www; echo {0}$HOSTNAME >/www/index.html; trap 'sleep 2; kill $!; exit 0' TERM; httpd -f -p 8080 -h /www & wait")


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        found = f.read().split()
    return int(found[0]) if found else 0


def machine_class():
    from harness import Node, folder, until, PATIENCE

    class Machine:
        """A computer: its first process, and troupe on it. `node` is troupe's present life."""

        def __init__(self, number, command, *flags):
            self.number, self.command = number, command
            self.flags = (*flags, "--cgroup-root", f"/troupe-test/{os.getpid()}/m{number}")
            self.name, self.at = f"m{number}", f"{NETWORK}{10 + number}"
            self.home = folder(self.name)
            self.boot()

        def boot(self):
            up = os.path.join(self.home, "up")
            if os.path.exists(up):
                os.remove(up)
            init = INIT.format(name=self.name, address=self.at, gateway=NETWORK + "1", folder=self.home)
            self.outer = subprocess.Popen(["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc",
                                           "--propagation", "private", "bash", "-c", init], stdin=subprocess.DEVNULL)
            atexit.register(self.outer.kill)
            self.first = until("the machine's first process", lambda: child_of(self.outer.pid))
            shell(f"ip link add v{self.number} type veth peer name eth0 netns {self.first}")
            shell(f"ip link set v{self.number} master lab1 up")
            until("the machine is up", lambda: os.path.exists(up), process=self.outer)
            images = os.path.join(self.home, "data", "agent", "images")
            os.makedirs(images, exist_ok=True)
            with open(os.path.join(images, "busybox.tar"), "wb") as f:
                f.write(ARCHIVE)

        def inside(self, *line):
            return ["nsenter", "--target", str(self.first), "--mount", "--net", "--pid", "--uts", *line]

        def run(self, *line):
            done = subprocess.run(self.inside(*line), capture_output=True, text=True, timeout=PATIENCE)
            return done.stdout + done.stderr

        def start(self):
            self.node = Node(self.command, *self.flags, home=self.home, at=self.at, name=self.name, within=self.inside(),
                             env={"TROUPE_DISABLE_RUNTIME": "false"})
            return self

        def pid(self):
            """Of troupe itself, as we see it."""
            return child_of(self.node.process.pid)

        def signal(self, which="-KILL"):
            subprocess.run(["kill", which, str(self.pid())], check=True)
            self.node.process.wait()

        def pids_of(self, program):
            """Processes of that name on this machine, as it sees them."""
            return self.run("pgrep", "-x", program).split()

        def power_off(self):
            self.outer.kill()
            self.outer.wait()
            self.node.process.wait()
    return Machine


def shell(line):
    done = subprocess.run(line.split(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{line}: {done.stdout}{done.stderr}")


class Cluster:
    """Server m1, agents m2 and m3."""

    def __init__(self):
        machine = machine_class()
        shell("ip link add lab1 type bridge")
        shell(f"ip addr add {NETWORK}1/24 dev lab1")
        shell("ip link set lab1 up")
        # A node that is silent is given up after seconds here, and its pods with it.
        self.server = machine(1, "server", "--token", "secret", "--node-lease-interval", "1s", "--node-grace", "6s", "--node-check-interval", "500ms").start()
        self.server.node.ready()
        join = ("--node-lease-interval", "1s", "--server", f"https://{self.server.at}:6443", "--token", "secret")
        self.agents = [machine(n, "agent", *join).start() for n in (2, 3)]
        for one in self.agents:
            one.node.ready()
        self.machines = [self.server, *self.agents]
        self.kubeconfig = self.server.node.kubeconfig

    def kubectl(self, *line, check=True, binary="kubectl", text=None, patience=60):
        from harness import BRIEF, clean_environment
        done = subprocess.run([binary, *line], capture_output=True, timeout=patience, input=text and text.encode(),
                              env=clean_environment(KUBECONFIG=self.kubeconfig, HOME=self.server.home, **BRIEF))
        out = (done.stdout + done.stderr).decode(errors="replace")
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(line)}: {out}")
        return out if check else (done.returncode, out)

    def apply(self, *objects):
        return self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def read(self, path):
        return self.server.node.read(path)

    def all_pods(self, selector):
        """Also those that go."""
        return self.read(f"{PODS}?labelSelector={urllib.parse.quote(selector)}")["items"]

    def pods(self, selector):
        return [p for p in self.all_pods(selector) if "deletionTimestamp" not in p["metadata"]]

    def nodes_are_ready(self):
        """All three of them."""
        return sum(c["type"] == "Ready" and c["status"] == "True" for n in self.read("/api/v1/nodes")["items"] for c in n["status"]["conditions"]) == 3

    def ready_pods(self, selector):
        return [p for p in self.pods(selector)
                if any(c["type"] == "Ready" and c["status"] == "True" for c in p.get("status", {}).get("conditions", []))]


PODS = "/api/v1/namespaces/default/pods"
CLUSTER = None
ARCHIVE = b""


def cluster():
    global CLUSTER
    if CLUSTER is None:
        CLUSTER = Cluster()
    return CLUSTER


def container(name="main", command=PAGE.format(""), **more):
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", command], **more}


def workload(kind, name, spec, pod, replicas=None):
    out = {"apiVersion": "batch/v1" if kind == "Job" else "apps/v1", "kind": kind, "metadata": {"name": name},
           "spec": {**spec, "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 5, **pod}}}}
    if kind != "Job":
        out["spec"]["selector"] = {"matchLabels": {"app": name}}
    if replicas is not None:
        out["spec"]["replicas"] = replicas
    return out


def service(name, **more):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}], **more}}


def pod(name, spec, **meta):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}, **meta},
            "spec": {"terminationGracePeriodSeconds": 1, **spec}}


def ids(c, selector):
    """Container ids and restarts: what changes when something was touched."""
    return sorted((p["metadata"]["name"], s["containerID"], s["restartCount"]) for p in c.pods(selector) for s in p["status"]["containerStatuses"])


def wait_ready(c, selector, count):
    from harness import until
    try:
        return until(f"{count} ready pods of {selector}", lambda: len(c.ready_pods(selector)) == count and len(c.pods(selector)) == count)
    except AssertionError as e:
        raise AssertionError(f"{e}\n{c.kubectl('get', 'pods', '-A', '-o', 'wide')}\n{c.kubectl('get', 'events', '-A', '--sort-by=.lastTimestamp')[-4000:]}"
                             + "".join(f"\n--- {m.name}\n{m.node.said()[-1500:]}" for m in c.machines)) from None


def test_deployment():
    """create deployment ends in running containers on every node, and events that tell how"""
    from harness import expect, expect_in, until
    c = cluster()
    c.kubectl("create", "deployment", "plain", f"--image={IMAGE}", "--replicas=6", "--", "sh", "-c", IDLE)
    wait_ready(c, "app=plain", 6)
    nodes = {p["spec"]["nodeName"] for p in c.pods("app=plain")}
    expect(nodes == {"m1", "m2", "m3"}, f"on {nodes}")
    addresses = [p["status"]["podIP"] for p in c.pods("app=plain")]
    expect(len(set(addresses)) == 6, addresses)
    told = c.kubectl("get", "events")
    for word in ("ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Pulled", "Created", "Started"):
        expect_in(word, told)
    expect_in("deployment \"plain\" successfully rolled out", c.kubectl("rollout", "status", "deployment/plain"))
    c.kubectl("scale", "deployment/plain", "--replicas=1")
    until("five are gone", lambda: len(c.all_pods("app=plain")) == 1)
    c.kubectl("delete", "deployment", "plain")
    until("all are gone", lambda: not c.all_pods("app=plain"))


def ask(c, from_pod, url, tries=1):
    return c.kubectl("exec", from_pod, "--", "sh", "-c", f"timeout 5 wget -q -O - {url}", check=False)


def test_service():
    """a Service is reached by its name from a pod on another node, and every pod behind it answers"""
    from harness import expect, until
    c = cluster()
    c.apply(workload("Deployment", "web", {}, {"containers": [container(readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1})]}, 3),
            service("web"), pod("client", {"containers": [container(command=IDLE)], "nodeName": "m3"}))
    wait_ready(c, "app=web", 3)
    wait_ready(c, "app=client", 1)
    names = {p["metadata"]["name"] for p in c.pods("app=web")}
    heard = set()

    def all_heard():
        for url in ("http://web", "http://web.default.svc.cluster.local"):
            code, out = ask(c, "client", url)
            if code == 0:
                heard.add(out.strip())
        return heard >= names
    until(f"all of {names} answer by name", all_heard)
    expect(heard == names, f"{heard} is not {names}")
    # Through the API, by the Service and by one of its pods.
    heard = {c.kubectl("get", "--raw", "/api/v1/namespaces/default/services/web:80/proxy/").strip() for _ in range(2 * len(names))}
    expect(heard == names, f"{heard} is not {names}")
    one = sorted(names)[0]
    expect(c.kubectl("get", "--raw", f"/api/v1/namespaces/default/pods/{one}:8080/proxy/").strip() == one, "pods/proxy")
    for p in c.pods("app=web"):
        code, out = ask(c, "client", f"http://{p['status']['podIP']}:8080")
        expect(code == 0 and out.strip() == p["metadata"]["name"], f"{p['spec']['nodeName']}: {code} {out}")


def test_rollout():
    """a rollout under load fails no request, and undo brings the old pods back"""
    from harness import expect, expect_in
    c = cluster()
    make_web(c)
    address = c.read("/api/v1/namespaces/default/services/web")["spec"]["clusterIP"]
    stop, failed, served = threading.Event(), [], [0]

    def load():
        while not stop.is_set():
            out = c.machines[1].run("sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do timeout 5 busybox wget -q -O - http://{address}/ || echo FAILED; done")
            served[0] += out.count("\n")
            if "FAILED" in out:
                failed.append(out)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(load)
        try:
            old = {p["metadata"]["name"] for p in c.pods("app=web")}
            c.kubectl("set", "env", "deployment/web", "RELEASE=2")
            c.kubectl("rollout", "status", "deployment/web", "--timeout=60s", patience=90)
            expect(not old & {p["metadata"]["name"] for p in c.pods("app=web")}, "old pods are still there")
            c.kubectl("rollout", "undo", "deployment/web")
            c.kubectl("rollout", "status", "deployment/web", "--timeout=60s", patience=90)
        finally:
            stop.set()
            running.result()
    expect(not failed, f"{len(failed)} of {served[0]} failed: {failed[:3]}")
    expect(served[0] > 50, f"only {served[0]} requests were made")
    expect(all("env" not in p["spec"]["containers"][0] for p in c.pods("app=web")), "the undone variable is still there")
    expect_in("REVISION", c.kubectl("rollout", "history", "deployment/web"))


def make_web(c):
    """What test_service leaves behind, for tests that run without it."""
    if not c.ready_pods("app=web"):
        test_service()


def test_streams():
    """logs -f, exec with input and with a terminal, cp, attach and port-forward work with every kubectl"""
    from harness import BRIEF, expect, expect_in, until
    from real_cluster import kubectls
    c = cluster()
    brief = {**os.environ, **BRIEF}
    talk = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done"
    c.apply(pod("talk", {"containers": [container(command=talk)], "nodeName": "m2"}), pod("echo", {"containers": [container(command="cat", stdin=True)], "nodeName": "m3"}),
            pod("page", {"containers": [container()], "nodeName": "m2"}))
    for name in ("talk", "echo", "page"):
        wait_ready(c, "app=" + name, 1)
    for version, binary in sorted(kubectls().items()):
        follow = subprocess.Popen([binary, "--kubeconfig", c.kubeconfig, "logs", "-f", "talk", "--tail=1"], stdout=subprocess.PIPE, env=brief)
        lines = [follow.stdout.readline().decode() for _ in range(4)]
        follow.kill()
        expect(all(re.fullmatch(r"line \d+\n", one) for one in lines), f"{version}: {lines}")
        expect_in("line 1\n", c.kubectl("logs", "talk", "--timestamps=false", "--limit-bytes=7", binary=binary))
        expect(c.kubectl("exec", "talk", "--", "sh", "-c", "echo out; echo err >&2", binary=binary).split() in (["out", "err"], ["err", "out"]), version)
        code, out = c.kubectl("exec", "talk", "--", "sh", "-c", "exit 7", check=False, binary=binary)
        expect(code == 7, f"{version}: exit code {code}: {out}")
        expect(c.kubectl("exec", "-i", "talk", "--", "cat", text="from here\n", binary=binary).strip() == "from here", f"{version}: exec -i")
        told = subprocess.run(["script", "-qec", f"{binary} --kubeconfig {c.kubeconfig} exec -it talk -- sh -c 'tty; echo done'", "/dev/null"],
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL, env=brief).stdout.decode()
        expect("/dev/" in told and "done" in told, f"{version}: exec -it: {told}")
        source = os.path.join(c.server.home, f"file-{version}")
        with open(source, "wb") as f:
            f.write(os.urandom(300_000))
        c.kubectl("cp", source, "talk:/tmp/there", binary=binary)
        c.kubectl("cp", "talk:/tmp/there", source + "-back", binary=binary)
        with open(source, "rb") as a, open(source + "-back", "rb") as b:
            expect(a.read() == b.read(), f"{version}: cp changed the file")
        attached = subprocess.Popen([binary, "--kubeconfig", c.kubeconfig, "attach", "-i", "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=brief)
        attached.stdin.write(f"hello {version}\n".encode())
        attached.stdin.flush()
        expect(attached.stdout.readline().decode() == f"hello {version}\n", f"{version}: attach")
        attached.kill()
        forward = subprocess.Popen([binary, "--kubeconfig", c.kubeconfig, "port-forward", "pod/page", ":8080"], stdout=subprocess.PIPE, env=brief)
        port = int(re.search(r":(\d+) ->", forward.stdout.readline().decode()).group(1))
        import urllib.request
        for _ in range(3):
            expect(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read().decode().strip() == "page", f"{version}: port-forward")
        forward.kill()
        print(f"    {version}: streams work", flush=True)
    c.kubectl("delete", "pod", "talk", "echo", "page", "--wait=false")
    until("they are gone", lambda: not c.all_pods("app in (talk,echo,page)"))


def test_jobs():
    """a job runs to its end, a failing one is given up as its limit or its policy says, a pod that is deleted counts as failed, a daemon set has a pod on every node"""
    from harness import expect, until
    c = cluster()
    c.apply(workload("Job", "sum", {"completions": 3, "parallelism": 2}, {"restartPolicy": "Never", "containers": [container(command="echo done")]}),
            workload("Job", "bad", {"backoffLimit": 0}, {"restartPolicy": "Never", "containers": [container(command="exit 3")]}),
            workload("Job", "told", {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}},
                     {"restartPolicy": "Never", "containers": [container(command="exit 42")]}),
            workload("Job", "hit", {"backoffLimit": 0}, {"restartPolicy": "Never", "containers": [container(command=IDLE)]}),
            workload("DaemonSet", "every", {}, {"containers": [container(command=IDLE)]}))
    c.kubectl("wait", "--for=condition=complete", "job/sum", "--timeout=60s", patience=90)
    c.kubectl("wait", "--for=condition=failed", "job/bad", "--timeout=60s", patience=90)
    c.kubectl("wait", "--for=condition=failed", "job/told", "--timeout=60s", patience=90)

    def status(name):
        return c.read(f"/apis/batch/v1/namespaces/default/jobs/{name}")["status"]
    expect(status("sum")["succeeded"] == 3, status("sum"))
    expect("failed with exit code 42 matching FailJob rule at index 0" in json.dumps(status("told")), status("told"))
    wait_ready(c, "app=hit", 1)
    c.kubectl("delete", "pod", "-l", "app=hit")
    c.kubectl("wait", "--for=condition=failed", "job/hit", "--timeout=60s", patience=90)
    expect(status("hit")["failed"] == 1, status("hit"))
    expect(not any("batch.kubernetes.io/job-tracking" in p["metadata"].get("finalizers", []) for p in c.all_pods("app in (sum,bad,told,hit)")), "a counted pod is held")
    wait_ready(c, "app=every", 3)
    expect({p["spec"]["nodeName"] for p in c.pods("app=every")} == {"m1", "m2", "m3"}, "not on every node")
    c.kubectl("delete", "job/sum", "job/bad", "job/told", "job/hit", "daemonset/every")
    until("their pods are gone", lambda: not c.all_pods("app in (sum,bad,told,hit,every)"))


def test_failing_containers():
    """a probe that fails restarts its container, one that takes too much memory is OOMKilled, and each says so"""
    from harness import expect_in, until
    c = cluster()
    probe = {"exec": {"command": ["sh", "-c", "test -e /tmp/well"]}, "periodSeconds": 1, "failureThreshold": 2}
    c.apply(pod("sick", {"containers": [container(command="touch /tmp/well; sleep 2; rm /tmp/well; exec sleep 3600", livenessProbe=probe)]}),
            pod("greedy", {"containers": [container(command="sleep 1; tail /dev/zero", resources={"limits": {"memory": "24Mi"}})], "restartPolicy": "Never"}),
            pod("absent", {"containers": [{"name": "main", "image": "localhost/not-there:1", "imagePullPolicy": "Never"}]}),
            pod("wrong", {"containers": [{"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/no/such/program"]}]}),
            pod("waiting", {"containers": [container(command="sleep 1", volumeMounts=[{"name": "v", "mountPath": "/v"}])],
                            "volumes": [{"name": "v", "configMap": {"name": "not-yet"}}], "restartPolicy": "Never"}))

    def status(name):
        return c.read(f"{PODS}/{name}")["status"]

    def state(name, which="state"):
        return (status(name).get("containerStatuses") or [{}])[0].get(which, {})
    until("the sick one was restarted", lambda: (status("sick").get("containerStatuses") or [{}])[0].get("restartCount", 0) >= 1)
    until("the greedy one was OOMKilled", lambda: state("greedy").get("terminated", {}).get("reason") == "OOMKilled")
    until("no image", lambda: state("absent").get("waiting", {}).get("reason") == "ErrImageNeverPull")
    until("no program", lambda: "no such file" in json.dumps(status("wrong")).lower() or "StartError" in json.dumps(status("wrong")) or
          "RunContainerError" in json.dumps(status("wrong")))
    until("the missing volume is told of", lambda: "not-yet" in c.server.node.events("waiting"))
    c.kubectl("create", "configmap", "not-yet", "--from-literal=a=b")
    until("and it runs once the volume is there", lambda: status("waiting").get("phase") == "Succeeded")
    told = c.kubectl("get", "events")
    for word in ("Unhealthy", "Killing", "FailedMount", "ErrImageNeverPull"):
        expect_in(word, told)
    c.kubectl("delete", "pod", "sick", "greedy", "absent", "wrong", "waiting", "--wait=false")
    until("they are gone", lambda: not c.all_pods("app in (sick,greedy,absent,wrong,waiting)"))


def test_untouched():
    """containerd killed, and server and agent killed and started again: no pod is touched"""
    from harness import expect, until
    c = cluster()
    make_web(c)
    before = ids(c, "app=web")
    for machine in c.machines:
        old = machine.pids_of("containerd")
        expect(len(old) == 1, f"{machine.name} has {len(old)} containerds")
        machine.run("kill", "-9", *old)
        until("containerd is back", lambda: machine.pids_of("containerd") not in ([], old))
    c.kubectl("create", "deployment", "later", f"--image={IMAGE}", "--replicas=3", "--", "sh", "-c", IDLE)
    wait_ready(c, "app=later", 3)
    expect(ids(c, "app=web") == before, f"{ids(c, 'app=web')} was {before}")
    for machine in c.machines:
        machine.signal("-KILL")
        machine.start().node.ready()
    until("all nodes are ready", c.nodes_are_ready)
    time.sleep(3)
    wait_ready(c, "app=web", 3)
    expect(ids(c, "app=web") == before, f"{ids(c, 'app=web')} was {before}")
    until("the service answers", lambda: ask(c, c.ready_pods("app=client")[0]["metadata"]["name"], "http://web")[0] == 0)
    c.kubectl("delete", "deployment", "later")


def test_drain_and_node_loss():
    """a drained node is empty of what may leave it; a node that dies loses its pods to the others"""
    from harness import expect, until
    c = cluster()
    make_web(c)
    c.kubectl("drain", "m2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s", patience=90)
    wait_ready(c, "app=web", 3)
    expect("m2" not in {p["spec"]["nodeName"] for p in c.pods("app=web")}, "a pod stayed on the drained node")
    c.kubectl("uncordon", "m2")
    c.apply(workload("Deployment", "mover", {}, {"containers": [container(command=IDLE)], "tolerations": [
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1},
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}]}, 6))
    wait_ready(c, "app=mover", 6)
    victim = c.agents[1]
    expect(victim.name in {p["spec"]["nodeName"] for p in c.pods("app=mover")}, "nothing runs on the victim")
    victim.power_off()
    until("all of it runs elsewhere", lambda: len([p for p in c.ready_pods("app=mover") if p["spec"]["nodeName"] != victim.name]) == 6)
    victim.boot()
    victim.start().node.ready()
    until("the node is back", c.nodes_are_ready)
    c.kubectl("delete", "deployment", "mover")
    until("nothing of it is left", lambda: not c.all_pods("app=mover"))


def main():
    global ARCHIVE
    containers.enter(os.path.abspath(__file__))
    ARCHIVE = containers.busybox(IMAGE)
    from harness import run
    run(globals())


if __name__ == "__main__":
    main()
