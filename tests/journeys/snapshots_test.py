"""Snapshots: taken from a running server of each engine, listed, deleted, pruned, taken by schedule, never half there."""
import hashlib
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, expect, expect_in, folder, run, run_binary, until, write

ENGINES = {"sqlite": (), "rocksdb": ("--datastore-endpoint", "rocksdb"), "etcd": ("--cluster-init",)}
_servers = {}


def server(engine):
    """One server for each engine serves all tests that leave it alone."""
    if engine not in _servers:
        _servers[engine] = Node("server", "--disable-agent", "--token", "secret", *ENGINES[engine]).ready()
        _servers[engine].kubectl("create", "configmap", "before", "--from-literal=a=b")
    return _servers[engine]


def snapshot(node, *words, ok=True):
    code, said = run_binary("etcd-snapshot", *words, "--data-dir", node.home + "/data")
    expect((code == 0) == ok, f"etcd-snapshot {' '.join(words)}: exit code {code}: {said}")
    return said


def save(node, *words):
    """The name of a new one; names differ by the second."""
    def attempt():
        code, said = run_binary("etcd-snapshot", "save", *words, "--data-dir", node.home + "/data")
        found = re.search(r"Snapshot (\S+) saved\.", said)
        expect(found or "already" in said, f"exit code {code}: {said}")
        return found and found.group(1)
    return until("a snapshot is saved", attempt)


def names(node, *words):
    return [i["spec"]["snapshotName"] for i in json.loads(snapshot(node, "ls", "-o", "json", *words))["items"]]


def digest(path):
    """As the manifest defines it: of a file, or of sha256sum's lines about a folder's files."""
    if os.path.isfile(path):
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    files = sorted(os.path.relpath(os.path.join(at, f), path) for at, _, fs in os.walk(path) for f in fs)
    return hashlib.sha256("".join(f"{digest(os.path.join(path, f))}  {f}\n" for f in files).encode()).hexdigest()


def test_save_list_delete():
    """a snapshot of each engine is saved beside a manifest that describes it, listed, and deleted"""
    for engine in ENGINES:
        node = server(engine)
        name = save(node)
        expect(re.fullmatch(rf"on-demand-{node.name}-\d{{10}}", name), name)
        at = f"{node.home}/data/server/db/snapshots"
        expect(os.stat(at).st_mode & 0o777 == 0o700, oct(os.stat(at).st_mode))
        with open(f"{at}/{name}.json", encoding="utf-8") as f:
            manifest = json.load(f)
        expect(manifest["engine"] == engine and manifest["node"] == node.name, manifest)
        expect(manifest["sha256"] == digest(f"{at}/{name}"), "the digest in the manifest is another")
        expect(manifest["head"] > 0 and manifest["cluster"] in node.token(), manifest)
        expect("secret" not in json.dumps(manifest), "the manifest holds the token")
        table = snapshot(node, "ls").splitlines()
        expect(table[0].split() == ["Name", "Location", "Size", "Created"], table)
        expect_in(f"{name} file://{at}/{name}", re.sub(" +", " ", table[1]))
        expect(str(manifest["bytes"]) in table[1], table)
        said = snapshot(node, "delete", "nobody-1", ok=False)
        expect_in("there is no snapshot nobody-1", said)
        expect(names(node) == [name], names(node))
        snapshot(node, "delete", name)
        expect(names(node) == [] and os.listdir(at) == [], os.listdir(at))


def test_prune():
    """prune keeps the newest of a name and touches no other name"""
    node = server("sqlite")
    kept = save(node, "--name", "other")
    made = [save(node, "--name", "mine") for _ in range(3)]
    said = snapshot(node, "prune", "--name", "mine", "--snapshot-retention", "1")
    expect(said.count("deleted.") == 2 and made[0] in said and made[1] in said, said)
    expect(sorted(names(node)) == sorted([kept, made[2]]), names(node))
    snapshot(node, "delete", kept, made[2])


def test_another_folder():
    """a snapshot goes to the folder that is named, which must be there, and never over another"""
    node = server("etcd")
    said = snapshot(node, "save", "--dir", node.home + "/nowhere", ok=False)
    expect_in("there is no folder", said)
    there = folder("elsewhere")
    name = save(node, "--dir", there)
    expect(names(node, "--dir", there) == [name] and names(node) == [], "it is not where it belongs")
    before = digest(f"{there}/{name}")
    save(node, "--dir", there)
    expect(digest(f"{there}/{name}") == before, "it was written over")


def test_refusals():
    """names that leave the folder, a wrong token, a stopped server and what is not built are refused in a sentence"""
    node = server("sqlite")
    expect_in("name is made of", snapshot(node, "save", "--name", "../../etc", ok=False))
    expect_in("401", snapshot(node, "ls", "--token", "wrong", ok=False))
    expect_in("full path", snapshot(node, "save", "--dir", "here", ok=False))
    expect_in("is there a server", run_binary("etcd-snapshot", "ls", "--data-dir", folder())[1])
    expect(run_binary("etcd-snapshot", "restore")[0] == 2, "restore is no command")
    for flag, value, words in (("--etcd-snapshot-schedule-cron", "every day", "cannot be read"), ("--etcd-snapshot-schedule-cron", "0 0 31 2 *", "no day"),
                               ("--etcd-snapshot-retention", "many", "number"), ("--etcd-snapshot-name", "a/b", "letters")):
        code, said = run_binary("server", "--data-dir", folder(), flag, value)
        expect(code == 2 and flag in said and words in said, f"{flag}: {code}: {said}")


def test_disk_full():
    """a snapshot that the disk has no room for fails with its reason and leaves nothing; the server goes on"""
    small = folder("small")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", small], capture_output=True).returncode == 0
    if not mounted:
        small = "/proc/sys/vm"   # no right to mount: a folder in which nobody can make a file
    try:
        before = os.listdir(small)
        for engine in ENGINES:
            node = server(engine)
            said = snapshot(node, "save", "--dir", small, ok=False)
            expect_in("nothing of it is left", said)
            expect(os.listdir(small) == before, f"{engine}: {os.listdir(small)}")
            node.kubectl("get", "configmap", "before")
            node.kubectl("create", "configmap", "after-" + engine)
    finally:
        if mounted:
            subprocess.run(["umount", small], check=True)


def test_schedule():
    """scheduled snapshots come by themselves and the oldest go, in every engine; what a dead server left is swept"""
    for engine, flags in ENGINES.items():
        home = folder("server")
        at = f"{home}/data/server/db/snapshots"
        os.makedirs(at, mode=0o700)
        write(f"{at}/.etcd-snapshot-timed{engine}-5.part", "half")
        write(f"{at}/.etcd-snapshot-another-5.part", "half")
        node = Node("server", "--disable-agent", "--token", "secret", "--etcd-snapshot-schedule-cron", "@every 1s", "--etcd-snapshot-retention", "2", *flags,
                    home=home, name=f"timed{engine}").ready()
        seen = set()
        until("five were taken", lambda: seen.update(names(node)) or len(seen) >= 5, process=node.process, every=0.2)
        until("two are kept", lambda: len(names(node)) <= 2, every=0.2)
        expect(all(n.startswith(f"etcd-snapshot-timed{engine}-") for n in seen), seen)
        expect(not os.path.exists(f"{at}/.etcd-snapshot-timed{engine}-5.part"), os.listdir(at))
        expect(os.path.exists(f"{at}/.etcd-snapshot-another-5.part"), "another server's was swept")
        expect(node.terminate() == 0, node.said())


def test_disabled():
    """with --etcd-disable-snapshots none is taken by itself, and one on demand still can be"""
    node = Node("server", "--disable-agent", "--etcd-disable-snapshots", "--etcd-snapshot-schedule-cron", "@every 1s").ready()
    name = save(node)
    later = save(node)
    expect(names(node) == [name, later], names(node))
    node.terminate()


if __name__ == "__main__":
    run(globals())
