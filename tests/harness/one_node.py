"""One server with its node in a machine of namespaces (containers.py), and what tests do with its pods."""
import json
import os
import re

import containers
import harness
from harness import expect, until

IMAGE = "localhost/busybox:1"
IDLE = ["sh", "-c", "trap 'exit 0' TERM; echo begun; while :; do sleep 0.2; done"]
CGROUPS = f"/troupe-test/{os.getpid()}"
ENVIRONMENT = {"TROUPE_DISABLE_RUNTIME": "false"}
_shared = {}


def start(home, *flags):
    _shared["node"] = harness.Node("server", "--cgroup-root", CGROUPS, "--private-registry", home + "/registries.yaml", *flags, home=home, at=containers.ADDRESS, name="n1", env=ENVIRONMENT).ready()
    return _shared["node"]


REGISTRIES = """
mirrors:
  mirrored.test: {endpoint: ["http://127.0.0.1:5001"]}
  "127.0.0.1:5002": {endpoint: ["http://127.0.0.1:5002"]}
"""


def put_image(home):
    os.makedirs(f"{home}/data/agent/images", exist_ok=True)
    with open(f"{home}/data/agent/images/busybox.tar", "wb") as f:
        f.write(containers.busybox())


def node():
    """The one server that the tests of a file share, with its image."""
    if "node" not in _shared:
        home = harness.folder("server")
        put_image(home)
        harness.write(home + "/registries.yaml", REGISTRIES)
        start(home)
    return _shared["node"]


def agent_folder():
    return f"{node().home}/data/agent"


def create(name, container=None, metadata=None, **spec):
    main = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": IDLE, **(container or {})}
    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", **(metadata or {})},
           "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 1, "containers": [main], **spec}})


def apply(thing):
    """A pod needs its namespace's service account, which a new cluster has a moment later."""
    said = []

    def done():
        said.append(node().kubectl("create", "-f", "-", text=json.dumps(thing), check=False))
        return said[-1][0] == 0 or "service account" not in said[-1][1].lower().replace("serviceaccount", "service account")

    until("it is taken", done)
    expect(said[-1][0] == 0, said[-1][1])


def pod(name, ns="default"):
    return node().read(f"/api/v1/namespaces/{ns}/pods/{name}") or None


def main_of(name, ns="default"):
    return ((pod(name, ns) or {}).get("status", {}).get("containerStatuses") or [{}])[0]


def running(name, ns="default"):
    try:
        until(f"{name} runs", lambda: main_of(name, ns).get("ready"))
    except AssertionError as e:
        raise AssertionError(f"{e}\n{json.dumps((pod(name, ns) or {}).get('status'))}\n{events(name, ns)}") from None
    return main_of(name, ns)


def events(name, ns="default"):
    return node().events(name, ns)


def delete(*names):
    node().kubectl("delete", "pod", *names, "--wait=false")


def condition(type_="Ready"):
    """(status, message) of a condition of the node."""
    got = node().read("/api/v1/nodes/n1")
    return next(((c["status"], c.get("message", "")) for c in got.get("status", {}).get("conditions", []) if c["type"] == type_), ("", ""))


def containerd_pid():
    return int(re.findall(r"cri.containerd_started.*pid=(\d+)", node().said())[-1])
