"""Secrets at rest with real processes: what lies on the disk, what `troupe secrets-encrypt` says, and what a restart finds."""
import base64
import json
import os
import stat
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, expect, expect_in, run, run_binary, until, write

SECRETS = "/api/v1/namespaces/default/secrets"


def marker(number):
    return f"MARKER{number:03d}-of-a-secret-that-nobody-may-find"


def store(server, name, text):
    status, got = server.admin().call("POST", SECRETS, {"metadata": {"name": name}, "stringData": {"k": text}})
    expect(status == 201, got)


def read(server, name):
    status, got = server.admin().call("GET", f"{SECRETS}/{name}")
    expect(status == 200, got)
    return base64.b64decode(got["data"]["k"]).decode()


def files_with(server, text):
    """Files below <data>/server/db in which a Secret's text can be found, as it is or as Kubernetes writes it."""
    looked, found = 0, []
    for at, _, names in os.walk(server.home + "/data/server/db"):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                data = f.read()
            looked += 1
            if text.encode() in data or base64.b64encode(text.encode()) in data:
                found.append(os.path.join(at, name))
    expect(looked > 0, "there is a datastore to look into")
    return found


def encrypt(server, *words):
    return run_binary("secrets-encrypt", *words, "--data-dir", server.home + "/data", "--server", server.url)


def good(server, *words):
    code, said = encrypt(server, *words)
    expect(code == 0, said)
    return said


def next_life(server, *flags):
    return Node("server", "--disable-agent", *flags, home=server.home, at=server.at, name=server.name).ready()


def test_plain():
    """Without the flag a Secret's text lies in the datastore's files: this test could find it."""
    server = Node("server", "--disable-agent").ready()
    store(server, "one", marker(1))
    expect(files_with(server, marker(1)), "the text is there")
    expect(good(server, "status") == "Encryption Status: Disabled, no configuration file found\n", good(server, "status"))
    code, said = encrypt(server, "rotate-keys")
    expect(code == 1, said)
    expect_in("not enabled", said)
    server.terminate()


def test_flag():
    """With --secrets-encryption no file of the datastore holds a Secret's text, a restart reads it, status is K3s's."""
    server = Node("server", "--disable-agent", "--secrets-encryption").ready()
    store(server, "one", marker(2))
    expect(files_with(server, marker(2)) == [], "no file holds it")
    expect(files_with(server, "k8s:enc:aescbc:v1:aescbckey:"), "it is stored in Kubernetes' form")
    expect(good(server, "status") == "Encryption Status: Enabled\nCurrent Rotation Stage: start\n"
           "Server Encryption Hashes: All hashes match\n\nActive  Key Type  Name\n------  --------  ----\n"
           " *      AES-CBC   aescbckey\n", good(server, "status"))
    config = server.home + "/data/server/cred/encryption-config.json"
    expect(stat.S_IMODE(os.stat(config).st_mode) == 0o600, "the keys are their owner's alone")
    server.kill()
    expect(files_with(server, marker(2)) == [], "nor after it was killed")
    server = next_life(server)   # the files decide, not the flag
    expect(read(server, "one") == marker(2), "the next life reads it")
    store(server, "two", marker(3))
    expect(files_with(server, marker(3)) == [], "and goes on encrypting")
    server.terminate()


def all_stored_anew(servers, *texts):
    """No file of any server holds one of these any more, once etcd has let its history go."""
    for text in texts:
        for each in servers:
            expect(files_with(each, text) == [], f"{text} in the files of {each.name}")


def test_servers():
    """Three servers on embedded etcd: switched on, replaced and switched off at any of them, with writes everywhere meanwhile,
    and with one of them away, which finds the keys when it comes back."""
    first = Node("server", "--disable-agent", "--cluster-init").ready()
    servers = [first] + [Node("server", *flags, "--server", first.url, "--token", first.token()).ready() for flags in (("--disable-agent",), ())]   # the third has a Node
    a, b, c = servers
    for i in range(30):
        store(servers[i % 3], f"s{i}", marker(400 + i))
    expect(good(b, "status") == "Encryption Status: Disabled, no configuration file found\n", good(b, "status"))
    expect(good(b, "enable") == "secrets-encryption enabled\n", "K3s's words")
    status = json.loads(good(b, "status", "-o", "json"))
    expect(status["enable"] and status["hashmatch"] and status["stage"] == "reencrypt_finished" and status["activekey"] == "aescbckey", status)
    for each in servers:   # who was not asked hears what all the others hold by a moment later
        until(f"{each.name} says what {b.name} says", lambda: json.loads(good(each, "status", "-o", "json")) == status)
        store(each, "after-" + each.name, marker(500))
    all_stored_anew(servers, marker(500))

    wrote = []
    going = threading.Event()
    def write_on(at):
        while not going.is_set():
            store(at, f"w{len(wrote)}-{at.name}", marker(600))
            wrote.append(f"w{len(wrote)}-{at.name}")
    writers = [threading.Thread(target=write_on, args=(each,)) for each in servers]
    for one in writers:
        one.start()
    expect(good(c, "rotate-keys") == "keys rotated, reencryption finished\n", "K3s's words")
    expect(good(a, "rotate-keys") == "keys rotated, reencryption finished\n", "and once more at another")
    going.set()
    for one in writers:
        one.join()
    status = json.loads(good(a, "status", "-o", "json"))
    expect(status["hashmatch"] and "inactivekeys" not in status, status)
    for each in servers:
        until(f"{each.name} says what {a.name} says", lambda: json.loads(good(each, "status", "-o", "json")) == status)
    for each in servers:
        for i in range(30):
            expect(read(each, f"s{i}") == marker(400 + i), "every Secret is read at every server")
        _, got = each.admin().call("GET", SECRETS)
        expect(sum(1 for one in got["items"] if one["metadata"]["name"].startswith("w")) >= len(wrote), "none that was written meanwhile is lost")

    c.kill()
    code, said = encrypt(a, "rotate-keys")
    expect(code == 1, said)
    expect_in(f"nothing is heard of {c.name}", said)
    expect_in(f"hash does not match between {b.name} and {c.name}", good(b, "status"))
    store(b, "while-away", marker(501))
    c = servers[2] = next_life(c)
    expect(read(c, "while-away") == marker(501), "it reads what was stored under a key that it never had")
    until("the old key goes when it is back", lambda: "inactivekeys" not in json.loads(good(a, "status", "-o", "json")), every=0.5)

    for each in (c, b, a):
        each.process.terminate()
    for each in (c, b, a):
        expect(each.ends() == 0, each.said())


def test_moves():
    """A cluster of one that moves to a store of its own, changes its keys there, and moves back: the last keys hold."""
    server = Node("server", "--disable-agent", "--cluster-init", "--secrets-encryption").ready()
    store(server, "one", marker(8))
    good(server, "rotate-keys")
    server.process.terminate()
    expect(server.ends() == 0, server.said())
    db = server.home + "/data/server/db"
    code, said = run_binary("datastore", "migrate", "--from", "etcd", "--to", "sqlite", "--data-dir", server.home + "/data")
    expect(code == 0, said)
    os.rename(db + "/etcd", db + "/etcd.migrated")
    alone = next_life(server)
    expect(read(alone, "one") == marker(8), "read in the store of its own")
    good(alone, "rotate-keys")
    alone.process.terminate()
    expect(alone.ends() == 0, alone.said())
    again = next_life(server, "--cluster-init")
    expect(read(again, "one") == marker(8), "read in etcd again")
    def all_match():
        status = json.loads(good(again, "status", "-o", "json"))
        return status["hashmatch"] and "inactivekeys" not in status
    until("it holds by the keys of its last life", all_match)
    good(again, "rotate-keys")
    expect(read(again, "one") == marker(8), "and stored anew")
    again.terminate()


def test_begun_without():
    """In a cluster on etcd that was begun without it the flag is refused with a sentence, and changes nothing."""
    server = Node("server", "--disable-agent", "--cluster-init").ready()
    store(server, "one", marker(6))
    expect(files_with(server, marker(6)), "the text is there: in embedded etcd this test could find it")
    server.terminate()
    again = Node("server", "--disable-agent", "--secrets-encryption", home=server.home, at=server.at, name=server.name)
    expect(again.ends() == 1, again.said())
    expect_in("troupe secrets-encrypt enable", again.said())
    expect(not os.path.exists(server.home + "/data/server/cred/encryption-config.json"), "no key was made")


def test_enable_and_rotate():
    """Encryption is switched on in a running server, its key replaced, and switched off, with every Secret stored anew."""
    server = Node("server", "--disable-agent").ready()
    for i in range(100):
        store(server, f"s{i}", marker(100 + i))
    expect(good(server, "enable") == "secrets-encryption enabled\n", "K3s's words")
    expect_in(" *      AES-CBC   aescbckey\n", good(server, "status"))
    expect(good(server, "rotate-keys") == "keys rotated, reencryption finished\n", "K3s's words")
    status = json.loads(good(server, "status", "-o", "json"))
    expect(status["activekey"].startswith("aescbckey-20") and "inactivekeys" not in status, status)
    expect(status["stage"] == "reencrypt_finished" and status["hashmatch"], status)
    for i in (0, 50, 99):
        expect(read(server, f"s{i}") == marker(100 + i), "it reads as before")
    store(server, "fresh", marker(7))
    expect(files_with(server, marker(7)) == [], "what is new is on disk encrypted only")
    server.kill()
    server = next_life(server)
    expect(read(server, "s99") == marker(199), "the next life reads it")
    expect(good(server, "disable") == "secrets-encryption disabled\n", "K3s's words")
    expect_in("Encryption Status: Disabled\n", good(server, "status"))
    expect(files_with(server, marker(7)), "plain again")
    server.terminate()


def test_refusals():
    """What cannot be asked is refused in a sentence: K3s's other commands, no token, another password, no server."""
    server = Node("server", "--disable-agent").ready()
    for other in ("prepare", "rotate", "reencrypt"):
        code, said = encrypt(server, other)
        expect(code == 2, said)
        expect_in("rotate-keys", said)
    expect(encrypt(server)[0] == 2 and encrypt(server, "nonsense")[0] == 2, "usage")
    code, said = encrypt(server, "status", "--token", "wrong")
    expect(code == 1, said)
    expect_in("not authorized", said)
    code, said = run_binary("secrets-encrypt", "status", "--data-dir", server.home + "/nowhere", "--server", server.url)
    expect(code == 1, said)
    expect_in("--data-dir", said)
    server.terminate()
    code, said = encrypt(server, "status")
    expect(code == 1, said)
    expect_in("is it running", said)
    config = server.home + "/data/server/cred/encryption-config.json"
    write(config, "{}")
    broken = Node("server", "--disable-agent", home=server.home, at=server.at, name=server.name)
    expect(broken.ends() == 1, broken.said())
    expect_in("encryption-config.json cannot be used", broken.said())
    provider = Node("server", "--disable-agent", "--secrets-encryption", "--secrets-encryption-provider", "secretbox")
    expect(provider.ends() == 2, provider.said())
    expect_in("secretbox", provider.said())


run(globals())
