"""What people do with kubectl, done with every kubectl there is, against one real server.

The one on the PATH and the oldest do all of it, the others what clients of different ages do differently;
TROUPE_TEST_EVERY_KUBECTL=1 lets every one do all.
"""
import base64
import concurrent.futures
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
from loopback import address  # noqa: E402
from real_cluster import Cluster, Tally, kubectls, need_troupe, skip, wait_for  # noqa: E402

ADDRESS = address()


class Session:
    """One kubectl with a namespace and a home of its own."""

    def __init__(self, cluster, server, tally, identity, version, binary):
        self.cluster, self.server, self.tally, self.binary = cluster, server, tally, binary
        self.version = version
        self.number = tuple(int(n) for n in version.split("."))
        # Older ones ask /openapi/v2 alone what fields and dry runs there are, and that names no kind of ours.
        self.reads_openapi_v3 = self.number >= (1, 27)
        self.identity = identity
        self.ns = "t-" + re.sub(r"[^0-9]", "-", version).strip("-")

    def run(self, *args, stdin=None):
        return self.cluster.kubectl(self.server, *args, binary=self.binary, stdin=stdin, home="home-" + self.ns)

    def named(self, sentence):
        return f"[{self.version}] {sentence}"

    def ok(self, sentence, *args, says=(), stdin=None):
        code, out, err = self.run(*args, stdin=stdin)
        self.tally.check(self.named(sentence), code == 0 and all(s in out for s in says), f"{' '.join(args)}: exit {code}\n{out}{err}\nwanted {says}")
        return out

    def refused(self, sentence, *args, says, stdin=None):
        """`says`: the words on standard error, or several of which clients of different ages use one."""
        code, out, err = self.run(*args, stdin=stdin)
        words = (says,) if isinstance(says, str) else says
        self.tally.check(self.named(sentence), code != 0 and any(w in err for w in words), f"{' '.join(args)}: exit {code}\n{out}{err}\nwanted {says}")

    def get(self, *args):
        code, out, _ = self.run("-n", self.ns, "get", *args, "-o", "json")
        return json.loads(out) if code == 0 else {}

    def plain(self, method, path, body=None, kind="application/json", group="/api/v1"):
        """Without kubectl, for what is no promise of its own: preparing, and asking again and again. The decoded answer; {} for a refusal."""
        status, text = self.cluster.https(self.server, f"{group}/namespaces/{self.ns}/{path}", method, body and json.dumps(body).encode(),
                                          {"Content-Type": kind}, self.identity)
        return json.loads(text) if status < 300 else {}

    def create_map(self, name, **data):
        made = self.plain("POST", "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
        self.tally.check(self.named(f"{name} is made"), made)

    def count(self, kind, label, group="/api/v1"):
        found = self.plain("GET", f"{kind}?labelSelector={label}", group=group)
        return len(found["items"]) if found else -1

    def event(self, words):
        return words in json.dumps(self.plain("GET", "events"), ensure_ascii=False)

    # --- what is done ---------------------------------------------------------------------------

    def the_cluster(self):
        self.ok("version names the server", "version", says=("Server Version:", "v1.33.0+troupe"))
        self.ok("get nodes -o wide shows the node", "get", "nodes", "-o", "wide", says=("srv", "Ready", "control-plane", ADDRESS, "INTERNAL-IP"))
        self.ok("describe node tells conditions and capacity", "describe", "node", "srv",
                says=("KubeletReady", "Capacity:", "kubernetes.io/hostname=srv", "Non-terminated Pods", "Lease:", "Starting kubelet.", "Node srv status is now: NodeReady"))
        self.ok("cluster-info names the server", "cluster-info", says=(f"https://{ADDRESS}:6443",))
        self.ok("api-resources lists kinds of several groups", "api-resources", says=("configmaps", "nodes", "leases", "coordination.k8s.io/v1"))
        self.ok("api-versions lists v1", "api-versions", says=("v1\n", "coordination.k8s.io/v1"))
        if self.reads_openapi_v3:
            self.ok("explain tells of a field", "explain", "node.spec.taints", says=("KIND:       Node", "effect", "<string>"))
        else:
            self.refused("explain of an old client knows no field", "explain", "node.spec.taints", says="couldn't find resource")
        self.ok("readyz?verbose passes", "get", "--raw", "/readyz?verbose", says=("[+]", "readyz check passed"))
        self.refused("--as somebody who may nothing is Forbidden", "get", "nodes", "--as=bob",
                     says='nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope')
        self.ok("--as somebody in masters may", "get", "nodes", "--as=bob", "--as-group=system:masters", says=("srv",))
        self.ok("get by name and by type/name agree", "get", "node/srv", "-o", "name", says=("node/srv",))

    def configmaps(self):
        n = ("-n", self.ns)
        self.ok("create a namespace", "create", "namespace", self.ns, says=("created",))
        self.ok("create a configmap", *n, "create", "configmap", "a", "--from-literal=k=1", says=("configmap/a created",))
        self.refused("creating it again is AlreadyExists", *n, "create", "configmap", "a",
                     says='configmaps "a" already exists')
        self.ok("get shows a table", *n, "get", "configmap", "a", says=("NAME", "DATA", "AGE", "a "))
        self.ok("merge patch", *n, "patch", "configmap", "a", "--type=merge", "-p", '{"data":{"m":"2"}}', says=("patched",))
        self.ok("json patch", *n, "patch", "configmap", "a", "--type=json", "-p", '[{"op":"replace","path":"/data/k","value":"9"}]', says=("patched",))
        self.ok("strategic patch", *n, "patch", "configmap", "a", "-p", '{"metadata":{"labels":{"s":"3"}}}', says=("patched",))
        self.ok("a patch without effect says so", *n, "patch", "configmap", "a", "-p", '{"data":{"m":"2"}}', says=("patched (no change)",))
        self.refused("a json patch whose test fails is refused", *n, "patch", "configmap", "a", "--type=json", "-p",
                     '[{"op":"test","path":"/data/k","value":"no"}]', says=("the server rejected our request", "The request is invalid"))
        self.ok("label", *n, "label", "configmap", "a", "color=blue", says=("labeled",))
        self.refused("label again without --overwrite is refused", *n, "label", "configmap", "a", "color=red", says="--overwrite")
        self.ok("annotate", *n, "annotate", "configmap", "a", "note=hello", says=("configmap/a annotate",))
        self.ok("select by label", *n, "get", "configmap", "-l", "color=blue,s", "-o", "name", says=("configmap/a",))
        object = self.get("configmap", "a")
        meta = object.get("metadata", {})
        self.tally.check(self.named("all changes are there"), object.get("data") == {"k": "9", "m": "2"} and meta.get("labels") == {"color": "blue", "s": "3"}
                         and meta.get("annotations") == {"note": "hello"}, object)
        self.ok("jsonpath", *n, "get", "configmap", "a", "-o", "jsonpath={.data.k}", says=("9",))
        self.ok("yaml", *n, "get", "configmap", "a", "-o", "yaml", says=("kind: ConfigMap", "  k: \"9\""))
        self.replace(object)
        self.ok("delete", *n, "delete", "configmap", "a", says=('configmap "a" deleted',))
        self.refused("deleting it again is NotFound", *n, "delete", "configmap", "a", says='Error from server (NotFound): configmaps "a" not found')
        self.refused("getting it is NotFound", *n, "get", "configmap", "a", says='Error from server (NotFound): configmaps "a" not found')
        self.refused("a kind that is none", *n, "get", "nonsense", says='the server doesn\'t have a resource type "nonsense"')
        self.refused("a bad name is Invalid", *n, "create", "configmap", "Bad_Name", says='is invalid: metadata.name: Invalid value: "Bad_Name"')
        self.refused("a namespace that is not there is NotFound", "-n", "nowhere", "create", "configmap", "a", says='namespaces "nowhere" not found')

    def replace(self, object):
        n = ("-n", self.ns)
        if not object:
            return
        object["data"]["k"] = "10"
        text = json.dumps(object)
        self.ok("replace at the present revision", *n, "replace", "-f", "-", says=("replaced",), stdin=text)
        self.refused("replace at a revision that has passed is a Conflict", *n, "replace", "-f", "-", stdin=text,
                     says='Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again')

    def secrets(self):
        n = ("-n", self.ns)
        self.ok("create a secret", *n, "create", "secret", "generic", "s", "--from-literal=p=hunter2", says=("secret/s created",))
        self.ok("get it", *n, "get", "secret", "s", "-o", "jsonpath={.data.p}", says=("aHVudGVyMg==",))
        self.ok("its table", *n, "get", "secret", "s", says=("Opaque", "TYPE"))
        self.ok("describe hides it", *n, "describe", "secret", "s", says=("p:  7 bytes",))
        self.ok("stringData is taken", *n, "patch", "secret", "s", "--type=merge", "-p", '{"stringData":{"q":"x"}}', says=("patched",))
        self.tally.check(self.named("stringData became data"), self.plain("GET", "secrets/s").get("data", {}).get("q") == "eA==")
        self.ok("delete it", *n, "delete", "secret", "s", says=("deleted",))

    def apply(self):
        n = ("-n", self.ns)
        manifest = ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {k: VALUE}\n---\n"
                    "apiVersion: v1\nkind: Service\nmetadata: {name: svc}\nspec: {selector: {a: b}, ports: [{port: 80}]}\n")
        one, two = manifest.replace("VALUE", "one"), manifest.replace("VALUE", "two")
        self.ok("apply creates", *n, "apply", "-f", "-", stdin=one, says=("configmap/b created", "service/svc created"))
        self.ok("apply again changes nothing", *n, "apply", "-f", "-", stdin=one, says=("configmap/b unchanged", "service/svc unchanged"))
        self.ok("apply of something else configures", *n, "apply", "-f", "-", stdin=two, says=("configmap/b configured", "service/svc unchanged"))
        if self.reads_openapi_v3:
            code, out, err = self.run(*n, "diff", "-f", "-", stdin=two)
            self.tally.check(self.named("diff finds no difference"), code == 0 and not out, f"exit {code} {out}{err}")
        else:
            self.refused("diff of an old client finds no dry run", *n, "diff", "-f", "-", stdin=two, says="doesn't support dry-run")
        self.ok("delete -f", *n, "delete", "-f", "-", stdin=two, says=('configmap "b" deleted', 'service "svc" deleted'))

    def pages(self):
        n = ("-n", self.ns)
        for i in range(3):
            self.create_map(f"p{i}")
        out = self.ok("a list in pages of one is whole", *n, "get", "configmap", "--chunk-size=1", "-o", "name")
        self.tally.check(self.named("each object is in it once"), sorted(out.split()) == [f"configmap/{one}" for one in ("kube-root-ca.crt", "p0", "p1", "p2")], out)
        code, out, _ = self.run("get", "--raw", f"/api/v1/namespaces/{self.ns}/configmaps?limit=2")
        page = json.loads(out) if code == 0 else {}
        mark = page.get("metadata", {}).get("continue")
        self.tally.check(self.named("a page says what remains"), len(page.get("items", [])) == 2 and mark and page["metadata"].get("remainingItemCount") == 2, out)
        code, out, _ = self.run("get", "--raw", f"/api/v1/namespaces/{self.ns}/configmaps?limit=2&continue={mark}")
        page = json.loads(out) if code == 0 else {}
        self.tally.check(self.named("the last page says so"), len(page.get("items", [])) == 2 and not page["metadata"].get("continue"), out)
        self.ok("delete by label takes none that lack it", *n, "delete", "configmap", "-l", "no=such", says=("No resources found",))
        self.ok("delete --all takes all", *n, "delete", "configmap", "--all", says=('"p0" deleted', '"p2" deleted'))

    def watch(self):
        n = ("-n", self.ns)
        self.create_map("w", k="1")
        path = self.cluster.path("watch-" + self.ns)
        env = self.cluster.kubectl_environment(self.server, "home-" + self.ns)
        with open(path, "w") as to:
            child = subprocess.Popen([self.binary, *n, "get", "configmap", "w", "-w", "--output-watch-events", "-o", "jsonpath={.type} {.object.data.k}{\"\\n\"}"],
                                     stdout=to, stderr=subprocess.STDOUT, env=env)
        try:
            text = lambda: open(path).read()  # noqa: E731
            self.tally.check(self.named("get -w begins with what there is"), wait_for(lambda: "ADDED 1" in text()), text())
            self.plain("PATCH", "configmaps/w", {"data": {"k": "2"}}, "application/merge-patch+json")
            self.tally.check(self.named("get -w sees a change"), wait_for(lambda: "MODIFIED 2" in text()), text())
            self.plain("DELETE", "configmaps/w")
            self.tally.check(self.named("get -w sees the end"), wait_for(lambda: "DELETED 2" in text()), text())
        finally:
            child.kill()
            child.wait()

    def pods(self):
        n = ("-n", self.ns)
        self.ok("run makes a pod", *n, "run", "p", "--image=busybox", says=("pod/p created",))
        words = "Successfully assigned"
        told = wait_for(lambda: self.event(words))
        self.tally.check(self.named("an event says where it goes"), told, lambda: self.run(*n, "get", "events"))
        self.ok("describe pod shows the event", *n, "describe", "pod", "p", says=(words, "Status:"))
        self.refused("so is exec", *n, "exec", "p", "--", "ls", says="")
        self.ok("get pods shows it", *n, "get", "pods", "-o", "wide", says=("p ", " srv "))
        self.ok("a pod that no node may run is told why", *n, "run", "q", "--image=busybox", "--overrides", '{"spec":{"nodeSelector":{"no":"such"}}}', says=("created",))
        why = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        told = wait_for(lambda: self.event(why))
        self.tally.check(self.named("in upstream's words"), told, lambda: self.run(*n, "get", "events"))
        self.refused("logs of what never ran are refused", *n, "logs", "q", says="does not have a host assigned")

    def rights(self):
        n = ("-n", self.ns)
        self.ok("every namespace has its account and its trust", *n, "get", "sa/default", "cm/kube-root-ca.crt", says=("default", "kube-root-ca.crt"))
        pod = self.plain("GET", "pods/p")
        volumes = [v.get("name", "") for v in pod.get("spec", {}).get("volumes", [])]
        self.tally.check(self.named("a pod is given its account's token"), any(v.startswith("kube-api-access-") for v in volumes), volumes)
        bot = f"system:serviceaccount:{self.ns}:bot"
        self.ok("create sa", *n, "create", "sa", "bot")
        self.refused("an account may do nothing by itself", *n, "get", "pods", "--as", bot, says=f'User "{bot}" cannot list resource "pods"')
        self.ok("create role", *n, "create", "role", "reader", "--verb=get,list,watch", "--resource=pods,pods/log")
        self.ok("create rolebinding", *n, "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={self.ns}:bot")
        self.ok("a binding gives it what the role says", *n, "get", "pods", "--as", bot, says=("p ",))
        self.ok("can-i says so", *n, "auth", "can-i", "list", "pods", "--as", bot, says=("yes",))
        self.refused("and no for the rest", *n, "auth", "can-i", "delete", "pods", "--as", bot, says="")
        self.ok("can-i --list shows it", *n, "auth", "can-i", "--list", "--as", bot, says=("pods/log", "[get list watch]"))
        self.refused("in its own namespace only", "-n", "default", "get", "pods", "--as", bot, says="Forbidden")
        self.ok("a cluster's role may be bound", *n, "create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={self.ns}:bot")
        self.ok("view sees configmaps", *n, "get", "configmaps", "--as", bot, says=("kube-root-ca.crt",))
        self.refused("and no secrets", *n, "get", "secrets", "--as", bot, says="Forbidden")
        self.ok("admin for one who is not a master", *n, "create", "rolebinding", "adm", "--clusterrole=admin", "--user=ann-" + self.ns)
        self.ok("may make roles of what they have", *n, "create", "role", "own", "--verb=get", "--resource=pods", "--as", "ann-" + self.ns)
        self.refused("and of nothing more", *n, "create", "role", "more", "--verb=get", "--resource=nodes", "--as", "ann-" + self.ns,
                     says="attempting to grant RBAC permissions not currently held")
        self.refused("nor may they be made more later", *n, "patch", "role", "own", "--type=merge", "-p", '{"rules":[{"apiGroups":[""],"resources":["nodes"],"verbs":["get"]}]}',
                     "--as", "ann-" + self.ns, says="attempting to grant RBAC permissions not currently held")
        if self.number < (1, 27):   # older ones cannot ask for tokens, or not who they are
            return
        token = self.ok("create token", *n, "create", "token", "bot", "--duration=10m").strip()
        self.refused("shorter than ten minutes is refused", *n, "create", "token", "bot", "--duration=9m", says="may not specify a duration less than 10 minutes")
        as_bot = ("--kubeconfig", "/dev/null", "--server", f"https://{ADDRESS}:6443", "--insecure-skip-tls-verify", "--token", token)
        self.ok("the token speaks for the account", *n, *as_bot, "get", "pods", says=("p ",))
        self.refused("and not for more", *n, *as_bot, "get", "secrets", says=f'User "{bot}" cannot list resource "secrets"')
        self.ok("whoami knows it", *as_bot, "auth", "whoami", says=(bot, "system:serviceaccounts:" + self.ns))
        lasting = json.dumps({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
                              "metadata": {"name": "lasting", "annotations": {"kubernetes.io/service-account.name": "bot"}}})
        self.ok("a Secret may ask for a token that lasts", *n, "apply", "-f", "-", stdin=lasting, says=("secret/lasting created",))
        data = self.plain("GET", "secrets/lasting").get("data", {})
        self.tally.check(self.named("and has it at once, with what else a client needs"), set(data) == {"token", "ca.crt", "namespace"}, list(data))
        kept = ("--kubeconfig", "/dev/null", "--server", f"https://{ADDRESS}:6443", "--insecure-skip-tls-verify", "--token", base64.b64decode(data.get("token", "")).decode())
        self.ok("it speaks for the account", *n, *kept, "get", "pods", says=("p ",))
        self.ok("applied again it stays", *n, "apply", "-f", "-", stdin=lasting, says=("secret/lasting unchanged",))
        self.refused("an account that is not there has none", *n, "apply", "-f", "-", stdin=lasting.replace('"bot"', '"nobody"').replace('"lasting"', '"other"'),
                     says='serviceaccount "nobody" not found')
        self.ok("delete sa", *n, "delete", "sa", "bot")
        gone = wait_for(lambda: not self.plain("GET", "secrets/lasting"))
        self.tally.check(self.named("the Secret goes with its account"), gone)
        self.refused("and its token is void", *n, *kept, "get", "pods", says="nauthorized")
        self.refused("an account that is gone takes its tokens with it", *n, *as_bot, "get", "pods", says="nauthorized")

    def workloads(self):
        """What controllers make of them; whether pods run is another test's matter."""
        n = ("-n", self.ns)
        pods = lambda: self.count("pods", "app%3Dweb")  # noqa: E731
        sets = lambda: self.count("replicasets", "app%3Dweb", "/apis/apps/v1")  # noqa: E731
        self.ok("create deployment", *n, "create", "deployment", "web", "--image=one", "--replicas=2", says=("created",))
        self.tally.check(self.named("it has its pods"), wait_for(lambda: pods() == 2), lambda: self.run(*n, "get", "pods"))
        self.ok("get shows it", *n, "get", "deploy,rs", "-o", "wide", says=("deployment.apps/web", "0/2", "UP-TO-DATE", "replicaset.apps/web-", "pod-template-hash="))
        self.ok("scale", *n, "scale", "deployment", "web", "--replicas=3", says=("scaled",))
        self.tally.check(self.named("it has one more"), wait_for(lambda: pods() == 3), lambda: self.run(*n, "get", "pods"))
        self.ok("set image", *n, "set", "image", "deployment/web", "one=two", says=("image updated",))
        self.tally.check(self.named("a second set"), wait_for(lambda: sets() == 2), lambda: self.run(*n, "get", "rs"))
        self.tally.check(self.named("history has two revisions"), wait_for(lambda: "\n2 " in self.run(*n, "rollout", "history", "deployment/web")[1]))
        self.ok("undo", *n, "rollout", "undo", "deployment/web", says=("rolled back",))
        self.tally.check(self.named("the old image is back"), self.plain("GET", "deployments/web", group="/apis/apps/v1").get("spec", {})["template"]["spec"]["containers"][0]["image"] == "one")
        self.tally.check(self.named("as the third revision"), wait_for(lambda: "\n3 " in self.run(*n, "rollout", "history", "deployment/web")[1]))
        self.ok("pause and resume", *n, "rollout", "pause", "deployment/web", says=("paused",))
        self.ok("resume", *n, "rollout", "resume", "deployment/web", says=("resumed",))
        self.ok("describe tells the events", *n, "describe", "deployment", "web", says=("ScalingReplicaSet", "Scaled up replica set web-", "NewReplicaSet:"))
        self.ok("create job", *n, "create", "job", "once", "--image=busybox", says=("created",))
        self.tally.check(self.named("it has its pod"), wait_for(lambda: self.count("pods", "job-name%3Donce") == 1))
        self.refused("a selector cannot change", *n, "patch", "deployment", "web", "-p", '{"spec":{"selector":{"matchLabels":{"x":"y"}}}}', says="is invalid")
        self.ok("delete", *n, "delete", "deployment/web", "job/once", says=("deleted",))
        self.tally.check(self.named("its sets go with it"), wait_for(lambda: sets() == 0), lambda: self.run(*n, "get", "rs"))

    def the_end(self):
        self.ok("pods can be removed by force", "-n", self.ns, "delete", "pod", "--all", "--force", "--grace-period=0", says=("force deleted",))
        self.ok("delete namespace finishes", "delete", "namespace", self.ns, says=("deleted",))
        self.refused("and it is gone", "get", "namespace", self.ns, says=f'Error from server (NotFound): namespaces "{self.ns}" not found')
        code, out, _ = self.run("get", "pods,configmaps,events", "-A", "-o", "json")
        left = [o["metadata"]["name"] for o in json.loads(out or "{}").get("items", []) if o["metadata"].get("namespace") == self.ns] if code == 0 else [out]
        self.tally.check(self.named("with everything in it"), left == [], left)

    def all(self):
        self.play(self.the_cluster, self.configmaps, self.secrets, self.apply, self.pages, self.watch, self.pods, self.workloads, self.rights, self.the_end)

    def what_differs(self):
        """What clients of different ages ask in ways of their own: discovery, apply, watches, protobuf bodies. The rest is the server's."""
        self.tally.check(self.named("create a namespace"), self.run("create", "namespace", self.ns)[0] == 0)
        self.ok("a pod may be made at once", "-n", self.ns, "run", "p", "--image=busybox", says=("pod/p created",))
        newest_bodies = self.number >= (1, 32)   # what they create goes as protobuf; before that all send the same JSON
        self.play(self.the_cluster, self.apply, self.watch, *([self.workloads] if newest_bodies else []), self.the_end)

    def play(self, *parts):
        for part in parts:
            try:
                part()
            except Exception as why:  # a part that breaks is a failure of its own, not the end of the others
                self.tally.check(self.named(part.__name__), False, repr(why))


def strangers(cluster, server, tally):
    """Without any credential, and with a wrong one."""
    status, text = cluster.https(server, "/api/v1/nodes")
    said = json.loads(text)
    tally.check("nobody in particular is Forbidden", status == 403 and said["reason"] == "Forbidden" and said["message"] ==
                'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope', text)
    status, text = cluster.https(server, "/api/v1/namespaces/default/secrets", "POST", b"{}", {"Content-Type": "application/json"})
    tally.check("nor may they write", status == 403 and '"system:anonymous\\" cannot create resource' in text, text)
    status, text = cluster.https(server, "/api/v1/nodes", headers={"Authorization": "Bearer nonsense"})
    tally.check("a wrong token is Unauthorized, not nobody", status == 401 and json.loads(text)["reason"] == "Unauthorized", text)
    for path in ("/readyz", "/livez", "/version"):
        tally.check(f"anyone may ask {path}", cluster.https(server, path)[0] == 200)
    status, text = cluster.https(server, "/no/such/path", identity=cluster.admin(server))
    tally.check("a path that is none is 404", status == 404, (status, text))


def main():
    need_troupe()
    found = kubectls()
    if not found:
        skip("no kubectl on the PATH and none in $KUBECTLS")
    tally = Tally()
    with Cluster() as cluster:
        server = cluster.server(ADDRESS, "srv")
        if not tally.check("the server gets ready", server.said("ready after"), server.text()):
            return tally.end()
        strangers(cluster, server, tally)
        identity = cluster.admin(server)
        number = lambda version: tuple(int(n) for n in version.split("."))  # noqa: E731
        on_path = os.path.realpath(cluster.kubectl_path or "")
        whole = {min(found, key=number)} | {v for v, binary in found.items() if binary == on_path}
        if os.environ.get("TROUPE_TEST_EVERY_KUBECTL"):
            whole = set(found)
        print("kubectl:", ", ".join(v + ("" if v in whole else " (in part)") for v in sorted(found, key=number)), flush=True)

        def play(version):
            session = Session(cluster, server, tally, identity, version, found[version])
            session.all() if version in whole else session.what_differs()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(play, sorted(found)))
        tally.check("the server is still there", server.running() and cluster.kubectl(server, "get", "--raw", "/readyz")[1] == "ok")
        if tally.failed:
            print(server.text()[-3000:])
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
