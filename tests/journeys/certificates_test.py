"""Certificates are renewed while everything runs, and nobody notices."""
import glob
import json
import os
import socket
import ssl
import subprocess
import time

from harness import Node, expect, expect_in, folder, run, run_binary, until, write


def served(host, port):
    """The certificate that a port shows to a new connection: (serial, end)."""
    context = ssl._create_unverified_context()
    with context.wrap_socket(socket.create_connection((host, port), timeout=30)) as s:
        der = s.getpeercert(True)
    said = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial", "-enddate"], input=der, capture_output=True, check=True).stdout.decode()
    return said


def test_renewal_while_running():
    """With certificates of twelve seconds, requests, watches and tunnels go on for several of their lives."""
    life = 12
    server = Node("server", "--certificate-life", f"{life}s").ready()
    agent = Node("agent", "--server", server.url, "--token", server.token()).ready()
    began = time.monotonic()
    first = {at: served(*at) for at in [(server.at, 6443), (agent.at, 10250), (server.at, 10250)]}
    config = open(server.kubeconfig, encoding="utf-8").read()
    watch = server.admin()
    watch.connection.request("GET", f"/api/v1/nodes?watch=1&timeoutSeconds=600&fieldSelector=metadata.name%3D{agent.name}")
    stream = watch.connection.getresponse()
    expect(stream.status == 200, "the watch is open")
    asked = 0
    while time.monotonic() - began < 2.5 * life:
        # A new connection each time, by whichever certificate the kubeconfig has now; through the tunnel and back.
        expect(server.admin().call("GET", f"/api/v1/nodes/{agent.name}/proxy/healthz") == (200, "ok"), "the kubelet answers")
        asked += 1
        time.sleep(0.5)
    expect(asked > 10, asked)
    for at, was in first.items():
        expect(served(*at) != was, f"{at} shows another certificate than {was}")
    expect(open(server.kubeconfig, encoding="utf-8").read() != config, "the admin's kubeconfig has been renewed")
    for node in (server, agent):
        expect("renewal_refused" not in node.said() and "not_renewed" not in node.said(), node.said())
    expect_in("registration.certificates_renewed", agent.said())
    expect(agent.said().count("tunnel.connected") == 1, "the tunnel was never opened anew")
    # What was opened by a certificate that has ended since still delivers.
    server.kubectl("label", "node", agent.name, "renewed=yes")
    until("the watch tells of it", lambda: b"renewed" in stream.readline())
    status = server.kubectl("get", "node", agent.name, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
    expect(status == "True", status)
    agent.terminate()
    server.terminate()


def test_etcd_renewal():
    """With certificates of twenty seconds three servers' etcd shows new ones to whoever connects, and a member that comes back
    after all that it began with have ended is taken by the others."""
    life = 20
    flags = ("--disable-agent", "--certificate-life", f"{life}s", "--token", "t")
    first = Node("server", "--cluster-init", *flags).ready()
    servers = [first] + [Node("server", "--server", first.url, *flags).ready() for _ in range(2)]
    began = time.monotonic()
    ports = [(s.at, port) for s in servers for port in (2379, 2380)]
    was = {at: served(*at) for at in ports}
    while time.monotonic() - began < 1.3 * life:
        for s in servers:
            status, got = s.admin().call("GET", "/readyz?verbose")
            expect(status == 200, got)
        time.sleep(1)
    for at in ports:
        expect(served(*at) != was[at], f"{at} shows another certificate than {was[at]}")
    last = servers[2]
    last.kill()
    status, got = first.admin().call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "while-away"}})
    expect(status == 201, got)
    last = Node("server", "--server", first.url, *flags, home=last.home, at=last.at, name=last.name).ready()
    until("it has what was written", lambda: last.admin().call("GET", "/api/v1/namespaces/default/configmaps/while-away")[0] == 200)
    # Those that ran all the while still reach each other's etcd anew: one connection to each was cut.
    servers[1].kill()
    back = Node("server", "--server", first.url, *flags, home=servers[1].home, at=servers[1].at, name=servers[1].name).ready()
    for s in (first, back, last):
        expect("not_renewed" not in s.said(), s.said())
        expect(s.admin().call("GET", "/readyz")[0] == 200, s.said())
    for s in (back, last, first):
        s.process.terminate()


def begin_later(server, seconds, end=864000):
    """The server's authority, with the same key and name, as if made `seconds` from now, until `end`."""
    tls, work = server.home + "/data/server/tls", folder("authority")
    write(work + "/index.txt", "")
    write(work + "/serial", "01")
    write(work + "/cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\nserial={work}/serial\nnew_certs_dir={work}\ndefault_md=sha256\npolicy=p\n"
                         "unique_subject=no\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,digitalSignature\n"
                         "subjectKeyIdentifier=hash\n")
    at = lambda s: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + s))  # noqa: E731
    for line in (f"x509 -x509toreq -in {tls}/server-ca.crt -signkey {tls}/server-ca.key -out {work}/csr",
                 f"ca -batch -notext -selfsign -config {work}/cnf -extensions e -preserveDN -keyfile {tls}/server-ca.key -in {work}/csr -out {tls}/server-ca.crt "
                 f"-startdate {at(seconds)} -enddate {at(end)}"):
        done = subprocess.run(["openssl", *line.split()], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, done.stderr)


def test_clock_behind():
    """A server whose clock is before its own authority says so, waits, ends when asked, and starts by itself once the time has come."""
    server = Node("server", "--disable-agent").ready()
    server.terminate()
    begin_later(server, 6)
    again = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name)
    again.says("waiting for the clock: it shows .* and this cluster's authority began .*; set it right")
    expect("certificates and tokens ready" not in again.said(), "certificates were made by a clock that is wrong")
    expect(again.terminate() == 0, again.said())
    last = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name).ready()
    expect(last.admin().call("GET", "/readyz") == (200, "ok"), last.said())
    last.terminate()


def test_clock_ahead():
    """A server whose clock is far ahead of all that it wrote, or behind its authority's end, says so, waits, and starts by itself once that has passed."""
    server = Node("server", "--disable-agent").ready()
    server.terminate()
    tls, folder_of = server.home + "/data/server/tls/", server.home + "/data/server"
    serial = open(tls + "serving-kube-apiserver.crt", "rb").read()
    long_ago = time.time() - 2 * 365 * 86400
    for path, _, files in os.walk(folder_of):
        for name in files:
            os.utime(os.path.join(path, name), (long_ago, long_ago), follow_symlinks=False)
    again = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name)
    again.says("waiting for the clock: it shows .*, and this server last wrote anything .*; if it is ahead, set it right .* or `touch .*/server/url`")
    expect("certificates and tokens ready" not in again.said(), "nothing was made by a clock that is doubted")
    expect(again.terminate() == 0, again.said())
    again = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name)
    again.says("waiting for the clock")
    os.utime(folder_of + "/url")   # as if the clock had been put to where it was
    again.ready().terminate()
    expect(open(tls + "serving-kube-apiserver.crt", "rb").read() == serial, "its certificates are what they were")
    authority = open(tls + "server-ca.crt", "rb").read()
    begin_later(server, -86400, -3600)
    ended = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name)
    ended.says("waiting for the clock: it shows .*, and this cluster's authority ended .*; if it is right, other authorities are needed")
    write(tls + "server-ca.crt", authority)
    ended.ready().terminate()


def test_check():
    """`certificate check` lists what a node keeps and when it ends, and says so when one cannot be used."""
    server = Node("server").ready()
    code, said = run_binary("certificate", "check", "--data-dir", server.home + "/data")
    expect(code == 0, said)
    for part in ("FILE", "serving-kube-apiserver.crt", "kube-apiserver", "client-kubelet.crt", "system:node:" + server.name, "364", "3649", "OK"):
        expect_in(part, said)
    server.terminate()
    write(server.home + "/data/server/tls/client-admin.crt", "noise")
    code, said = run_binary("certificate", "check", "-o", "json", "--data-dir", server.home + "/data")
    expect(code == 1, said)
    expect([c["status"] for c in json.loads(said) if c["file"].endswith("client-admin.crt")] == ["UNREADABLE"], said)
    code, said = run_binary("certificate", "check", "--data-dir", server.home + "/nothing")
    expect(code == 1, said)
    expect_in("there is no certificate below", said)


def test_rotate():
    """`certificate rotate` gives a node that stands still new keys and certificates, and refuses while it runs"""
    server = Node("server").ready()
    agent = Node("agent", "--server", server.url, "--token", server.token()).ready()
    code, said = run_binary("certificate", "rotate", "--data-dir", server.home + "/data")
    expect(code == 1 and "stop that first" in said, said)
    code, said = run_binary("certificate", "rotate", "-s", "bogus", "--data-dir", server.home + "/data")
    expect(code == 2 and 'no service "bogus"' in said, said)
    leafs = {n: os.path.join(n.home, "data", *path) for n, path in ((server, ("server", "tls", "serving-kube-apiserver")), (agent, ("agent", "client-kubelet")))}
    old = {n: [open(path + kind, "rb").read() for kind in (".crt", ".key")] for n, path in leafs.items()}
    admin = open(server.home + "/data/server/tls/client-admin.crt", "rb").read()
    token = server.token()
    agent.terminate()
    server.terminate()
    code, said = run_binary("certificate", "rotate", "-s", "supervisor", "-s", "scheduler", "--data-dir", server.home + "/data")
    expect(code == 0 and "serving-kube-apiserver.crt: set aside" in said and "client-admin" not in said and "scheduler has no certificate of its own" in said, said)
    kept = glob.glob(server.home + "/data/server/tls-*/serving-kube-apiserver.*")
    expect(sorted(open(k, "rb").read() for k in kept) == sorted(old[server]), f"kept: {kept}")
    code, said = run_binary("certificate", "rotate", "--data-dir", agent.home + "/data")
    expect(code == 0 and "client-kubelet.crt: set aside" in said, said)
    again = Node("server", home=server.home, at=server.at, name=server.name).ready()
    back = Node("agent", "--server", again.url, "--token", token, home=agent.home, at=agent.at, name=agent.name).ready()
    for node, path in leafs.items():
        for kind, was in zip((".crt", ".key"), old[node]):
            expect(open(path + kind, "rb").read() != was, path + kind + " is new")
    expect(open(server.home + "/data/server/tls/client-admin.crt", "rb").read() == admin, "the admin's was not asked for")
    expect(again.kubectl("get", "nodes", "--no-headers").count(" Ready ") == 2, "both nodes are Ready")
    back.terminate()
    again.terminate()
    code, said = run_binary("certificate", "rotate", "--data-dir", server.home + "/nothing")
    expect(code == 1 and "there is no such certificate" in said, said)


def test_start_without_any_server():
    """An agent whose servers are all away starts with what it last knew, and is at work as soon as one returns."""
    server = Node("server").ready()
    agent = Node("agent", "--server", server.url, "--token", server.token()).ready()
    token = server.token()
    agent.terminate()
    server.terminate()
    again = Node("agent", "--server", server.url, "--token", token, home=agent.home, at=agent.at, name=agent.name)
    again.says("starts with what it last knew")
    def answers():
        try:
            return served(agent.at, 10250)
        except OSError:   # the port opens a moment after it says how it starts
            return None
    until("its kubelet answers", answers)
    before = again.rss_kib()
    time.sleep(5)
    expect(again.rss_kib() < before + 4096, f"memory is flat: {before} {again.rss_kib()}")
    back = Node("server", home=server.home, at=server.at, name=server.name).ready()
    again.ready()
    until("the tunnel stands", lambda: back.kubelet_answers(agent.name))
    # With another cluster's token what was kept is of no use.
    again.terminate()
    stranger = Node("server", "--disable-agent").ready()
    lost = Node("agent", "--server", stranger.url, "--token", stranger.token(), home=agent.home, at=agent.at, name=agent.name).ready()
    expect("what it last knew" not in lost.said(), lost.said())
    for node in (lost, stranger, back):
        node.terminate()


run(globals())
