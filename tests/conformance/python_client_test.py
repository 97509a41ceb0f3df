"""The official Python client lists and watches."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
from loopback import address  # noqa: E402
from real_cluster import Cluster, Tally, need_troupe, skip, wait_for  # noqa: E402

try:
    import kubernetes
except ImportError as why:
    skip(f"the Python client is not installed (python3-kubernetes): {why}")

ADDRESS = address()


def main():
    need_troupe()
    tally = Tally()
    with Cluster() as cluster:
        server = cluster.server(ADDRESS, "srv")
        if not tally.check("the server gets ready", server.said("ready after"), server.text()):
            return tally.end()
        kubernetes.config.load_kube_config(server.kubeconfig)
        core = kubernetes.client.CoreV1Api()
        nodes = core.list_node().items
        tally.check("nodes are listed", [n.metadata.name for n in nodes] == ["srv"], nodes)
        ready = [c.status for c in nodes[0].status.conditions if c.type == "Ready"]
        tally.check("and typed", ready == ["True"] and nodes[0].status.node_info.kubelet_version.startswith("v1.33.0"), ready)
        tally.check("the version is told", kubernetes.client.VersionApi().get_code().minor.startswith("33"))

        event = next(iter(kubernetes.watch.Watch().stream(core.list_node, timeout_seconds=20)))
        tally.check("a watch of nodes begins with the node", (event["type"], event["object"].metadata.name) == ("ADDED", "srv"), event)

        body = kubernetes.client.V1ConfigMap(metadata=kubernetes.client.V1ObjectMeta(name="c", labels={"a": "b"}), data={"k": "1"})
        made = core.create_namespaced_config_map("default", body)
        tally.check("a configmap is created", made.data == {"k": "1"} and made.metadata.uid, made)
        seen = []

        def follow():
            stream = kubernetes.watch.Watch().stream(core.list_namespaced_config_map, "default", label_selector="a=b",
                                                     resource_version=made.metadata.resource_version, timeout_seconds=20)
            for got in stream:
                seen.append((got["type"], (got["object"].data or {}).get("k")))
                if got["type"] == "DELETED":
                    return

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        core.patch_namespaced_config_map("c", "default", {"data": {"k": "2"}})
        tally.check("a watch sees the change", wait_for(lambda: ("MODIFIED", "2") in seen), seen)
        core.delete_namespaced_config_map("c", "default")
        watcher.join(20)
        tally.check("and the end", seen == [("MODIFIED", "2"), ("DELETED", "2")], seen)
        try:
            core.read_namespaced_config_map("c", "default")
            tally.check("what is gone is not found", False)
        except kubernetes.client.ApiException as why:
            tally.check("what is gone is not found", why.status == 404, why)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
