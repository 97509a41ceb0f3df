"""Secrets at rest with real processes: what lies on the disk, what `troupe secrets-encrypt` says, and what a restart finds."""
import base64
import json
import os
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, expect, expect_in, run, run_binary, write

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


def test_embedded_etcd():
    """The same in embedded etcd, whose keys cannot be changed at run time: others may share it."""
    server = Node("server", "--disable-agent", "--secrets-encryption", "--cluster-init").ready()
    store(server, "one", marker(4))
    expect(files_with(server, "k8s:enc:aescbc:v1:aescbckey:"), "it is stored in Kubernetes' form")
    expect(files_with(server, marker(4)) == [], "no file holds it")
    code, said = encrypt(server, "rotate-keys")
    expect(code == 1, said)
    expect_in("would not know the new keys", said)
    second = Node("server", "--disable-agent", "--server", server.url, "--token", server.token()).ready()
    expect(read(second, "one") == marker(4), "a server that joins has the key")
    store(second, "two", marker(5))
    expect(read(server, "two") == marker(5), "and the first one reads what it stores")
    expect(files_with(server, marker(5)) == [] and files_with(second, marker(5)) == [], "encrypted as well")
    for each in (second, server):   # one alone would have nobody to vote with
        each.process.terminate()
    expect(second.ends() == 0 and server.ends() == 0, "both end")


def test_begun_without():
    """In a cluster on etcd that was begun without it the flag is refused with a sentence, and changes nothing."""
    server = Node("server", "--disable-agent", "--cluster-init").ready()
    store(server, "one", marker(6))
    expect(files_with(server, marker(6)), "the text is there: in embedded etcd this test could find it")
    server.terminate()
    again = Node("server", "--disable-agent", "--secrets-encryption", home=server.home, at=server.at, name=server.name)
    expect(again.ends() == 1, again.said())
    expect_in("was begun without it", again.said())
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
