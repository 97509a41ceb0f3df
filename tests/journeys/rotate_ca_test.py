"""`troupe certificate rotate-ca` with real processes: other authorities for a cluster, by the commands that the documentation has."""
import base64
import glob
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PATIENCE, Node, expect, expect_in, folder, run, run_binary, until, write  # noqa: E402
from upkeep import etcd_of_others  # noqa: E402

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "operations", "certificates.md")
KINDS = ("server-ca", "client-ca", "request-header-ca")


def account_token(server):
    """A token of the account `default`; a kubectl before 1.24 cannot ask for one."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    status, got = server.admin().call("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", body)
    expect(status == 201, got)
    return got["status"]["token"]


def openssl(*words, given=None):
    done = subprocess.run(["openssl", *words], input=given, capture_output=True, check=False)
    expect(done.returncode == 0, done.stderr.decode())
    return done.stdout.decode()


def recipe(server):
    """New authorities as the documentation says; the folder for --path."""
    with open(DOCUMENT, encoding="utf-8") as f:
        script = re.search(r"```sh\n(.*?)```", f.read(), re.S).group(1)
    new = folder("new")
    done = subprocess.run(["sh", "-c", script], env={"PATH": os.environ["PATH"], "TLS": server.home + "/data/server/tls", "NEW": new}, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, done.stderr)
    return new


def strangers(names=KINDS):
    """Authorities that nobody has signed."""
    new = folder("strangers")
    for name in names:
        at = f"{new}/tls/{name}"
        os.makedirs(os.path.dirname(at), exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", f"/CN=stranger-{name.replace('/', '-')}",
                "-keyout", at + ".key", "-out", at + ".crt")
    return new


def rotate_ca(server, *words):
    return run_binary("certificate", "rotate-ca", "--data-dir", server.home + "/data", "--server", server.url, *words)


def read(server, path):
    with open(server.home + "/data/server/" + path, "rb") as f:
        return f.read()


def again(node, *flags, wait=True):
    """Its next life."""
    node.terminate()
    out = Node(node.command, *flags, home=node.home, at=node.at, name=node.name)
    return out.ready() if wait else out


def issuer(at, port=6443):
    """Who signed what a port shows."""
    context = ssl._create_unverified_context()
    with context.wrap_socket(socket.create_connection((at, port), timeout=PATIENCE)) as s:
        return openssl("x509", "-inform", "DER", "-noout", "-issuer", given=s.getpeercert(True)).strip()


def believed(at, authority):
    """Whether somebody who trusts this file believes what stands on port 6443; by a TLS library that asks for a root."""
    context = ssl.create_default_context(cafile=authority)
    try:
        with context.wrap_socket(socket.create_connection((at, 6443), timeout=PATIENCE), server_hostname=at):
            return True
    except ssl.SSLCertVerificationError:
        return False


def kubectl_by(config, *words):
    done = subprocess.run(["kubectl", "--kubeconfig", config, "--request-timeout=20s", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


def kept(path, name):
    return shutil.copy(path, os.path.join(folder("kept"), name))


def ready(server, *nodes):
    for node in nodes:
        until(f"{node.name} is Ready", lambda n=node.name: server.kubectl("get", "node", n, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}") == "True", every=0.3)
        until(f"{node.name} is reached", lambda n=node: server.kubelet_answers(n.name), every=0.3)


def test_rotate():
    """With one server: the agent goes on over the change, old and new kubeconfigs and tokens are good, and nothing is lost."""
    server = Node("server").ready()
    token = server.token()
    agent = Node("agent", "--server", server.url, "--token", token).ready()
    old_config, old_authority = kept(server.kubeconfig, "config"), kept(server.home + "/data/server/tls/server-ca.crt", "ca.crt")
    server.kubectl("create", "configmap", "before", "--from-literal=a=b")
    account = account_token(server)
    new = recipe(server)
    code, said = rotate_ca(server, "--path", new)
    expect(code == 0, said)
    expect_in("restart the servers one after the other", said)
    # Until its restart it is what it was.
    expect("k3s-server-ca" in issuer(server.at), issuer(server.at))
    expect(read(server, "tls/server-ca.crt") == open(old_authority, "rb").read(), "the authority in use is not touched")
    expect(os.stat(server.home + "/data/server/tls-next.json").st_mode & 0o777 == 0o600, "what waits holds keys")
    code, said = rotate_ca(server, "--path", recipe(server))
    expect(code == 1 and "wait for this server's restart already" in said, said)
    server = again(server)
    expect_in("node.authorities_replaced", server.said())
    expect("troupe-server-ca" in issuer(server.at), issuer(server.at))
    for name in KINDS:
        expect(read(server, f"tls/{name}.crt") == open(f"{new}/tls/{name}.crt", "rb").read(), name)
    expect(not os.path.exists(server.home + "/data/server/tls-next.json"), "nothing waits any more")
    set_aside = glob.glob(server.home + "/data/server/tls-*/server-ca.crt")
    expect([open(p, "rb").read() for p in set_aside] == [open(old_authority, "rb").read()], "the old ones are kept")
    # The agent was not touched.
    ready(server, agent, server)
    expect(believed(server.at, old_authority), "who trusts the old authority alone believes the new certificate")
    expect(believed(server.at, server.home + "/data/server/tls/server-ca.crt"), "and so does who has the new file")
    for config in (server.kubeconfig, old_config):
        code, said = kubectl_by(config, "get", "configmap", "before", "-o", "jsonpath={.data.a}")
        expect((code, said) == (0, "b"), said)
    expect(open(server.kubeconfig, "rb").read() != open(old_config, "rb").read(), "the kubeconfig is new")
    trust = until("pods are told of the new authority", lambda: "troupe" in openssl("x509", "-noout", "-subject", given=server.kubectl("get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}").encode()), every=0.3)
    expect(trust, "kube-root-ca.crt")
    context = ssl.create_default_context(cafile=server.home + "/data/server/tls/server-ca.crt")
    import urllib.request
    with urllib.request.urlopen(urllib.request.Request(server.url + "/api", headers={"Authorization": "Bearer " + account.strip()}), context=context, timeout=PATIENCE) as got:
        expect(got.status == 200, "a service account's token of before is good")
    # Tokens: the file's is another; an agent with the old one is believed, because the new authority is signed by the one it names.
    expect(server.token() != token and server.token().rpartition("::")[2] == token.rpartition("::")[2], server.token())
    agent = again(agent, "--server", server.url, "--token", token)
    expect("registration.enrolment_refused" not in agent.said(), agent.said())
    expect("troupe-client-ca" in openssl("x509", "-noout", "-issuer", "-in", agent.home + "/data/agent/client-kubelet.crt"), "it has a new certificate")
    for text in (token, server.token()):
        Node("agent", "--server", server.url, "--token", text).ready().terminate()
    # Once more, on top: the recipe takes bundles, too.
    code, said = rotate_ca(server, "--path", recipe(server))
    expect(code == 0, said)
    server = again(server)
    ready(server, agent)
    expect(believed(server.at, old_authority), "the first authority is still behind it")
    expect(kubectl_by(old_config, "get", "nodes")[0] == 0, "as is the first kubeconfig")
    agent.terminate()
    server = again(server)
    expect("node.authorities_replaced" not in server.said(), "they are put in place once")
    server.terminate()


def as_k3s_makes_them(server):
    """The layout of K3s's own script: one that signs, a root by itself, the root by the old one, the old one; both keys; two keys for tokens."""
    tls, new = server.home + "/data/server/tls/", folder("k3s")
    os.makedirs(new + "/tls")
    def request(key, name):
        return openssl("req", "-new", "-key", key, "-subj", "/CN=" + name).encode()
    for name in KINDS:
        at = f"{new}/tls/{name}"
        ext = write(at + ".ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        root = write(at + ".root", openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
        key = write(at + ".key", openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
        sign = lambda who, subject, *by: openssl("x509", "-req", *by, "-days", "7300", "-extfile", ext, given=request(who, subject))  # noqa: E731
        own = write(at + ".own", sign(root, "k3s-root", "-signkey", root))
        crossed = sign(root, "k3s-root", "-CA", tls + name + ".crt", "-CAkey", tls + name + ".key", "-set_serial", "77")
        signs = sign(key, "k3s-style-" + name, "-CA", own, "-CAkey", root, "-set_serial", "78")
        text = lambda path: open(path, encoding="ascii").read()  # noqa: E731
        write(at + ".crt", signs + text(own) + crossed + text(tls + name + ".crt"))
        write(at + ".key", text(key) + text(root))
    write(new + "/tls/service.key", openssl("genrsa", "-traditional", "2048") + open(tls + "service.key", encoding="ascii").read())
    return new


def test_k3s_layout():
    """What K3s's script makes is taken as it is, and an agent that trusts the old authority goes on."""
    server = Node("server", "--disable-agent").ready()
    token = server.token()
    agent = Node("agent", "--server", server.url, "--token", token).ready()
    old_config, old_authority = kept(server.kubeconfig, "config"), kept(server.home + "/data/server/tls/server-ca.crt", "ca.crt")
    account = account_token(server)
    code, said = rotate_ca(server, "--path", as_k3s_makes_them(server))
    expect(code == 0, said)
    server = again(server, "--disable-agent")
    expect("k3s-style-server-ca" in issuer(server.at), issuer(server.at))
    expect(believed(server.at, old_authority), "OpenSSL finds the way to the old authority")
    ready(server, agent)
    expect(kubectl_by(old_config, "get", "nodes")[0] == 0, "as does kubectl")
    agent = again(agent, "--server", server.url, "--token", token)
    for text in (account, account_token(server)):
        review = server.kubectl("create", "-o", "jsonpath={.status.authenticated}", "-f", "-", text=json.dumps(
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": text}}))
        expect(review == "true", review)
    agent.terminate()
    server.terminate()


def test_force():
    """Authorities that the old ones have not signed are taken by force only; then the old kubeconfig and token are void."""
    server = Node("server").ready()
    token = server.token()
    agent = Node("agent", "--server", server.url, "--token", token).ready()
    old_config, old_authority = kept(server.kubeconfig, "config"), kept(server.home + "/data/server/tls/server-ca.crt", "ca.crt")
    new = strangers()
    code, said = rotate_ca(server, "--path", new)
    expect(code == 1 and "tls/server-ca.crt does not lead to the authority that it replaces" in said, said)
    code, said = rotate_ca(server, "--path=" + new, "--force")
    expect(code == 0 and "stop all servers" in said, said)
    server = again(server)
    expect("stranger-server-ca" in issuer(server.at), issuer(server.at))
    expect(not believed(server.at, old_authority), "the old authority says nothing of it")
    code, said = kubectl_by(old_config, "get", "nodes")
    expect(code != 0, said)
    expect(kubectl_by(server.kubeconfig, "get", "nodes")[0] == 0, "the new kubeconfig")
    agent.terminate()
    lost = Node("agent", "--server", server.url, "--token", token, home=agent.home, at=agent.at, name=agent.name)
    lost.says("token CA hash does not match")
    lost.kill()
    agent = Node("agent", "--server", server.url, "--token", server.token(), home=agent.home, at=agent.at, name=agent.name).ready()
    ready(server, agent)
    agent.terminate()
    server.terminate()


def ask(server, header, method, body):
    """The status and the message that a caller gets."""
    import urllib.error
    import urllib.request
    context = ssl.create_default_context(cafile=server.home + "/data/server/tls/server-ca.crt")
    request = urllib.request.Request(server.url + "/v1-k3s/cert/cacerts", method=method, data=body, headers={"Authorization": header} if header else {})
    try:
        with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as why:
        return why.code, json.loads(why.read())["message"]


def test_refusals():
    """Whatever is wrong is refused in a sentence that names the file, to those who may ask at all, and nothing waits afterwards"""
    server = Node("server", "--disable-agent", "--token", "server-secret", "--agent-token", "agent-secret").ready()
    tls = server.home + "/data/server/tls"
    def spoilt(spoil):
        new = recipe(server)
        spoil(new + "/tls/")
        return new
    def plain(at, extensions=""):   # signed by the old one, and no authority
        write(at + "csr", openssl("req", "-new", "-key", at + "server-ca.key", "-subj", "/CN=plain"))
        write(at + "ext", extensions)
        leaf = openssl("x509", "-req", "-in", at + "csr", "-CA", tls + "/server-ca.crt", "-CAkey", tls + "/server-ca.key", "-set_serial", "7", "-days", "30", "-extfile", at + "ext")
        write(at + "server-ca.crt", leaf + open(tls + "/server-ca.crt", encoding="ascii").read())
    def ended(at):
        write(at + "csr", openssl("req", "-new", "-key", at + "server-ca.key", "-subj", "/CN=ended"))
        write(at + "ext", "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n")
        text = openssl("x509", "-req", "-in", at + "csr", "-CA", tls + "/server-ca.crt", "-CAkey", tls + "/server-ca.key", "-set_serial", "7", "-days", "-1", "-extfile", at + "ext")
        write(at + "server-ca.crt", text + open(tls + "/server-ca.crt", encoding="ascii").read())
    key = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout")
    for what, spoil in (("tls/client-ca.crt is missing, and tls/client-ca.key is of no use", lambda at: os.remove(at + "client-ca.crt")),
                        ("tls/client-ca.key is missing", lambda at: os.remove(at + "client-ca.key")),
                        ("tls/request-header-ca.crt is missing: the cluster has this authority", lambda at: [os.remove(at + "request-header-ca" + e) for e in (".crt", ".key")]),
                        ("tls/server-ca.key is not the key of", lambda at: write(at + "server-ca.key", key)),
                        ("tls/server-ca.key holds no private key", lambda at: write(at + "server-ca.key", "noise")),
                        ("tls/server-ca.crt holds no certificate", lambda at: write(at + "server-ca.crt", "noise")),
                        ("tls/server-ca.crt cannot sign", plain),
                        ("not one of an authority", lambda at: plain(at, "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\n")),
                        ("tls/server-ca.crt ended on", ended),
                        ("tls/service.key does not hold the key that signs now", lambda at: write(at + "service.key", key)),
                        ("tls/service.key holds no private key", lambda at: write(at + "service.key", "noise"))):
        code, said = rotate_ca(server, "--path", spoilt(spoil))
        expect(code == 1 and what in said, (what, said))
        expect("PRIVATE" not in said, said)
    for words, right, what in (((), 2, "--path is missing"), (("--path", folder("empty")), 1, "nor any other authority below"), (("--path", "/nowhere"), 1, "nor any other authority below"),
                               (("--path", server.home + "/data/server"), 1, "nothing would change"), (("--path", recipe(server), "--token", "wrong"), 1, "not authorized"),
                               (("--path", recipe(server), "--force", "more"), 2, "usage"), (("--path", recipe(server), "-s", "kubelet"), 2, "usage")):
        code, said = rotate_ca(server, *words)
        expect(code == right and what in said, (words, code, said))
    basic = lambda user, password: "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()  # noqa: E731
    expect(ask(server, basic("node", "agent-secret"), "PUT", b"{}")[0] == 403, "agents may not")
    expect(ask(server, None, "PUT", b"{}")[0] == 403, "nor strangers")
    expect(ask(server, basic("server", "server-secret"), "GET", None)[0] == 405, "nor by GET")
    for body, what in ((b"", "no JSON"), (b"{", "no JSON"), (b"7", "no object"), (b"{}", "no authority among"), (b'{"ServerCA":7}', "ServerCA cannot be read"),
                       (b'{"ServerCA":{"Content":"?"}}', "ServerCA cannot be read"), (b'{"PasswdFile":{"Content":"eA=="}}', "no authority among")):
        status, message = ask(server, basic("server", "server-secret"), "PUT", body)
        expect(status == 400 and what in message, (body, status, message))
    expect(not os.path.exists(server.home + "/data/server/tls-next.json"), "nothing waits")
    server.terminate()
    code, said = rotate_ca(server, "--path", recipe(server))
    expect(code == 1 and "is it running?" in said, said)
    # What waits and cannot be read stops a start, and says how to go on.
    write(server.home + "/data/server/tls-next.json", "noise")
    broken = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name)
    expect(broken.ends() == 1 and "remove it, and ask for the new authorities again" in broken.said(), broken.said())


def test_restore():
    """A snapshot of before is refused by name while the cluster has other authorities, and brings its own back when those are moved away"""
    server = Node("server", "--disable-agent").ready()
    old_config, old_authority = kept(server.kubeconfig, "config"), read(server, "tls/server-ca.crt")
    server.kubectl("create", "configmap", "before")
    code, said = run_binary("etcd-snapshot", "save", "--name", "s", "--data-dir", server.home + "/data", "--server", server.url)
    expect(code == 0, said)
    snapshot, = [p for p in glob.glob(server.home + "/data/server/db/snapshots/s-*") if not p.endswith(".json")]
    code, said = rotate_ca(server, "--path", recipe(server))
    expect(code == 0, said)
    server = again(server, "--disable-agent")
    server.terminate()
    reset = lambda: Node("server", "--disable-agent", "--cluster-reset", "--cluster-reset-restore-path", snapshot, home=server.home, at=server.at, name=server.name)  # noqa: E731
    refused = reset()
    expect(refused.ends() == 1, refused.said())
    expect_in("or of this one before `troupe certificate rotate-ca`", refused.said())
    data = server.home + "/data/server/"
    os.rename(data + "tls", data + "tls-away")
    os.rename(data + "cred/authorities-generation", data + "generation-away")
    done = reset()
    expect(done.ends() == 0, done.said())
    back = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name).ready()
    expect(read(back, "tls/server-ca.crt") == old_authority, "the authority of then")
    expect(kubectl_by(old_config, "get", "configmap", "before")[0] == 0, "and the kubeconfig of then")
    # By hand, as where authorities have ended.
    new = recipe(back)
    back.terminate()
    shutil.copy(data + "tls/server-ca.key", data + "cred/former-server-ca.key")
    for name in KINDS:
        for kind in (".crt", ".key"):
            shutil.copy(f"{new}/tls/{name}{kind}", f"{data}tls/{name}{kind}")
    back = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name).ready()
    expect("troupe-server-ca" in issuer(back.at), issuer(back.at))
    expect(kubectl_by(back.kubeconfig, "get", "configmap", "before")[0] == 0, "all is there")
    back.terminate()


def secret_of(server, name):
    return server.kubectl("get", "secret", name, "-o", "jsonpath={.data.k}")


def test_cluster():
    """Three servers on embedded etcd are restarted one after the other, also one that was away: Secrets, keys and the token stay, and one that joins later fits"""
    def server(*flags, join=None, **more):
        how = ["--server", join.url] if join else ["--cluster-init"]
        return Node("server", "--disable-agent", "--secrets-encryption", *how, *flags, **more)
    first = server().ready()
    token = first.token()
    second, third = (server("--token", token, join=first) for _ in range(2))
    second.ready(), third.ready()
    agent = Node("agent", "--server", first.url, "--token", token).ready()
    first.kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
    third.terminate()
    code, said = rotate_ca(second, "--path", recipe(first))
    expect(code == 0, said)
    first.says("secrets.authorities_wait")
    lives = lambda node, join=None: server(*(["--token", token] if join else []), join=join, home=node.home, at=node.at, name=node.name)  # noqa: E731
    first.terminate()
    # The one that was away begins as it was, hears of it, and has the quorum with the one that has not been restarted.
    third = lives(third, join=second).ready()
    third.says("secrets.authorities_wait")
    first = lives(first).ready()
    expect("troupe-server-ca" in issuer(first.at), issuer(first.at))
    for one in (first, second, third):
        expect(secret_of(one, "s") == "dg==", "Secrets are read at both kinds")
    second.kubectl("create", "secret", "generic", "between", "--from-literal=k=w")
    expect(secret_of(first, "between") == "dw==", "and written")
    second.terminate()
    second = lives(second, join=first).ready()
    third.terminate()
    third = lives(third, join=first).ready()
    for one in (first, second, third):
        expect("troupe-server-ca" in issuer(one.at), one.name)
        expect("troupe-etcd" in issuer_of_etcd(one), one.name)
        expect((secret_of(one, "s"), secret_of(one, "between")) == ("dg==", "dw=="), one.name)
    ready(second, agent)
    code, said = run_binary("secrets-encrypt", "rotate-keys", "--data-dir", third.home + "/data", "--server", third.url)
    expect(code == 0, said)
    code, said = run_binary("token", "rotate", "--data-dir", second.home + "/data", "--server", second.url, "--new-token", "another-secret")
    expect(code == 0, said)
    until("everyone has the token", lambda: all(one.token().endswith("::server:another-secret") for one in (first, second, third)))
    fourth = server("--token", first.token(), join=third).ready()
    expect((secret_of(fourth, "s"), secret_of(fourth, "between")) == ("dg==", "dw=="), "who joins later reads all")
    expect(read(fourth, "tls/client-ca.crt") == read(first, "tls/client-ca.crt"), "it has the same authorities")
    for one in (agent, fourth, third, second):
        one.terminate()
    first.kill()


def test_away():
    """A server that was away while the token and then the authorities were changed says so, and is one of them again when it is given the token"""
    def server(*flags, join=None, **more):
        how = ["--server", join.url] if join else ["--cluster-init"]
        return Node("server", "--disable-agent", "--secrets-encryption", *how, *flags, **more)
    first = server().ready()
    old = first.token()
    second, third = (server("--token", old, join=first).ready() for _ in range(2))
    first.kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
    third.terminate()
    code, said = run_binary("token", "rotate", "--data-dir", first.home + "/data", "--server", first.url, "--new-token", "another-secret")
    expect(code == 0, said)
    until("both have the token", lambda: all(one.token().endswith("::server:another-secret") for one in (first, second)))
    code, said = rotate_ca(first, "--path", recipe(first))
    expect(code == 0, said)
    second.says("secrets.authorities_wait")
    first.terminate(), second.terminate()
    first = server(home=first.home, at=first.at, name=first.name)
    second = server("--token", "another-secret", join=first, home=second.home, at=second.at, name=second.name).ready()
    new = first.ready().token()
    lives = lambda token: server("--token", token, join=first, home=third.home, at=third.at, name=third.name)  # noqa: E731
    third = lives(old)
    third.says("start it with --server of another one and the --token that holds now")
    third.terminate()
    third = lives("K10" + "0" * 64 + "::server:neither")
    expect(third.ends() == 1, third.said())
    expect_in("another certificate authority than the token names", third.said())
    third = lives("neither")
    expect(third.ends() == 1, third.said())
    expect_in("does not accept this token", third.said())
    expect_in("the token that this server has had so far is in " + third.home + "/data/server/token", third.said())
    other = Node("server", "--disable-agent", "--cluster-init", "--token", "neither").ready()
    third = server("--token", "neither", join=other, home=third.home, at=third.at, name=third.name)
    expect(third.ends() == 1, third.said())
    expect_in("is of another cluster", third.said())
    other.terminate()
    third = lives(new).ready()
    expect("troupe-server-ca" in issuer(third.at) and "troupe-etcd" in issuer_of_etcd(third), third.name)
    expect(third.token() == new, third.token())
    expect(secret_of(third, "s") == "dg==", "it reads Secrets")
    third.kubectl("create", "secret", "generic", "t", "--from-literal=k=w")
    expect(secret_of(second, "t") == "dw==", "and writes them as the others do")
    for one in (third, second, first):
        one.terminate()


def test_force_cluster():
    """Three servers that are stopped and started as a whole live by authorities that nobody has signed, and Secrets are read"""
    def server(*flags, join=None, **more):
        how = ["--server", join.url] if join else ["--cluster-init"]
        return Node("server", "--disable-agent", "--secrets-encryption", *how, *flags, **more)
    first = server().ready()
    token = first.token()
    rest = [server("--token", token, join=first).ready() for _ in range(2)]
    first.kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
    code, said = rotate_ca(first, "--force", "--path", strangers((*KINDS, "etcd/server-ca", "etcd/peer-ca")))
    expect(code == 0, said)
    for one in rest:
        one.says("secrets.authorities_wait")
    for one in (*rest, first):
        one.terminate()
    first = server(home=first.home, at=first.at, name=first.name)
    rest = [server("--token", token, join=first, home=one.home, at=one.at, name=one.name) for one in rest]
    for one in (first, *rest):
        one.ready()
        expect("stranger-server-ca" in issuer(one.at) and "stranger-etcd" in issuer_of_etcd(one), one.name)
        expect(secret_of(one, "s") == "dg==", one.name)
    late = server("--token", token, join=first)
    expect(late.ends() == 1 and "has another certificate authority than the token names" in late.said(), late.said())
    late = server("--token", first.token(), join=first).ready()
    expect(secret_of(late, "s") == "dg==", late.said())
    for one in (late, *rest, first):
        one.terminate()


def issuer_of_etcd(server):
    return openssl("x509", "-noout", "-issuer", "-in", server.home + "/data/server/tls/etcd/server-client.crt")


def test_external_store():
    """On an etcd of others a server that was away finds the new authorities in the datastore; the others take them at their restart"""
    etcd, client = etcd_of_others()
    try:
        store = ("--disable-agent", "--secrets-encryption", "--datastore-endpoint", client)
        first = Node("server", *store, "--token", "the-token").ready()
        away = Node("server", *store, "--token", "the-token").ready()
        first.kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
        away.terminate()
        code, said = rotate_ca(first, "--path", recipe(first))
        expect(code == 0, said)
        back = Node("server", *store, "--token", "the-token", home=away.home, at=away.at, name=away.name).ready()
        expect("troupe-server-ca" in issuer(back.at), "who was away has them at once")
        for one in (first, back):
            expect(secret_of(one, "s") == "dg==", one.name)
        first = again(first, *store)
        expect("troupe-server-ca" in issuer(first.at), issuer(first.at))
        late = Node("server", *store, "--token", "the-token").ready()
        for one in (first, back, late):
            expect(secret_of(one, "s") == "dg==", one.name)
            expect(read(one, "tls/server-ca.crt") == read(first, "tls/server-ca.crt"), one.name)
        for one in (late, back, first):
            one.terminate()
    finally:
        etcd.kill()
        etcd.wait()


run(globals())
