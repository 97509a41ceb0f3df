"""The way back: snapshots restored in every engine and on a new machine, a quorum that is gone, and what is refused untouched."""
import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, expect, expect_in, folder, run, until, write
from upkeep import ENGINES, again, mark, marks, on_data_of, save, tree


def start(engine="sqlite", *flags, token="secret", **more):
    return Node("server", "--disable-agent", "--token", token, *ENGINES[engine], *flags, **more).ready()


def restore(node, path, *flags):
    return on_data_of(node, "--cluster-reset", f"--cluster-reset-restore-path={path}", *flags)


def test_restore():
    """in every engine a restore brings back what was then, keeps what was since aside, and goes on with later revisions"""
    for engine, flags in ENGINES.items():
        node = start(engine)
        mark(node, "before")
        path = save(node)
        newest = mark(node, "since")
        node.terminate()
        code, said = restore(node, path, *flags)
        expect(code == 0, f"{engine}: {code}: {said}")
        for words in ("is whole", "revisions go on at", "the data of before is in", "start this server again without --cluster-reset"):
            expect_in(words, said)
        expect(len(glob.glob(f"{node.home}/data/server/db/*-old-*")) >= 1, os.listdir(node.home + "/data/server/db"))
        node = again(node, *flags).ready()
        expect(marks(node) == ["before"], f"{engine}: {marks(node)}")
        expect(mark(node, "later") > newest + 900_000, f"{engine}: revisions went back")
        expect(not os.path.exists(node.home + "/data/server/db/reset-flag"), "the flag stayed")
        expect(node.terminate() == 0, node.said())


def test_new_machine():
    """on a new machine the snapshot, its manifest and the token are enough: the same cluster comes back"""
    for engine, flags in ENGINES.items():
        node = start(engine)
        mark(node, "before")
        path = save(node)
        authority = open(node.home + "/data/server/tls/server-ca.crt", encoding="utf-8").read()
        node.terminate()
        home = folder("new")
        there = Node.__new__(Node)
        there.home, there.at, there.name, there.kubeconfig = home, node.at, node.name, home + "/kubeconfig"
        code, said = restore(there, path, *flags)
        expect(code == 1 and "--token" in said, f"without a token: {code}: {said}")
        code, said = restore(there, path, "--token", "secret", *flags)
        expect(code == 0, f"{engine}: {code}: {said}")
        after = again(there, *flags).ready()
        expect(marks(after) == ["before"], marks(after))
        expect(open(home + "/data/server/tls/server-ca.crt", encoding="utf-8").read() == authority, "it has another CA")
        expect(after.token() == node.token(), "it has another token")
        after.terminate()


def test_refused_untouched():
    """a cut snapshot, one of another cluster, token or engine, and a server that runs are refused by name, and nothing is touched"""
    nodes = {engine: start(engine) for engine in ENGINES}
    paths = {engine: save(node) for engine, node in nodes.items()}
    stranger = start(token="secret")   # the same word, another cluster
    for engine, node in nodes.items():
        code, said = restore(node, paths[engine], *ENGINES[engine])
        expect(code == 1 and ("in use" in said or "stop the server" in said), f"{engine} while it runs: {code}: {said}")
        expect(marks(node) == [], "it still answers")
    foreign = save(stranger)
    for node in (*nodes.values(), stranger):
        node.terminate()
    for engine, node in nodes.items():
        flags = ENGINES[engine]
        cut = folder("cut") + "/cut"
        if os.path.isdir(paths[engine]):
            shutil.copytree(paths[engine], cut)
            victim = max((os.path.join(cut, f) for f in os.listdir(cut)), key=os.path.getsize)
        else:
            shutil.copy(paths[engine], cut)
            victim = cut
        os.truncate(victim, os.path.getsize(victim) - 7)
        shutil.copy(paths[engine] + ".json", cut + ".json")
        bare = folder("bare") + "/bare"
        (shutil.copytree if os.path.isdir(paths[engine]) else shutil.copy)(paths[engine], bare)
        garbled = write(folder("garbled") + "/garbled", "x")
        write(garbled + ".json", "{not json")
        other = paths["rocksdb" if engine == "sqlite" else "sqlite"]
        before = tree(node.home + "/data/server")
        for path, more, words in ((cut, (), "cut off or altered"), (other, (), "is a snapshot of"), (bare, (), "saved beside every snapshot"),
                                  (garbled, (), "cannot be read"), ("/nowhere/at-all", (), "there is no snapshot"),
                                  (paths[engine], ("--token", "another"), "cannot be opened with this token"),
                                  (paths[engine], ("--token", "secret", "--server", "https://127.0.0.1:6443"), "leave --server out")):
            code, said = restore(node, path, *flags, *more)
            expect(code in (1, 2) and words in said, f"{engine}, {path}: {code}: {said}")
            expect(tree(node.home + "/data/server") == before, f"{engine}, {words}: something was touched")
        if engine == "sqlite":
            code, said = restore(node, foreign)
            expect(code == 1 and "another cluster" in said, f"{code}: {said}")
            expect(tree(node.home + "/data/server") == before, "something was touched")
        node = again(node, *flags).ready()
        node.terminate()


def test_damaged_store():
    """a server whose database no longer opens is brought back from a snapshot"""
    node = start()
    mark(node, "before")
    path = save(node)
    node.terminate()
    write(node.home + "/data/server/db/state.db", "noise" * 4000)
    code, said = restore(node, path)
    expect(code == 0, f"{code}: {said}")
    node = again(node).ready()
    expect(marks(node) == ["before"], marks(node))
    node.terminate()


def test_lost_quorum():
    """when two of three servers are lost, a reset makes the third a cluster of its own with all its data, and others join it again"""
    one = start("etcd")
    join = ("--token", "secret", "--server", one.url)
    two, three = (Node("server", "--disable-agent", *join).ready() for _ in range(2))
    newest = mark(one, "before")
    code, said = on_data_of(one, "--cluster-reset")
    expect(code == 1 and "in use" in said, f"while it runs: {code}: {said}")
    two.kill(), three.kill()
    one.terminate()
    code, said = until("the data is free", lambda: (lambda got: got if "in use" not in got[1] else None)(on_data_of(one, "--cluster-reset")))
    expect(code == 0, f"{code}: {said}")
    for words in ("the only member", "revisions go on at", "on every other server"):
        expect_in(words, said)
    code, said = on_data_of(one, "--cluster-reset")
    expect(code == 1 and "was reset already" in said, f"a second time: {code}: {said}")
    one = again(one).ready()
    expect(marks(one) == ["before"], marks(one))
    expect(mark(one, "alone") > newest + 900_000, "revisions went back")
    shutil.move(two.home + "/data/server/db/etcd", two.home + "/data/server/db/etcd-away")
    two = again(two, *join).ready()
    expect(marks(two) == ["alone", "before"], marks(two))
    mark(two, "together")
    until("both see it", lambda: "together" in marks(one))
    one.terminate(), two.terminate()


def test_reset_after_a_kill():
    """a reset on any server of a cluster that was killed at once keeps every write that was acknowledged, the last one too"""
    one = start("etcd")
    join = ("--token", "secret", "--server", one.url)
    two, three = (Node("server", "--disable-agent", *join).ready() for _ in range(2))
    servers = (one, two, three)
    names = [f"m{i:02}" for i in range(12)]
    for name in names:
        mark(one, name)
    for s in servers:   # two of three make an acknowledgement; what the third has not heard of it cannot keep
        until(f"{s.name} has all", lambda: marks(s) == names, every=0)
    for s in servers:
        s.process.kill()
    for s in servers:
        s.process.wait()
    for s in servers:   # each of them for itself, as if the others were lost
        code, said = until("the data is free", lambda: (lambda got: got if "in use" not in got[1] else None)(on_data_of(s, "--cluster-reset")))
        expect(code == 0, f"{code}: {said}")
        back = again(s).ready()
        expect(marks(back) == names, f"{s.name}: {marks(back)}\n{said}")
        expect(back.terminate() == 0, back.said())


def test_nothing_to_reset():
    """a server without etcd of its own has nothing to reset, and a restore path alone means nothing"""
    node = start()
    node.terminate()
    code, said = on_data_of(node, "--cluster-reset")
    expect(code == 1 and "nothing to reset" in said, f"{code}: {said}")
    code, said = on_data_of(node, "--cluster-reset-restore-path=/x")
    expect(code == 2 and "needs --cluster-reset" in said, f"{code}: {said}")


if __name__ == "__main__":
    run(globals())
