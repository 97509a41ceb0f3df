"""A real server on loopback for tests of clients: the server, kubectl, and a tally of what held.

Everything lives in one temporary folder; only processes started here are ended, by their own handle.
"""
import base64
import glob
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

TROUPE = os.environ.get("TROUPE", "")
os.environ["TROUPE_DISABLE_RUNTIME"] = "true"   # many nodes on one machine: only tests of containers run some
PATIENCE = float(os.environ.get("TROUPE_TEST_PATIENCE", "60"))  # s; only ends tests that would wait for ever


def wait_for(what, patience=PATIENCE, every=0.05):
    """Polls until `what()` is truthy and answers that; what it was last (falsy) when patience ends."""
    end = time.monotonic() + patience
    while True:
        got = what()
        if got or time.monotonic() > end:
            return got
        time.sleep(every)


class Tally:
    """Counts checks; each is one sentence. What was seen, or who tells it, is for those that fail. Thread-safe."""

    def __init__(self):
        self.lock, self.passed, self.failed = threading.Lock(), 0, 0

    def check(self, sentence, holds, seen=""):
        seen = "" if holds else seen() if callable(seen) else seen
        with self.lock:
            if holds:
                self.passed += 1
            else:
                self.failed += 1
                print(f"FAILED: {sentence}\n    saw: {str(seen).strip()[:1500]}", flush=True)
        return bool(holds)

    def has(self, sentence, text, *parts):
        """Every part occurs in text."""
        return self.check(sentence, all(p in text for p in parts), f"{text!r} without {[p for p in parts if p not in text]}")

    def end(self):
        """Prints the sum; the process's exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


class Process:
    """One troupe; its output is kept in a file."""

    def __init__(self, cluster, name, args):
        self.log = os.path.join(cluster.folder, name + ".log")
        self.args = [TROUPE] + args
        self.child = None

    def start(self):
        with open(self.log, "ab") as to:
            self.child = subprocess.Popen(self.args, stdout=to, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        return self

    def running(self):
        return self.child is not None and self.child.poll() is None

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def said(self, words, patience=PATIENCE):
        return wait_for(lambda: words in self.text() or not self.running(), patience) and words in self.text()

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.child is not None:
            self.child.wait()


class Cluster:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="troupe-test-")
        self.processes = []
        self.kubectl_path = shutil.which("kubectl")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for p in reversed(self.processes):
            p.signal(signal.SIGTERM)
        for p in self.processes:
            try:
                p.child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                p.kill()
        if kind or os.environ.get("KEEP"):
            print("kept:", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def server(self, address, name, *extra):
        p = Process(self, name, ["server", "--data-dir", self.path(name), "--identity-dir", self.path(name + "-identity"),
                                 "--bind-address", address, "--node-name", name, "--write-kubeconfig", self.path(name + ".yaml"), *extra])
        p.name, p.address, p.kubeconfig = name, address, self.path(name + ".yaml")
        p.data = self.path(name)
        self.processes.append(p)
        return p.start()

    def kubectl_environment(self, server, home):
        """It lives for a moment: collecting garbage would be half of what it costs, threads a sixth."""
        return {"PATH": os.environ.get("PATH", ""), "HOME": self.path(home), "KUBECONFIG": server.kubeconfig, "LC_ALL": "C", "GOGC": "off", "GOMAXPROCS": "1"}

    def kubectl(self, server, *args, binary=None, stdin=None, home="home", timeout=2 * PATIENCE):
        """(exit code, standard output, standard error)."""
        done = subprocess.run([binary or self.kubectl_path, *args], input=stdin, env=self.kubectl_environment(server, home), capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def https(self, server, path, method="GET", body=None, headers=None, identity=None):
        """One request without kubectl: (status, text). `identity` is (certificate file, key file)."""
        context = ssl.create_default_context(cafile=os.path.join(server.data, "server", "tls", "server-ca.crt"))
        if identity:
            context.load_cert_chain(*identity)
        ask = urllib.request.Request(f"https://{server.address}:6443{path}", data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(ask, context=context, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as why:
            return why.code, why.read().decode()

    def admin(self, server):
        """Files of the admin's certificate, taken from the kubeconfig."""
        text = open(server.kubeconfig).read()
        out = []
        for key in ("client-certificate-data", "client-key-data"):
            raw = base64.b64decode(re.search(key + r':\s*"?([A-Za-z0-9+/=]+)', text).group(1))
            path = self.path(server.name + "." + key)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as f:
                f.write(raw)
            out.append(path)
        return tuple(out)


def kubectls():
    """One kubectl of every minor version there is: on the PATH, beside what that resolves to, and in $KUBECTLS (paths,
    ':' between)."""
    found = {}
    places = [shutil.which("kubectl")] + os.environ.get("KUBECTLS", "").split(":")
    for place in filter(None, places):
        real = os.path.realpath(place)
        for one in [real] + glob.glob(os.path.join(os.path.dirname(real), "kubectl.1.[0-9]*")):
            if not os.access(one, os.X_OK):
                continue
            asked = subprocess.run([one, "version", "--client", "-o", "json"], capture_output=True, text=True)
            if asked.returncode == 0:
                version = json.loads(asked.stdout)["clientVersion"]
                found.setdefault(version["major"] + "." + version["minor"].rstrip("+"), one)
    return found


def skip(why):
    print("SKIPPED:", why, flush=True)
    sys.exit(77)


def need_troupe():
    if not TROUPE:
        print("TROUPE must name the binary to test", file=sys.stderr)
        sys.exit(2)
