"""What pods can beside the usual, on a real node with containerd and runc, in a machine of namespaces.

Where no containers can run the test is skipped, and says why.
"""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import containers  # noqa: E402

containers.enter(os.path.abspath(__file__))

import harness  # noqa: E402
import one_node  # noqa: E402
import registry  # noqa: E402
from harness import expect, expect_in, until  # noqa: E402
from one_node import IDLE, IMAGE, delete, main_of, node, pod, running  # noqa: E402


def write_manifest(name, *command, **spec):
    folder = one_node.agent_folder() + "/pod-manifests"
    os.makedirs(folder, exist_ok=True)
    thing = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": IMAGE, "command": list(command) or IDLE}], **spec}}
    harness.write(f"{folder}/{name}.json", json.dumps(thing))
    return f"{folder}/{name}.json"


def test_a_static_pod_runs_and_outlives_everything():
    """a file in agent/pod-manifests runs as a pod; deleting its mirror or killing troupe touches no container; edits and removal are followed"""
    node()
    path = write_manifest("fixed")
    before = running("fixed-n1")
    got = pod("fixed-n1")
    marks = got["metadata"]["annotations"]
    expect(marks["kubernetes.io/config.source"] == "file" and marks["kubernetes.io/config.mirror"] == marks["kubernetes.io/config.hash"], marks)
    expect(got["metadata"]["ownerReferences"][0]["kind"] == "Node", got["metadata"])
    expect_in("begun", node().kubectl("logs", "fixed-n1"))
    node().kubectl("delete", "pod", "fixed-n1", "--wait=false")
    until("another mirror", lambda: (pod("fixed-n1") or got)["metadata"]["uid"] != got["metadata"]["uid"])
    expect(running("fixed-n1")["containerID"] == before["containerID"], "the container was touched")
    node().kill()
    one_node.start(node().home)
    expect(running("fixed-n1")["containerID"] == before["containerID"], "the container was touched")
    write_manifest("fixed", "sh", "-c", "echo changed; trap 'exit 0' TERM; while :; do sleep 0.1; done")
    until("the new text runs", lambda: "changed" in node().kubectl("logs", "fixed-n1", check=False)[1])
    os.remove(path)
    until("it is gone", lambda: pod("fixed-n1") is None)


def test_images_come_from_mirrors_and_with_logins():
    """registries.yaml leads to a mirror; a registry that wants a login is pulled from with the pod's imagePullSecrets, also when they come later"""
    mirror = registry.Registry("127.0.0.1:5001", {"team/busybox": containers.busybox()})
    registry.Registry("127.0.0.1:5002", {"private/busybox": containers.busybox()}, login="me:secret")
    one_node.create("mirrored", {"image": "mirrored.test/team/busybox:1"})
    one_node.create("private", {"image": "127.0.0.1:5002/private/busybox:1"}, imagePullSecrets=[{"name": "login"}])
    running("mirrored")
    expect(any("/v2/team/busybox/manifests/1" in path and "ns=mirrored.test" in path for path in mirror.asked), mirror.asked)
    until("the pull without a login fails", lambda: "ErrImagePull" in one_node.events("private"))
    expect_in("Unable to retrieve some image pull secrets (login)", one_node.events("private"))
    node().kubectl("create", "secret", "docker-registry", "login", "--docker-server=127.0.0.1:5002", "--docker-username=me", "--docker-password=secret")
    running("private")
    delete("mirrored", "private")


def test_volumes_in_memory_belong_to_the_group():
    """emptyDir of medium Memory is a tmpfs of its size, fsGroup owns volumes, an unprivileged user reads and writes them; nothing stays mounted"""
    node().kubectl("create", "configmap", "words", "--from-literal=key=found")
    look = "mount | grep ' /m '; stat -c '%g %a' /m /e /c/..data/; cat /c/key; echo; id -G; echo x >/m/file && echo y >/e/file && stat -c '%u %g' /e/file; dd if=/dev/zero of=/m/big bs=64k count=64 2>&1 | grep -i space; echo end"
    one_node.create("memory", {"command": ["sh", "-c", look + "; trap 'exit 0' TERM; while :; do sleep 0.2; done"],
                               "volumeMounts": [{"name": n, "mountPath": "/" + n} for n in "mec"]},
                    securityContext={"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000, "supplementalGroups": [3000]},
                    volumes=[{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, {"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "words", "defaultMode": 0o640}}])
    running("memory")
    until("it has said all", lambda: "end" in node().kubectl("logs", "memory"))
    said = node().kubectl("logs", "memory")
    for part in ("tmpfs", "size=1024k", "2000 2777", "found", "1000 2000 3000", "1000 2000\n", "No space left"):
        expect_in(part, said)
    delete("memory")
    until("it is gone", lambda: pod("memory") is None)
    with open("/proc/self/mountinfo", encoding="ascii") as f:
        expect("kubernetes.io~empty-dir" not in f.read(), "something is still mounted")


def test_a_pod_has_limits_as_a_whole():
    """containers of one pod share what their limits come to together, in a cgroup of the pod's own"""
    one_node.create("limited", {"resources": {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}})
    running("limited")
    below = f"{one_node.CGROUPS}/burstable/pod{pod('limited')['metadata']['uid']}"

    def read(controller, name):
        for mount in (controller, "cpu,cpuacct"):
            if os.path.exists(f"/sys/fs/cgroup/{mount}{below}/{name}"):
                with open(f"/sys/fs/cgroup/{mount}{below}/{name}", encoding="ascii") as f:
                    return f.read().strip()
        return None

    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        expect((read("", "cpu.max"), read("", "memory.max")) == ("50000 100000", str(64 << 20)), below)
    else:
        expect((read("cpu", "cpu.shares"), read("cpu", "cpu.cfs_quota_us")) == ("256", "50000"), (read("cpu", "cpu.shares"), read("cpu", "cpu.cfs_quota_us")))
        expect(read("memory", "memory.limit_in_bytes") == str(64 << 20), read("memory", "memory.limit_in_bytes"))
    delete("limited")


def test_a_guest_looks_into_a_running_pod():
    """kubectl debug puts an ephemeral container beside a running one, which sees its processes; the pod goes on as it was"""
    one_node.create("studied")
    before = running("studied")
    said = node().kubectl("debug", "studied", "--image=" + IMAGE, "--target=main", "-c", "look", "--", "sh", "-c", "ps | grep 'sleep 0.2\\|while'; echo looked")
    del said
    until("the guest has ended", lambda: (pod("studied")["status"].get("ephemeralContainerStatuses") or [{}])[0].get("state", {}).get("terminated"))
    expect_in("looked", node().kubectl("logs", "studied", "-c", "look"))
    expect_in("while", node().kubectl("logs", "studied", "-c", "look"))
    now = pod("studied")
    expect(main_of("studied")["containerID"] == before["containerID"] and now["status"]["phase"] == "Running", now["status"])
    code, why = node().kubectl("patch", "pod", "studied", "--subresource=ephemeralcontainers", "-p", '{"spec":{"ephemeralContainers":[{"name":"look","image":"other"}]}}', check=False)
    expect(code != 0 and "may not be changed" in why, why)
    delete("studied")


def test_a_long_log_is_rotated_under_who_follows_it():
    """a log that outgrows 10 MiB gets another name; who follows it misses no line"""
    line = "x" * 1000
    one_node.create("chatty", {"command": ["sh", "-c", f"i=0; while [ $i -lt 11500 ]; do echo $i {line}; i=$((i+1)); done; sleep 14; echo last one; sleep 1000"]})
    running("chatty")
    follow = subprocess.Popen(["kubectl", "logs", "-f", "chatty"], stdout=subprocess.PIPE, env=harness.clean_environment(KUBECONFIG=node().kubeconfig, HOME=node().home))
    numbers = []
    for text in follow.stdout:
        if text.startswith(b"last one"):
            break
        numbers.append(int(text.split()[0]))
    follow.kill()
    follow.wait()
    expect(numbers == list(range(11500)), f"{len(numbers)} lines")
    folder = f"/var/log/pods/default_chatty_{pod('chatty')['metadata']['uid']}/main"
    expect(any(name.startswith("0.log.2") for name in os.listdir(folder)), os.listdir(folder))
    expect(node().kubectl("logs", "chatty").startswith("last one"), "the present file has more")
    delete("chatty")


def test_a_cni_plugin_that_fails_is_named():
    """a CNI plugin that is not there is named in one event; the node stays Ready, and the pod runs when the cause has gone"""
    node()
    bad = harness.write(one_node.agent_folder() + "/etc/cni/net.d/00-bad.conflist", json.dumps({"cniVersion": "0.4.0", "name": "bad", "plugins": [{"type": "nosuchplugin"}]}))
    one_node.create("unplugged")
    until("the event", lambda: "FailedCreatePodSandBox" in one_node.events("unplugged"))
    expect_in('failed to find plugin "nosuchplugin"', one_node.events("unplugged"))
    expect(one_node.condition()[0] == "True", one_node.condition())
    os.remove(bad)
    running("unplugged")
    delete("unplugged")


def test_a_full_disk_is_named():
    """where the disk of pods is full a pod's event says so; the node stays Ready, and the pod runs when there is room"""
    node()
    folder = one_node.agent_folder() + "/kubelet/pods"
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], check=True)
    harness.write(folder + "/filler", b"x" * 256 * 1024)
    node().kubectl("create", "configmap", "large", "--from-literal=key=" + "x" * 20000)
    one_node.create("cramped", {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[{"name": "v", "configMap": {"name": "large"}}])
    until("the event", lambda: "No space left on device" in one_node.events("cramped"))
    expect_in("FailedMount", one_node.events("cramped"))
    expect(one_node.condition()[0] == "True", one_node.condition())
    os.remove(folder + "/filler")
    running("cramped")
    node().kubectl("delete", "pod", "cramped")
    subprocess.run(["umount", folder], check=True)


def test_a_runtime_that_hangs_is_named():
    """a container runtime that answers no more makes the node NotReady and says why; when it goes on, nothing was lost and pods run"""
    one_node.create("steady")
    before = running("steady")
    pid = one_node.containerd_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        one_node.create("waiting")
        until("the node is NotReady", lambda: one_node.condition()[0] == "False")
        expect_in("container runtime is down", one_node.condition()[1])
    finally:
        os.kill(pid, signal.SIGCONT)
    until("the node is Ready", lambda: one_node.condition()[0] == "True")
    running("waiting")
    now = main_of("steady")
    expect((now["containerID"], now["restartCount"]) == (before["containerID"], before["restartCount"]), f"{before}\n{now}")
    delete("steady", "waiting")


harness.run(globals())
