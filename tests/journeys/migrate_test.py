"""From one engine into another: by command while the server stands still, and by the one flag --cluster-init."""
import os
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Node, address, expect, expect_in, folder, run, run_binary, until
from upkeep import ENGINES, again, mark, marks, on_data_of, tree

STORES = {"sqlite": "state.db", "rocksdb": "rocks", "etcd": "etcd"}


def start(engine="sqlite", *flags):
    return Node("server", "--disable-agent", "--token", "secret", *ENGINES[engine], *flags).ready()


def migrate(node, source, target):
    return on_data_of(node, "migrate", "--from", source, "--to", target, command="datastore")


def db(node, name=""):
    return f"{node.home}/data/server/db/{name}"


def digests(node, engine):
    return {name: digest for name, digest in tree(db(node)).items() if name.startswith(STORES[engine])}


def test_round_trip():
    """objects go from each engine to the next and come home; sources stay as they were, revisions only grow, a present target is refused"""
    node = start("sqlite")
    newest = mark(node, "in-sqlite")
    known = ["in-sqlite"]
    for source, target in (("sqlite", "rocksdb"), ("rocksdb", "etcd"), ("etcd", "sqlite")):
        code, said = migrate(node, source, target)
        expect(code == 1 and ("in use" in said or "stop the server" in said), f"while it runs: {code}: {said}")
        expect(node.terminate() == 0, node.said())
        before = digests(node, source)
        if target == "sqlite":
            code, said = migrate(node, source, target)
            expect(code == 1 and "is there already" in said, f"{code}: {said}")
            os.rename(db(node, "state.db"), db(node, "state.db.before"))
        code, said = migrate(node, source, target)
        expect(code == 0, f"{source} to {target}: {code}: {said}")
        expect_in("compared byte by byte", said)
        expect(digests(node, source) == before, f"{source} was changed")
        expect(not os.path.exists(db(node, "migrating")), "a rest stays")
        if source == "etcd":
            expect_in(f"mv {db(node, 'etcd')} ", said)
            os.rename(db(node, "etcd"), db(node, "etcd.migrated"))
        node = again(node, *ENGINES[target]).ready()
        expect(marks(node) == sorted(known), f"{target}: {marks(node)}")
        later = mark(node, "in-" + target + "-again" * (target == "sqlite"))
        expect(later > newest + 900_000, f"{target}: revision {later} after {newest}")
        newest = later
        known.append("in-" + target + "-again" * (target == "sqlite"))
        if target == "etcd":   # as the Node of another server, whose member nobody can take out where there is no etcd any more
            status, got = node.admin().call("POST", "/api/v1/nodes", {"metadata": {"name": "other", "finalizers": ["wrangler.cattle.io/managed-etcd-controller"]}})
            expect(status == 201, got)
    expect(node.admin().call("DELETE", "/api/v1/nodes/other")[0] == 200, "it is there")
    until("it is let go", lambda: node.read("/api/v1/nodes/other") is None)
    node.terminate()


def test_refusals():
    """what is not there, the same twice and nonsense are refused in a sentence, and nothing appears"""
    node = start("sqlite")
    node.terminate()
    before = tree(db(node))
    for source, target, words in (("etcd", "sqlite", "there is no etcd datastore"), ("sqlite", "sqlite", "the same kind"), ("mysql", "sqlite", "--from must be"),
                                  ("sqlite", "nats", "--to must be")):
        code, said = migrate(node, source, target)
        expect(code == 1 and words in said, f"{source} to {target}: {code}: {said}")
    expect(run_binary("datastore", "migrate", "--from", "sqlite")[0] == 2, "without --to")
    expect(run_binary("datastore", "drop")[0] == 2, "there is no such command")
    expect(tree(db(node)) == before, "something was touched")


def test_damaged_source():
    """a damaged source is refused and no target appears"""
    node = start("sqlite")
    for i in range(20):
        mark(node, f"m{i}")
    node.terminate()
    size = os.path.getsize(db(node, "state.db"))
    with open(db(node, "state.db"), "r+b") as f:
        f.seek(size // 2)
        f.write(b"\xff" * 4096)
    before = tree(db(node))
    code, said = migrate(node, "sqlite", "rocksdb")
    expect(code == 1 and "state.db" in said, f"{code}: {said}")
    expect(tree(db(node)) == before, "something was touched")
    moved = again(node, "--cluster-init")
    expect(moved.ends() == 1, moved.said())
    expect_in("the old datastore is as it was", moved.said())
    expect(tree(db(node)).items() >= before.items(), "the source was touched")


def healthy(url):
    try:
        with urllib.request.urlopen(url + "/health", timeout=5) as answer:
            return b'"true"' in answer.read()
    except OSError:
        return False


def test_foreign_etcd():
    """objects go to an etcd of others and back; one that has keys is refused"""
    node = start("sqlite")
    mark(node, "before")
    node.terminate()
    at = address()
    url = f"http://{at}:2379"
    etcd = subprocess.Popen(["etcd", "--data-dir", folder("etcd"), "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", f"http://{at}:2380",
                             "--initial-advertise-peer-urls", f"http://{at}:2380", "--initial-cluster", f"default=http://{at}:2380"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    harness._alive.append(etcd)
    until("etcd answers", lambda: healthy(url), process=etcd)
    code, said = migrate(node, "sqlite", url)
    expect(code == 0, f"{code}: {said}")
    expect_in(f"--datastore-endpoint={url}", said)
    code, said = migrate(node, "sqlite", url)
    expect(code == 1 and "not empty" in said, f"a second time: {code}: {said}")
    there = again(node, "--datastore-endpoint", url).ready()
    expect(marks(there) == ["before"], marks(there))
    mark(there, "outside")
    there.terminate()
    code, said = migrate(there, url, "rocksdb")
    expect(code == 0, f"{code}: {said}")
    home = again(there, *ENGINES["rocksdb"]).ready()
    expect(marks(home) == ["before", "outside"], marks(home))
    home.terminate()


def test_one_flag():
    """a server alone that is started with --cluster-init moves its objects to etcd, and a second server joins it"""
    for engine in ("sqlite", "rocksdb"):
        node = start(engine)
        newest = mark(node, "before")
        node.terminate()
        node = again(node, "--cluster-init").ready()
        node.says(rf"\d+ keys moved from {engine} to etcd and compared")
        expect(marks(node) == ["before"], marks(node))
        expect(mark(node, "after") > newest + 900_000, "revisions went back")
        expect(os.path.exists(db(node, STORES[engine] + ".migrated")) and not os.path.exists(db(node, STORES[engine])), os.listdir(db(node)))
        second = Node("server", "--disable-agent", "--token", "secret", "--server", node.url).ready()
        expect(marks(second) == ["after", "before"], marks(second))
        second.terminate(), node.terminate()
        if engine == "rocksdb":
            continue
        node, second = again(node), again(second, "--token", "secret", "--server", node.url)   # no flag is needed any more
        expect(marks(node.ready()) == ["after", "before"], marks(node))
        second.ready().terminate(), node.terminate()


def test_half_way():
    """a server that is killed while it moves uses its old datastore afterwards, and can move again"""
    node = start("sqlite")
    for i in range(5):
        mark(node, f"m{i}")
    expected = marks(node)
    node.terminate()
    dying = again(node, "--cluster-init")
    until("etcd has begun", lambda: os.path.exists(db(node, "etcd/member/snap/db")), process=dying.process)
    dying.kill()
    expect(os.path.exists(db(node, "state.db")) and os.path.exists(db(node, "moving-to-etcd")), os.listdir(db(node)))
    until("its etcd is gone", lambda: subprocess.run(["pgrep", "-f", db(node, "etcd")], capture_output=True).returncode != 0)
    node = again(node).ready()
    expect(marks(node) == expected, marks(node))
    expect(not os.path.exists(db(node, "etcd")) and not os.path.exists(db(node, "moving-to-etcd")), os.listdir(db(node)))
    mark(node, "still-in-sqlite")
    node.terminate()
    node = again(node, "--cluster-init").ready()
    expect(marks(node) == sorted(expected + ["still-in-sqlite"]), marks(node))
    node.terminate()


if __name__ == "__main__":
    run(globals())
