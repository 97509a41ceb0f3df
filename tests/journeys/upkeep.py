"""What tests of restores and migrations share: a server's next life, commands on its data, and digests of folders."""
import hashlib
import os
import re
import subprocess

from harness import Node, address, expect, folder, run_binary, until

ENGINES = {"sqlite": (), "rocksdb": ("--datastore-endpoint", "rocksdb"), "etcd": ("--cluster-init",)}


def again(node, *flags, **more):
    """The next life of a node."""
    return Node("server", "--disable-agent", *flags, home=node.home, at=node.at, name=node.name, **more)


def on_data_of(node, *words, command="server"):
    """Runs a command on a server's data with its flags: (exit code, what it said)."""
    first, rest = words[:1] if command == "datastore" else (), words[1:] if command == "datastore" else words
    return run_binary(command, *first, "--data-dir", node.home + "/data", "--identity-dir", node.home + "/identity", "--bind-address", node.at,
                      "--node-name", node.name, "--write-kubeconfig", node.kubeconfig, *rest)


def save(node):
    """Takes a snapshot; its path."""
    def attempt():
        _, said = run_binary("etcd-snapshot", "save", "--data-dir", node.home + "/data")
        found = re.search(r"Snapshot (\S+) saved\.", said)
        expect(found or "already" in said, said)
        return found and found.group(1)
    return f"{node.home}/data/server/db/snapshots/{until('a snapshot is saved', attempt)}"


def tree(path):
    """Every file below a folder with its digest."""
    out = {}
    for at, _, files in os.walk(path):
        for name in files:
            full = os.path.join(at, name)
            # A socket that an etcd which had to be killed has left behind is no content.
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb") as f:
                    out[os.path.relpath(full, path)] = hashlib.sha256(f.read()).hexdigest()
    return out


def mark(node, name):
    """Makes a configmap; its resourceVersion."""
    status, got = node.admin().call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}})
    if status != 201:
        raise AssertionError(f"{status} {got}")
    return int(got["metadata"]["resourceVersion"])


def marks(node):
    status, got = node.admin().call("GET", "/api/v1/namespaces/default/configmaps")
    if status != 200:
        raise AssertionError(f"{status} {got}")
    return sorted(o["metadata"]["name"] for o in got["items"] if "kube-root" not in o["metadata"]["name"])


def etcd_of_others(*flags):
    """An etcd that is nobody's here: (process, where its clients go). Whoever starts it kills it."""
    at = address()
    client, peer = f"http://{at}:2379", f"http://{at}:2380"
    process = subprocess.Popen(["/usr/bin/etcd", "--data-dir", folder("etcd") + "/data", "--listen-client-urls", client, "--advertise-client-urls", client,
                                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer, *flags],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    return process, client
