"""What a container finds when it looks around, and what is told of it: a real node with containerd and runc, in a machine of namespaces.

Where no containers can run the test is skipped, and says why.
"""
import json
import os
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import containers  # noqa: E402

containers.enter(os.path.abspath(__file__))

import harness  # noqa: E402
import one_node  # noqa: E402
from harness import expect, expect_in, until  # noqa: E402
from one_node import IMAGE, delete, main_of, node, pod, running  # noqa: E402


def idle_after(script):
    return ["sh", "-c", script + "; trap 'exit 0' TERM; while :; do sleep 0.1; done"]


def logs(name, *more):
    return node().kubectl("logs", name, *more)


def said(name, last, *more):
    until(f"{name} has said {last}", lambda: last in node().kubectl("logs", name, *more, check=False)[1])
    return logs(name, *more)


def test_variables_and_files():
    """fields, amounts, maps and Secrets are variables and files; parts of volumes are mounted"""
    node().kubectl("create", "configmap", "words", "--from-literal=one=first", "--from-literal=two=second")
    node().kubectl("create", "secret", "generic", "hidden", "--from-literal=word=password")
    field = lambda path: {"valueFrom": {"fieldRef": {"fieldPath": path}}}  # noqa: E731
    look = ("echo $NAME $NODE $ADDRESS $LABEL; echo cpu $CPU memory $MEMORY; echo $MAP_one $SECRET $JOINED; cat /all/map/first.txt /all/token/namespace; echo; stat -Lc %a /all/secret/word; "
            "cat /all/about/labels; cat /part; echo; ls /byname; test -s /var/run/secrets/kubernetes.io/serviceaccount/token && echo has a token; echo end")
    one_node.create("looks", {
        "command": idle_after(look), "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}},
        "env": [{"name": "NAME", **field("metadata.name")}, {"name": "NODE", **field("spec.nodeName")}, {"name": "ADDRESS", **field("status.podIP")}, {"name": "LABEL", **field("metadata.labels['tier']")},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}, {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "word"}}}, {"name": "JOINED", "value": "$(NAME)-$(SECRET)-$$(NAME)"}],
        "envFrom": [{"prefix": "MAP_", "configMapRef": {"name": "words"}}],
        "volumeMounts": [{"name": "all", "mountPath": "/all"}, {"name": "words", "mountPath": "/part", "subPath": "two"}, {"name": "scratch", "mountPath": "/byname", "subPathExpr": "of-$(NAME)"}]},
        metadata={"labels": {"tier": "back"}}, volumes=[
            {"name": "words", "configMap": {"name": "words"}}, {"name": "scratch", "emptyDir": {}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": "words", "items": [{"key": "one", "path": "map/first.txt"}]}}, {"secret": {"name": "hidden", "items": [{"key": "word", "path": "secret/word", "mode": 0o400}]}},
                                                      {"downwardAPI": {"items": [{"path": "about/labels", "fieldRef": {"fieldPath": "metadata.labels"}}, {"path": "token/namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}])
    running("looks")
    text = said("looks", "end")
    for part in (f"looks n1 {pod('looks')['status']['podIP']} back", "cpu 2 memory 64", "first password looks-password-$(NAME)", "firstdefault", "400", 'tier="back"', "second", "has a token"):
        expect_in(part, text)
    expect_in("of-looks", os.listdir(f"{one_node.agent_folder()}/kubelet/pods/{pod('looks')['metadata']['uid']}/volumes/kubernetes.io~empty-dir/scratch"))
    delete("looks")


def test_who_and_what_it_is():
    """users, capabilities, a root that is read only, names, hosts and name servers are as the pod asks"""
    look = ("id -u; id -g; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; touch /file 2>&1; hostname; hostname -f; cat /etc/hosts; cat /etc/resolv.conf; "
            "grep NoNewPrivs /proc/self/status; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; echo end")
    one_node.create("narrow", {"command": idle_after(look), "securityContext": {
        "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, "seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 0}},
        securityContext={"runAsGroup": 77, "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}]}, hostname="called", subdomain="under",
        hostAliases=[{"ip": "10.1.2.3", "hostnames": ["far.test", "far"]}], dnsPolicy="None", dnsConfig={"nameservers": ["9.9.9.9"], "searches": ["a.test"], "options": [{"name": "ndots", "value": "3"}]})
    running("narrow")
    text = said("narrow", "end")
    for part in ("0\n77\n", "CapEff:\t0000000000000400", "Seccomp:\t2", "Read-only file system", "called\n", "called.under.default.svc.cluster.local", "10.1.2.3\tfar.test\tfar", "nameserver 9.9.9.9", "search a.test",
                 "options ndots:3", "NoNewPrivs:\t1", "80\nend"):
        expect_in(part, text)
    one_node.create("together", {"command": idle_after("echo here")}, shareProcessNamespace=True, containers=[
        {"name": "main", "image": IMAGE, "command": idle_after("true")}, {"name": "other", "image": IMAGE, "command": ["sh", "-c", "exec sleep 12345"]}])
    running("together")
    until("it sees its neighbour's processes", lambda: "sleep 12345" in node().kubectl("exec", "together", "-c", "main", "--", "ps"))
    one_node.create("noroot", {"securityContext": {"runAsNonRoot": True}})
    until("it is refused", lambda: main_of("noroot").get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError")
    expect_in("container has runAsNonRoot and image will run as root", json.dumps(main_of("noroot")))
    delete("narrow", "together", "noroot")


def test_order():
    """init containers run one after the other, a sidecar before and after the others, hooks at each end"""
    write = lambda word: f"echo {word} >>/v/order"  # noqa: E731
    mount = [{"name": "v", "mountPath": "/v"}]
    place = f"{node().home}/order"
    one_node.create("ordered", {"command": ["sh", "-c", "trap '" + write("main-ends") + "; exit 0' TERM; " + write("main") + "; while :; do sleep 0.1; done"], "volumeMounts": mount, "lifecycle": {
        "postStart": {"exec": {"command": ["sh", "-c", write("started")]}}, "preStop": {"exec": {"command": ["sh", "-c", write("stopping")]}}}},
        terminationGracePeriodSeconds=10, volumes=[{"name": "v", "hostPath": {"path": place, "type": "DirectoryOrCreate"}}], initContainers=[
            {"name": "first", "image": IMAGE, "command": ["sh", "-c", "sleep 0.5; " + write("first")], "volumeMounts": mount},
            {"name": "side", "image": IMAGE, "restartPolicy": "Always", "command": ["sh", "-c", "trap '" + write("side-ends") + "; exit 0' TERM; " + write("side") + "; while :; do sleep 0.1; done"], "volumeMounts": mount},
            {"name": "second", "image": IMAGE, "command": ["sh", "-c", "sleep 0.5; " + write("second")], "volumeMounts": mount}])
    running("ordered")
    delete("ordered")
    until("it is gone", lambda: pod("ordered") is None)
    with open(place + "/order", encoding="ascii") as f:
        order = f.read().split()
    expect([w for w in order if w not in ("main", "started")] == ["first", "side", "second", "stopping", "main-ends", "side-ends"], order)
    expect(set(order[3:5]) == {"main", "started"}, order)


def test_what_is_told_of_it():
    """the log of the life before, its last lines, from a time on; what it takes, in the node's summary"""
    one_node.create("again", {"command": ["sh", "-c", "echo life; sleep 2; echo out; echo middle; test -e /v/second && sleep 1000; touch /v/second; exit 3"],
                              "volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[{"name": "v", "emptyDir": {}}])
    until("it runs a second time", lambda: main_of("again").get("restartCount") == 1 and "running" in main_of("again")["state"])
    expect(main_of("again")["lastState"]["terminated"]["exitCode"] == 3, main_of("again"))
    expect(logs("again", "--previous").split() == ["life", "out", "middle"], logs("again", "--previous"))
    said("again", "middle")
    expect(logs("again", "--tail=1") == "middle\n", logs("again", "--tail=1"))
    stamped = logs("again", "--timestamps", "--tail=1").split(" ")
    expect(logs("again", "--since-time=" + stamped[0]).endswith("middle\n") and "life" not in logs("again", "--since-time=" + stamped[0]), stamped)
    expect(logs("again", "--since=1h").count("\n") == 3, logs("again", "--since=1h"))

    def summary():
        got = json.loads(node().kubectl("get", "--raw", "/api/v1/nodes/n1/proxy/stats/summary"))
        return next((p for p in got["pods"] if p["podRef"]["name"] == "again"), {}).get("containers")
    until("the summary has it", lambda: summary() and summary()[0]["memory"]["workingSetBytes"] > 0 and summary()[0]["cpu"]["usageCoreNanoSeconds"] > 0)
    expect([one["name"] for one in summary()] == ["main"], summary())   # not the one before it, which is still there
    delete("again")


def test_a_runtime_by_its_class():
    """a pod waits for the RuntimeClass that it names, and runs by its handler; a handler that there is not is told"""
    def runtime(name, handler):
        one_node.apply({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler})
    runtime("odd", "no-such-handler")
    one_node.create("classy", runtimeClassName="usual")
    one_node.create("oddly", runtimeClassName="odd")
    until("the class is missed", lambda: 'RuntimeClass "usual" not found' in one_node.events("classy"))
    until("the handler is missed", lambda: 'no runtime for "no-such-handler" is configured' in one_node.events("oddly"))
    runtime("usual", "runc")
    running("classy")
    delete("classy", "oddly")


def test_a_pod_for_a_moment():
    """kubectl run -i --rm takes what is typed, shows what is said, and leaves nothing"""
    node()
    until("there is an account", lambda: node().read("/api/v1/namespaces/default/serviceaccounts/default"))
    out = node().kubectl("run", "moment", "--rm", "-i", "--restart=Never", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--", "sh", "-c", "read word; echo heard $word", text="the word\n")
    expect_in("heard the word", out)
    until("it is gone", lambda: pod("moment") is None)


def test_a_port_of_the_node():
    """a hostPort leads to its container, from the node's address"""
    one_node.create("outward", {"command": ["sh", "-c", "mkdir /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www"], "ports": [{"containerPort": 8080, "hostPort": 18080}]})
    running("outward")

    def got():
        try:
            with urllib.request.urlopen(f"http://{containers.ADDRESS}:18080/", timeout=5) as answer:
                return answer.read()
        except OSError:
            return None
    until("it answers", lambda: got() == b"hello\n")
    delete("outward")
    until("it is gone", lambda: pod("outward") is None)
    expect(got() is None, "the port is still open")


def test_a_runtime_of_others():
    """with --container-runtime-endpoint pods run in a containerd that somebody else started, and end with their node's wish only"""
    home = node().home
    node().terminate()
    folder = harness.folder("other")
    found = subprocess.run(["grep", "-rl", "io.containerd.grpc.v1.cri", home + "/data/agent", "/run", "--include=*.toml"], capture_output=True, text=True).stdout.split()
    with open(found[0], encoding="utf-8") as f:
        lines = f.read().split("\n")
    mine = {"root": f'"{folder}/root"', "state": f'"{folder}/state"', "address": f'"{folder}/c.sock"'}
    lines = [f"{line.split('=')[0].rstrip()} = {mine[line.split('=')[0].strip()]}" if line.split("=")[0].strip() in mine else line for line in lines]
    config = harness.write(folder + "/config.toml", "\n".join(lines))
    theirs = subprocess.Popen(["containerd", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ctr = lambda *what: subprocess.run(["ctr", "--address", folder + "/c.sock", "--namespace", "k8s.io", *what], capture_output=True, text=True)  # noqa: E731
        # Its socket is there before what answers on it.
        until("their containerd answers", lambda: os.path.exists(folder + "/c.sock") and ctr("images", "ls").returncode == 0, process=theirs)
        for archive in os.listdir(home + "/data/agent/images"):
            taken = ctr("images", "import", home + "/data/agent/images/" + archive)
            expect(taken.returncode == 0, f"{archive}: {taken.stderr}")
        one_node.start(home, "--container-runtime-endpoint", f"unix://{folder}/c.sock")
        one_node.create("abroad")
        before = running("abroad")
        expect_in("begun", logs("abroad"))
        expect_in("abroad", node().kubectl("exec", "abroad", "--", "hostname"))
        node().terminate()
        time.sleep(1)
        expect(theirs.poll() is None, "their containerd ended with us")
        one_node.start(home, "--container-runtime-endpoint", f"{folder}/c.sock")
        expect(running("abroad")["containerID"] == before["containerID"], "the container was touched")
        node().kubectl("delete", "pod", "abroad")
        until("it is gone", lambda: pod("abroad") is None)
    finally:
        node().terminate()
        theirs.kill()
        theirs.wait()


harness.run(globals())
