"""Real containers on a real node: a server with containerd and runc, in a machine of namespaces (tests/harness/containers.py).

Where no containers can run the test is skipped, and says why.
"""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import containers  # noqa: E402

containers.enter(os.path.abspath(__file__))

import harness  # noqa: E402
from harness import expect, expect_in, until  # noqa: E402

IMAGE = "localhost/busybox:1"
CGROUPS = f"/troupe-test/{os.getpid()}"
ENVIRONMENT = {"TROUPE_DISABLE_RUNTIME": "false"}
_shared = {}


def start(home):
    return harness.Node("server", "--cgroup-root", CGROUPS, home=home, at=containers.ADDRESS, name="n1", env=ENVIRONMENT).ready()


def node():
    """The one server of these tests, with its image."""
    if "node" not in _shared:
        home = harness.folder("server")
        os.makedirs(f"{home}/data/agent/images")
        with open(f"{home}/data/agent/images/busybox.tar", "wb") as f:
            f.write(containers.busybox())
        _shared["node"] = start(home)
    return _shared["node"]


def create(name, container=None, **spec):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": {
        "nodeName": "n1", "terminationGracePeriodSeconds": 2, "containers": [{"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                                                                             "command": ["sh", "-c", "trap 'exit 0' TERM; echo begun; while :; do sleep 0.2; done"], **(container or {})}], **spec}}
    create_in(node(), pod)


def create_in(server, pod):
    """A pod needs its namespace's service account, which a new cluster has a moment later."""
    said = []

    def done():
        said.append(server.kubectl("create", "-f", "-", text=json.dumps(pod), check=False))
        return said[-1][0] == 0 or "service account" not in said[-1][1].lower().replace("serviceaccount", "service account")

    until("the pod is taken", done)
    expect(said[-1][0] == 0, said[-1][1])


def pod(name):
    return node().read(f"/api/v1/namespaces/default/pods/{name}") or None


def main_of(name):
    return ((pod(name) or {}).get("status", {}).get("containerStatuses") or [{}])[0]


def events(name):
    return node().events(name)


def running(name):
    until(f"{name} runs:\n{json.dumps((pod(name) or {}).get('status'))}", lambda: main_of(name).get("ready"))
    return main_of(name)


def test_a_pod_runs_and_goes():
    """a pod runs with an address, its log is read, a command runs in it, and nothing of it stays when it is deleted"""
    create("plain")
    running("plain")
    got = pod("plain")
    expect(got["status"]["phase"] == "Running", got["status"])
    expect(got["status"]["podIP"].startswith("10.42.0."), got["status"])
    expect_in("begun", node().kubectl("logs", "plain"))
    expect_in("plain", node().kubectl("exec", "plain", "--", "hostname"))
    expect_in("10.42.0.", node().kubectl("exec", "plain", "--", "cat", "/etc/hosts"))
    said = events("plain")
    for what in ("Pulled", "Created", "Started"):
        expect_in(what, said)
    uid = got["metadata"]["uid"]
    folder = f"{node().home}/data/agent/kubelet/pods/{uid}"
    expect(os.path.isdir(folder), folder)
    node().kubectl("delete", "pod", "plain")
    until("plain is gone", lambda: pod("plain") is None)
    expect(not os.path.exists(folder), "its folder is still there")
    until("its cgroups are gone", lambda: not os.path.exists(f"/sys/fs/cgroup/memory{CGROUPS}/besteffort/pod{uid}"))


def test_a_pod_of_the_host_network_runs():
    """a pod of the node's own network has the node's address"""
    create("onhost", hostNetwork=True)
    running("onhost")
    got = pod("onhost")["status"]
    expect(got["podIP"] == got["hostIP"], got)


def test_a_probe_restarts():
    """a container whose liveness probe fails is started again, and events say so"""
    create("sick", {"command": ["sh", "-c", "touch /tmp/well; sleep 2; rm /tmp/well; trap 'exit 0' TERM; while :; do sleep 0.1; done"],
                    "livenessProbe": {"exec": {"command": ["test", "-e", "/tmp/well"]}, "periodSeconds": 1, "failureThreshold": 2}})
    until("sick is started again", lambda: main_of("sick").get("restartCount", 0) >= 1)
    said = events("sick")
    expect_in("Unhealthy: Liveness probe failed", said)
    expect_in("Killing: Container main failed liveness probe, will be restarted", said)
    node().kubectl("delete", "pod", "sick", "--wait=false")


def test_too_much_memory_is_oom_killed():
    """a container that takes more memory than its limit is OOMKilled"""
    create("hungry", {"command": ["sh", "-c", "a=x; while :; do a=$a$a; done"], "resources": {"limits": {"memory": "16Mi"}}}, restartPolicy="Never")
    until("hungry ends", lambda: "terminated" in main_of("hungry").get("state", {}))
    ended = main_of("hungry")["state"]["terminated"]
    expect(ended["reason"] == "OOMKilled" and ended["exitCode"] == 137, ended)
    until("hungry has failed", lambda: pod("hungry")["status"]["phase"] == "Failed")


def test_a_job_succeeds_and_its_last_words_are_told():
    """a pod that ends well has Succeeded, with its exit code and termination message; one that fails tells by its log, where it is asked to"""
    create("once", {"command": ["sh", "-c", "echo done >/dev/termination-log"]}, restartPolicy="Never")
    until("once has succeeded", lambda: pod("once")["status"]["phase"] == "Succeeded")
    expect(main_of("once")["state"]["terminated"].get("message") == "done\n", main_of("once"))
    create("wordy", {"command": ["sh", "-c", "echo cannot open the file >&2; exit 4"], "terminationMessagePolicy": "FallbackToLogsOnError"}, restartPolicy="Never")
    until("wordy has failed", lambda: pod("wordy")["status"]["phase"] == "Failed")
    expect(main_of("wordy")["state"]["terminated"].get("message") == "cannot open the file\n", main_of("wordy"))


def test_what_is_wrong_is_said_and_mended():
    """a missing ConfigMap, image or command is named in status or events; the node stays Ready; the pod runs when the cause goes"""
    create("waits", {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "command": ["sh", "-c", "cat /v/key; echo; trap 'exit 0' TERM; while :; do sleep 0.2; done"]},
           volumes=[{"name": "v", "configMap": {"name": "later"}}])
    create("noimage", {"image": "localhost/never:1", "imagePullPolicy": "Never"})
    create("nocommand", {"command": ["/no/such/command"]})
    until("FailedMount", lambda: "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"later\" not found" in events("waits"))
    until("ErrImageNeverPull", lambda: main_of("noimage").get("state", {}).get("waiting", {}).get("reason") == "ErrImageNeverPull")
    until("the command is named", lambda: "/no/such/command" in json.dumps(main_of("nocommand")))
    expect_in("Ready", node().kubectl("get", "node", "n1"))
    node().kubectl("create", "configmap", "later", "--from-literal=key=found")
    running("waits")
    expect_in("found", node().kubectl("logs", "waits"))
    for name in ("noimage", "nocommand"):
        node().kubectl("delete", "pod", name, "--wait=false")


def test_a_node_without_a_runtime_says_why():
    """a pod that is bound to a node where nothing can run gets an event that says why; the node is Ready"""
    other = harness.Node("server", "--container-runtime-endpoint", "/dev/null", at="127.0.0.2", name="n2", env=ENVIRONMENT).ready()
    create_in(other, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "idle"}, "spec": {
        "nodeName": "n2", "containers": [{"name": "main", "image": IMAGE}]}})
    until("the event", lambda: "node n2 runs no containers: --container-runtime-endpoint=/dev/null" in other.kubectl("get", "events"))
    other.terminate()


def containerd_pid():
    return int(re.findall(r"cri.containerd_started.*pid=(\d+)", node().said())[-1])


def test_containerd_dies_and_pods_live():
    """kill -9 of containerd touches no container, and the node is Ready again"""
    create("lasting")
    before = running("lasting")
    pid = containerd_pid()
    os.kill(pid, signal.SIGKILL)
    until("containerd again", lambda: containerd_pid() != pid)
    create("after")
    running("after")
    now = main_of("lasting")
    expect((now["containerID"], now["restartCount"], now["state"]) == (before["containerID"], before["restartCount"], before["state"]), f"{before}\n{now}")


def test_troupe_dies_and_pods_live():
    """kill -9 of troupe, and of containerd with it, touches no container: the next one finds its pods again"""
    create("survivor")
    before = running("survivor")
    node().kill()
    _shared["node"] = start(node().home)
    running("survivor")
    create("newcomer")
    running("newcomer")
    now = main_of("survivor")
    expect((now["containerID"], now["restartCount"], now["state"]) == (before["containerID"], before["restartCount"], before["state"]), f"{before}\n{now}")
    node().kubectl("delete", "pod", "survivor")
    until("survivor is gone", lambda: pod("survivor") is None)


harness.run(globals())
