"""What pods can beside the usual, on a real node with containerd and runc, in a machine of namespaces.

Where no containers can run the test is skipped, and says why.
"""
import json
import os
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


harness.run(globals())
