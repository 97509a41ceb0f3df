"""What process-level tests share: a real binary, folders and loopback addresses of their own, and an account.

A test is a function whose name begins with `test_`; its docstring is the promise. `run(globals())` runs them all
and ends with "N passed, N failed". Every process started here is ended here, by its id. TROUPE_TEST_ONLY=word runs the
tests with that word in their names; TROUPE_TEST_PART=2/3 the second of three parts, each run by a process of its own.
"""
import base64
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from loopback import address  # noqa: E402

BINARY = os.environ.get("TROUPE") or (sys.argv[1] if len(sys.argv) > 1 else "build/troupe")
PATIENCE = float(os.environ.get("TROUPE_TEST_PATIENCE", "60"))   # s; only ends tests that would wait for ever
BRIEF = {"GOGC": "off", "GOMAXPROCS": "1"}   # a kubectl lives for a moment: collecting garbage is half of what it would cost, threads a sixth
_numbers = itertools.count(1)
_folder = tempfile.mkdtemp(prefix="troupe-journey-")
_alive = []
_nodes = []   # of the test that runs
_contexts = {}   # of TLS, by the kubeconfig that they come from
TAIL_LINES = 40   # of each node's output, when its test fails


def folder(name="d"):
    path = os.path.join(_folder, f"{name}{next(_numbers)}")
    os.makedirs(path)
    return path


def write(path, text, mode=0o600):
    with open(path, "wb") as f:
        f.write(text.encode() if isinstance(text, str) else text)
    os.chmod(path, mode)
    return path


def clean_environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TROUPE_", "K3S_")) and k != "KUBECONFIG"}
    env["TROUPE_CONFIG_FILE"] = os.path.join(_folder, "no-config.yaml")
    env["TROUPE_DISABLE_RUNTIME"] = "true"   # many nodes on one machine: only tests of containers run some
    write(env["TROUPE_CONFIG_FILE"], "")
    env.update(more)
    return env


def run_binary(*arguments, patience=PATIENCE, **env):
    """Runs to its end: (exit code, everything it said)."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, timeout=patience, env=clean_environment(**env))
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def until(what, condition, patience=PATIENCE, process=None, every=None):
    """Waits until `condition()` is true and returns its value; fails with `what` after `patience` seconds. It is asked `every` so many
    seconds; else at first fifty times a second and later ten: many who wait side by side would take from what they wait for."""
    began = time.monotonic()
    end = began + patience
    while True:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            value = condition()
            if value:
                return value
            raise AssertionError(f"the process ended with {process.returncode} while waiting for: {what}")
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"waited {patience} s for: {what}")
        time.sleep(min(max((now - began) / 10, 0.02), 0.1) if every is None else every)


class Node:
    """A server or an agent. `home` keeps its state, so that another Node with the same home is its next life. `within` is a
    program that goes over into ours: `nsenter --net=...`."""

    def __init__(self, command, *flags, home=None, at=None, name=None, env=None, within=()):
        self.command, self.home, self.at = command, home or folder(command), at or address()
        self.name = name or f"n{next(_numbers)}"
        self.log = os.path.join(self.home, f"log{next(_numbers)}")
        self.kubeconfig = os.path.join(self.home, "kubeconfig")
        self.reader = None
        line = [*within, BINARY, command, "--data-dir", self.home + "/data", "--identity-dir", self.home + "/identity",
                "--bind-address", self.at, "--node-name", self.name]
        if command == "server":
            line += ["--write-kubeconfig", self.kubeconfig]
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(line + list(flags), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env=clean_environment(**(env or {})))
        _alive.append(self.process)
        _nodes.append(self)

    @property
    def url(self):
        return f"https://{self.at}:6443"

    def said(self):
        with open(self.log, "rb") as f:
            return f.read().decode(errors="replace")

    def token(self):
        with open(self.home + "/data/server/node-token", encoding="utf-8") as f:
            return f.read().strip()

    def ready(self):
        """Waits until it says that it is ready."""
        try:
            until("ready after", lambda: "ready after" in self.said(), process=self.process)
        except AssertionError as e:
            raise AssertionError(f"{e}\n--- {self.command} {self.name} said:\n{self.said()}") from None
        return self

    def says(self, pattern, patience=PATIENCE):
        """Waits until a line of its output matches."""
        try:
            return until(pattern, lambda: re.search(pattern, self.said()), patience, self.process)
        except AssertionError as e:
            raise AssertionError(f"{e}\n--- {self.command} {self.name} said:\n{self.said()}") from None

    def ends(self, patience=PATIENCE):
        """Waits for its end; the exit code."""
        return self.process.wait(patience)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.ends()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kubectl(self, *arguments, check=True, text=None):
        done = subprocess.run(["kubectl", *arguments], capture_output=True, timeout=PATIENCE, input=text and text.encode(),
                              env=clean_environment(KUBECONFIG=self.kubeconfig, HOME=self.home, **BRIEF))
        said = (done.stdout + done.stderr).decode(errors="replace")
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {said}")
        return said if check else (done.returncode, said)

    def admin(self):
        """An HTTPS connection as the admin; see `call`."""
        return Admin(self)

    def read(self, path):
        """What the API has at `path`: a decoded object, or text; None when it has nothing there, {} while it refuses or nobody answers.
        For what is asked again and again while waiting: a kubectl costs a hundred times as much. One thread at a time."""
        for kept in (self.reader, None):   # a connection that was kept may have ended meanwhile
            try:
                self.reader = kept or self.admin()
                status, got = self.reader.call("GET", path)
                return got if status < 300 else None if status == 404 else {}
            except (OSError, http.client.HTTPException):
                self.reader = None
        return {}

    def events(self, name, ns="default"):
        """What happened to the objects of that name, a line each."""
        found = self.read(f"/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3D{name}")
        return "".join(f"{e['reason']}: {e['message']}\n" for e in (found or {}).get("items", []))

    def kubelet_answers(self, node):
        """Whether the kubelet of `node` is reached through this server."""
        return self.read(f"/api/v1/nodes/{node}/proxy/healthz") == "ok"


class Admin:
    """The admin's connection, kept alive between calls."""

    def __init__(self, node):
        with open(node.kubeconfig, encoding="utf-8") as f:
            text = f.read()
        if text not in _contexts:   # who waits makes one connection after the other; its files cost more than its handshake
            data = {k: base64.b64decode(v) for k, v in re.findall(r"([a-z-]+-data): \"?([A-Za-z0-9+/=]+)", text)}
            ca = write(os.path.join(folder("tls"), "ca"), data["certificate-authority-data"])
            pair = write(os.path.join(folder("tls"), "pair"), data["client-certificate-data"] + b"\n" + data["client-key-data"])
            made = ssl.create_default_context(cafile=ca)
            made.load_cert_chain(pair)
            _contexts[text] = made   # complete: another thread may take it now, and without the pair it would be nobody
        self.connection = http.client.HTTPSConnection(node.at, 6443, context=_contexts[text], timeout=PATIENCE)
        self.warning = ""

    def call(self, method, path, body=None, kind="application/json"):
        """(status, decoded answer); OSError or http.client.HTTPException when the connection breaks. `warning` is the answer's."""
        self.connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
        answer = self.connection.getresponse()
        data = answer.read()
        self.warning = answer.headers.get("Warning", "")
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data.decode(errors="replace")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def expect_in(part, whole):
    if part not in whole:
        raise AssertionError(f"{part!r} is not in:\n{whole}")


def _end_all():
    for process in _alive:
        if process.poll() is None:
            process.kill()
            process.wait()
    _alive.clear()


def chosen(names):
    """The tests of `names` that this process runs, in their order: every test is in exactly one part."""
    wanted = os.environ.get("TROUPE_TEST_ONLY", "")
    part, parts = (int(n) for n in os.environ.get("TROUPE_TEST_PART", "1/1").split("/"))
    tests = [(name, test) for name, test in names.items() if name.startswith("test_")]
    expect(1 <= part <= parts <= len(tests), f"there is no part {part}/{parts} of {len(tests)} tests")
    return [(name, test) for name, test in tests[part - 1::parts] if wanted in name]


def run(names):
    """Runs what is chosen of the test_* in `names`, each ending what it started unless others share it."""
    passed = failed = 0
    for name, test in chosen(names):
        began = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok      {name} ({time.monotonic() - began:.1f} s): {test.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name}: {test.__doc__}\n{traceback.format_exc()}", flush=True)
            for node in _nodes:
                print(f"--- {node.command} {node.name}, exit code {node.process.poll()}:", *node.said().splitlines()[-TAIL_LINES:], sep="\n", flush=True)
        _nodes.clear()
    _end_all()
    shutil.rmtree(_folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
