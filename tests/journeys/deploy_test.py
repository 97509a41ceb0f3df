"""Files in <data>/server/manifests become objects, and follow their files."""
import json
import os

import harness
from harness import expect, expect_in, until, write


def config_map(name, ns=None, **data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **({"namespace": ns} if ns else {})}, "data": data})


def manifests(home):
    folder = home + "/data/server/manifests"
    os.makedirs(folder, exist_ok=True)
    return folder


def get(node, kind, name, ns="default"):
    paths = {"cm": f"/api/v1/namespaces/{ns}/configmaps", "svc": f"/api/v1/namespaces/{ns}/services", "addon": f"/apis/k3s.cattle.io/v1/namespaces/{ns}/addons",
             "priorityclass": "/apis/scheduling.k8s.io/v1/priorityclasses"}
    return node.read(f"{paths[kind]}/{name}")


def addon_events(node, name):
    return node.events(name, "kube-system")


def test_files_become_objects_and_are_followed():
    """a file is applied, its edits are followed, what left it goes, what others added stays; bad files are told and keep nobody waiting"""
    home = harness.folder("server")
    folder = manifests(home)
    os.makedirs(folder + "/sub")
    write(folder + "/broken.yaml", "kind: [")
    write(folder + "/sub/team.yaml", "---\n" + config_map("settings", "team", a="1", b="2") + "\n---\n" + config_map("second", "team") +
          '\n---\n{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}\n')
    write(folder + "/skipped.yaml", config_map("skipped"))
    write(folder + "/skipped.yaml.skip", "")
    write(folder + "/typo.yaml", '{"apiVersion":"v1","kind":"Service","metadata":{"name":"typo"},"spec":{"ports":[{"port":80}],"selektor":{"a":"b"}}}')
    write(folder + "/strange.yaml", '{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"x"}}\n---\n' + config_map("beside"))
    node = harness.Node("server", "--disable-agent", home=home).ready()
    until("both are there", lambda: get(node, "cm", "settings", "team") and get(node, "cm", "second", "team"))
    until("the others too", lambda: get(node, "svc", "typo") and get(node, "cm", "beside"))
    until("the Addon has its checksum", lambda: get(node, "addon", "team", "kube-system")["spec"]["checksum"])
    expect(get(node, "cm", "skipped") is None, "a skipped file was applied")
    until("a parse error is told", lambda: "ParseManifestFailed: Parse manifest at" in addon_events(node, "broken"))
    expect_in('unknown field "spec.selektor"', addon_events(node, "typo"))
    until("no such kind", lambda: 'no matches for kind "Thing" in version "example.com/v1"' in addon_events(node, "strange"))
    labels = get(node, "cm", "settings", "team")["metadata"]["labels"]
    expect("objectset.rio.cattle.io/hash" in labels, labels)

    node.kubectl("patch", "cm", "settings", "-n", "team", "-p", '{"data":{"mine":"kept"}}')
    write(folder + "/sub/team.yaml", config_map("settings", "team", a="3") + '\n---\n{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}\n')
    until("the edit", lambda: get(node, "cm", "settings", "team")["data"] == {"a": "3", "mine": "kept"})
    until("what left the file goes", lambda: get(node, "cm", "second", "team") is None)
    os.remove(folder + "/sub/team.yaml")
    write(folder + "/broken.yaml", config_map("mended"))
    until("the broken one is mended", lambda: get(node, "cm", "mended"))
    expect(get(node, "cm", "settings", "team") is not None, "a removed file took its objects along")
    node.terminate()

    write(folder + "/mended.txt", "")
    node = harness.Node("server", "--disable-agent", "--disable", "broken,coredns", home=home, at=node.at, name=node.name).ready()
    until("disabled: its objects go", lambda: get(node, "cm", "mended") is None)
    until("and its file", lambda: not os.path.exists(folder + "/broken.yaml"))
    until("and its Addon", lambda: get(node, "addon", "broken", "kube-system") is None)


def test_packaged_things_can_be_left_out():
    """--disable coredns makes no kube-dns Service; what every cluster has is there, the system's priorities too"""
    node = harness.Node("server", "--disable-agent", "--disable", "coredns").ready()
    expect(get(node, "svc", "kubernetes") is not None, "no Service kubernetes")
    expect(get(node, "priorityclass", "system-node-critical")["value"] == 2000001000, "no PriorityClass of the system")
    expect(get(node, "svc", "kube-dns", "kube-system") is None, "kube-dns is there")


harness.run(globals())
