"""A disk that is full: a clear word, nothing acknowledged lost, and life goes on when there is room again.

The test starts itself again in namespaces of its own (`unshare -Urm`), where it may mount small disks; no root is needed.
"""
import base64
import hashlib
import http.client
import json
import os
import re
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, clean_environment, expect, expect_in, folder, run, until  # noqa: E402
from upkeep import etcd_of_others  # noqa: E402

INSIDE = "TROUPE_DISK_FULL_INSIDE"
MAPS = "/api/v1/namespaces/default/configmaps"
WORDS = "the datastore can no longer write to its disk; look at the disk and its free space, then start again"
noise = random.Random(7)


def why_not():
    """What is missing for mounting a disk of one's own; empty when nothing is."""
    if shutil.which("unshare") is None:
        return "there is no program unshare"
    done = subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip()


class Disk:
    """A small disk, mounted where a server keeps its data."""

    def __init__(self, megabytes):
        self.home = folder("full")
        self.path = self.home + "/data"
        os.makedirs(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", self.path], check=True)

    def fill(self, leave):
        """Takes all but `leave` bytes."""
        free = shutil.disk_usage(self.path).free - leave
        with open(self.path + "/ballast", "wb") as f:
            os.posix_fallocate(f.fileno(), 0, max(free, 1))

    def make_room(self):
        os.remove(self.path + "/ballast")


def text_of(number, size):
    return base64.b64encode(noise.randbytes(size)).decode() + f"-{number}"


class Writer:
    """Creates objects through one server and remembers what was acknowledged."""

    def __init__(self):
        self.kept, self.numbers = {}, 0

    def write(self, admin, size=60_000):
        """(status, answer); status 0 when the connection broke."""
        self.numbers += 1
        name, text = f"m{self.numbers}", text_of(self.numbers, size)
        try:
            status, got = admin.call("POST", MAPS, {"metadata": {"name": name}, "data": {"v": text}})
        except (OSError, http.client.HTTPException):
            return 0, None
        if status == 201:
            self.kept[name] = hashlib.sha256(text.encode()).hexdigest()
        return status, got

    def until_refused(self, admin, size=60_000, past=()):
        """`past`: answers that tell nothing, as while a busy machine's etcd looks for a leader."""
        for _ in range(5000):
            status, got = self.write(admin, size)
            if status != 201 and status not in past:
                return status, got
        raise AssertionError("the disk never became full")

    def check(self, admin):
        expect(len(self.kept) > 3, "hardly anything was written")
        status, got = admin.call("GET", MAPS)
        expect(status == 200, got)
        there = {x["metadata"]["name"]: hashlib.sha256(x["data"]["v"].encode()).hexdigest() for x in got["items"] if "v" in x.get("data", {})}
        lost = [name for name, digest in self.kept.items() if there.get(name) != digest]
        expect(not lost, f"acknowledged, and lost: {lost}")
        expect(self.write(admin, 10)[0] == 201, "it does not write")


def on_a_log(*flags):
    disk = Disk(48)
    server = Node("server", "--disable-agent", *flags, home=disk.home).ready()
    writer = Writer()
    for _ in range(5):
        expect(writer.write(server.admin())[0] == 201, server.said())
    disk.fill(3 << 20)
    status, got = writer.until_refused(server.admin())
    expect(status in (0, 503, 504), got)
    expect(server.ends() == 1, server.said())
    expect_in(WORDS, server.said())
    # Started again while there is no room, it says so and harms nothing.
    again = Node("server", "--disable-agent", *flags, home=disk.home, at=server.at, name=server.name)
    try:
        again.ends(8)
        expect(again.process.returncode == 1 and ("full" in again.said() or "space" in again.said()), again.said())
    except subprocess.TimeoutExpired:   # reading needs no room; then it runs until it must write
        again.kill()
    disk.make_room()
    last = Node("server", "--disable-agent", *flags, home=disk.home, at=server.at, name=server.name).ready()
    writer.check(last.admin())
    expect(last.terminate() == 0, last.said())


def test_sqlite():
    """a server on SQLite whose disk fills up says so and ends; with room again it starts and has all it acknowledged"""
    on_a_log()


def test_rocksdb():
    """a server on RocksDB whose disk fills up says so and ends; with room again it starts and has all it acknowledged"""
    on_a_log("--datastore-endpoint", "rocksdb")


def test_etcd():
    """a server whose etcd finds the disk full says why, answers 503 and reads, and goes on by itself when there is room"""
    disk = Disk(300)
    server = Node("server", "--cluster-init", "--disable-agent", "--token", "t", home=disk.home).ready()
    writer = Writer()
    for _ in range(5):
        expect(writer.write(server.admin())[0] == 201, server.said())
    disk.fill(1 << 20)
    admin = server.admin()
    admin.connection.timeout = 20
    status, got = writer.until_refused(admin, 400_000)
    expect(status in (0, 503, 504), got)
    server.says("membership.etcd_ended.*no space left on device")

    def not_ready():
        """An etcd that found room enough to start is given more to write."""
        again = server.admin()
        again.connection.timeout = 20
        if again.call("GET", "/readyz")[0] == 503:
            return True
        writer.write(again, 400_000)
        return False
    until("not ready", not_ready)
    status, got = server.admin().call("GET", f"{MAPS}/m1")
    expect(status == 200, got)
    expect(server.process.poll() is None, server.said())
    disk.make_room()
    until("ready by itself", lambda: server.admin().call("GET", "/readyz")[0] == 200)
    writer.check(server.admin())
    expect(server.terminate() == 0, server.said())
    again = Node("server", "--cluster-init", "--disable-agent", "--token", "t", home=disk.home, at=server.at, name=server.name).ready()
    writer.check(again.admin())
    expect(again.terminate() == 0, again.said())


def delete_all_but_three(writer, admin):
    """What deletions were answered with."""
    seen = {}
    for name in list(writer.kept)[3:]:   # a member that is defragmented is deaf for a moment
        def gone():
            status, got = admin.call("DELETE", f"{MAPS}/{name}")
            seen[status] = got
            return status in (200, 404)
        until("a deletion is taken", gone)
        del writer.kept[name]
    expect(set(seen) <= {200, 404, 503, 504}, seen)
    return seen


def test_quota_of_a_cluster():
    """three servers whose etcd reaches its quota: each answers 507 and reads, each says so once, and all go on after deletions"""
    flags = ("--disable-agent", "--token", "t", "--etcd-quota-bytes", str(24 << 20))
    first = Node("server", "--cluster-init", *flags).ready()
    servers = [first, *(Node("server", "--server", first.url, *flags) for _ in range(2))]
    admins = [s.ready().admin() for s in servers]
    writer = Writer()
    status, got = writer.until_refused(admins[0], 400_000, past=(503, 504))
    expect(status == 507, got)
    for admin in admins:
        expect(writer.write(admin, 10)[0] == 507, "still full, at every server")
        expect(admin.call("GET", f"{MAPS}/m1")[0] == 200, "reads go on")
    delete_all_but_three(writer, admins[1])
    for server, admin in zip(servers, admins):
        until(f"room at {server.name}", lambda a=admin: writer.write(a, 10)[0] == 201, 120)
    for server in servers:
        # Once each time: a member that is tidied up later than another can fill the cluster once more.
        told = until("room is the last that is told", lambda s=server: (seen := re.findall(r"datastore\.space_(exceeded|found)", s.said())) and seen[-1] == "found" and seen)
        expect(told == ["exceeded", "found"] * (len(told) // 2), server.said())
    writer.check(admins[2])
    for server in reversed(servers):
        expect(server.terminate() == 0, server.said())


def test_quota_of_embedded_etcd():
    """an etcd of ours whose file reaches its quota is answered with 507 once said in the log, and goes on by itself after deletions"""
    server = Node("server", "--cluster-init", "--disable-agent", "--token", "t", "--etcd-quota-bytes", str(24 << 20)).ready()
    writer, admin = Writer(), server.admin()
    status, got = writer.until_refused(admin, 400_000, past=(503, 504))
    expect(status == 507 and got["reason"] == "InsufficientStorage", got)
    expect_in("the datastore has no room left", got["message"])
    for _ in range(3):
        expect(writer.write(admin, 10)[0] == 507, "still full")
    expect(server.said().count("datastore.space_exceeded") == 1, server.said())
    expect_in("etcdctl", server.said())
    expect(admin.call("GET", f"{MAPS}/m1")[0] == 200, "reads go on")
    seen = delete_all_but_three(writer, admin)
    print("    deletions were answered with", sorted(seen), *(got.get("message") for status, got in seen.items() if status > 404), flush=True)
    until("room by itself", lambda: writer.write(admin, 10)[0] == 201, 120)
    server.says("datastore.space_found")
    writer.check(admin)
    expect(server.terminate() == 0, server.said())


def test_quota_of_an_etcd_of_others():
    """an etcd of others that is full is said once, with what to type; typed, the server goes on"""
    etcd, client = etcd_of_others("--quota-backend-bytes", str(24 << 20))
    server = None
    try:
        server = Node("server", "--disable-agent", "--token", "t", "--datastore-endpoint", client).ready()
        writer, admin = Writer(), server.admin()
        status, got = writer.until_refused(admin, 400_000)
        expect(status == 507, got)
        server.says("datastore.space_exceeded.*etcdctl compact, defrag --cluster, alarm disarm")
        for name in list(writer.kept)[3:]:
            expect(admin.call("DELETE", f"{MAPS}/{name}")[0] == 200, "deletions are taken")
            del writer.kept[name]

        def ctl(*words, or_says="\0"):
            done = subprocess.run(["etcdctl", f"--endpoints={client}", *words], capture_output=True, text=True, check=False,
                                  env=clean_environment(ETCDCTL_API="3"))
            expect(done.returncode == 0 or or_says in done.stderr, done.stdout + done.stderr)
            return done.stdout
        revision = json.loads(ctl("endpoint", "status", "-w", "json"))[0]["Status"]["header"]["revision"]
        ctl("compact", str(revision), or_says="has been compacted")   # by our server, as it does by itself
        ctl("defrag")
        ctl("alarm", "disarm")
        until("it writes again", lambda: writer.write(admin, 10)[0] == 201)
        writer.check(admin)
        expect(server.terminate() == 0, server.said())
    finally:
        if server is not None and server.process.poll() is None:
            server.kill()
        etcd.kill()
        etcd.wait()


if __name__ == "__main__":
    if not os.environ.get(INSIDE):
        missing = why_not()
        if missing:
            print(f"skipped: a disk of one's own cannot be mounted here: {missing}", flush=True)
            sys.exit(77)   # Meson's "skipped"
        os.execvpe("unshare", ["unshare", "-Urm", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})
    run(globals())
