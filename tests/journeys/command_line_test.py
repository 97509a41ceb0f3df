"""The command line, the configuration file and the commands beside server and agent: what is refused, and how."""
import json
import os
import re
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Node, address, clean_environment, expect, expect_in, folder, run, run_binary, write
import subprocess


def refused(*arguments, code=2, **env):
    got, said = run_binary(*arguments, **env)
    expect(got == code, f"exit code {got}, and it said:\n{said}")
    expect(said.count("\n") <= 6, f"more than a few lines:\n{said}")
    return said


def test_unknown_flag():
    """an unknown flag names the nearest known one, and nothing starts"""
    expect_in("--data-dr is no flag of `troupe server`; did you mean --data-dir?", refused("server", "--data-dr", "/x"))
    expect_in("did you mean --token?", refused("agent", "--tokken=secret-7"))
    expect("secret-7" not in refused("agent", "--tokken=secret-7"), "the value was repeated")


def test_unbuilt_flag():
    """a K3s flag that is not built yet says so by name"""
    expect_in("--kine-tls is a K3s flag that this version of troupe does not have yet", refused("server", "--kine-tls"))
    expect_in("K3S_DATASTORE_ENDPOINT", refused("server", K3S_DATASTORE_ENDPOINT="postgres://x"))


def test_stray_words():
    """a word too many, a flag without its value and an unknown command are refused"""
    expect_in("there is no place for \"now\"", refused("server", "now"))
    expect_in("--token", refused("server", "--token"))
    expect_in("no command \"sevrer\"", run_binary("sevrer")[1])


def test_help():
    """help lists every flag with its default, and version says the version"""
    code, said = run_binary("server", "--help")
    expect(code == 0, said)
    for word in ("--data-dir", "-t,--token", "--write-kubeconfig-mode", "[6443]"):
        expect_in(word, said)
    expect("--kine-tls" not in said, "help promises what is not built")
    expect(re.match(r"troupe v1\.\d+\.\d+\+troupe", run_binary("version")[1]), "version")


def test_config_file():
    """a configuration file with a tab, a nested map, an unknown key or noise is refused with file and line"""
    path = folder() + "/config.yaml"
    for text, words in (("debug: true\n\ttoken: x\n", "line 2"), ("tls-san: a\ntoken:\n  a: b\n", "line 2: token takes"),
                        ("a-key: x\n", "line 1: a-key is no flag"), ("nod-name: x\n", "did you mean --node-name?"),
                        ("kine-tls: true\n", "line 1: kine-tls is a K3s flag"), ("\x00\xff\x01", ""), ("- a\n", "flag: value")):
        write(path, text.encode("latin-1"))
        # Were it taken, it must not become a server of this machine.
        said = refused("server", "--config", path, "--data-dir", folder(), "--identity-dir", folder(), "--bind-address", address(), patience=10)
        expect_in(path, said)
        expect_in(words, said)


def test_config_drop_in():
    """a drop-in is read after its file, and is named when it is wrong"""
    path = folder() + "/config.yaml"
    os.mkdir(path + ".d")
    write(path, "debug: true\n")
    write(path + ".d/20-b.YML", "bad-key: 1\n")
    write(path + ".d/ignored.txt", "\t")
    expect_in(path + ".d/20-b.YML, line 1", refused("server", TROUPE_CONFIG_FILE=path))
    expect_in("is a directory", refused("server", "--config", path + ".d"))


def test_bad_values():
    """values that make no sense are refused by name before anything is written"""
    home = folder()
    for flags, words in ((["--node-name", "No_Dns Name"], "--node-name"), (["--https-listen-port", "70000"], "--https-listen-port"),
                         (["--bind-address", "here"], "--bind-address"), (["--node-taint", "x"], "--node-taint"),
                         (["--node-ip", "1.2.3"], "--node-ip"), (["--service-cidr", "10.43.0.0"], "--service-cidr")):
        expect_in(words, refused("server", "--data-dir", home + "/data", *flags))
    expect(not os.path.exists(home + "/data"), "something was written")
    expect_in("--server", refused("agent", "--token", "t"))
    expect_in("https://", refused("agent", "--token", "t", "--server", "http://127.0.0.1:6443"))


def test_big_token():
    """a token of 1 MiB is refused, from a file and from the configuration, and never repeated"""
    big = "tokenbytes" * 104858
    home = folder()
    said = refused("agent", "--server", f"https://{address()}:6443", "--token-file", write(home + "/t", big))
    expect_in("larger than", said)
    path = write(home + "/c.yaml", f"token: {big}\n")
    code, said = run_binary("server", "--config", path, "--data-dir", home + "/data", "--identity-dir", home + "/id",
                            "--bind-address", address(), "--write-kubeconfig", home + "/k")
    expect(code in (1, 2), f"exit code {code}")
    expect_in("token", said)
    expect("tokenbytestokenbytes" not in said, "the token was repeated")


def test_token_generate():
    """`token generate` makes bootstrap tokens, never twice the same; what is misspelt says so"""
    seen = {run_binary("token", "generate")[1] for _ in range(5)}
    expect(len(seen) == 5 and all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}\n", t) for t in seen), seen)
    expect_in("six letters or digits", refused("token", "create", "short.token"))
    expect_in("is a time as 24h", refused("token", "create", "--ttl", "soon"))
    expect_in("knows no --colour", refused("token", "list", "--colour"))
    expect_in("which node?", refused("node", "revoke"))


def test_title():
    """the process title shows no flag, so no secret either"""
    node = Node("server", "--token", "very-secret", "--disable-agent").ready()
    with open(f"/proc/{node.process.pid}/cmdline", "rb") as f:
        title = f.read()
    expect(title.strip(b"\0") == b"troupe server", title)
    expect("very-secret" not in node.said(), "the log shows the token")
    node.terminate()


def test_environment_and_files():
    """flag, drop-in, file and environment reach the running node in their order"""
    home = folder()
    path = write(home + "/config.yaml", "token: from-file\nnode-label: [a=1]\n")
    os.mkdir(path + ".d")
    write(path + ".d/1.yaml", "node-label+: [b=2]\n")
    node = Node("server", "--config", path, env={"K3S_TOKEN": "from-k3s", "TROUPE_NODE_IP": "10.9.8.7"}).ready()
    expect(node.token().endswith("::server:from-file"), node.token())
    labels = node.kubectl("get", "node", node.name, "-o", "jsonpath={.metadata.labels.a}{.metadata.labels.b}")
    expect(labels == "12", labels)
    expect_in("10.9.8.7", node.kubectl("get", "node", node.name, "-o", "wide"))
    node.terminate()


def test_kubectl():
    """`troupe kubectl` hands everything to the installed kubectl, with the kubeconfig that the caller chose"""
    home = folder()
    fake = write(home + "/kubectl", "#!/bin/sh\necho \"KUBECONFIG=$KUBECONFIG\"; printf '<%s>' \"$@\"; exit 7\n", 0o755)
    del fake
    code, said = run_binary("kubectl", "get", "pods", "-o", "a b", PATH=home + ":/usr/bin:/bin", KUBECONFIG="/chosen")
    expect(code == 7, said)
    expect_in("KUBECONFIG=/chosen", said)
    expect_in("<get><pods><-o><a b>", said)
    code, said = run_binary("kubectl", PATH=home + "/nowhere")
    expect(code == 127 and "kubernetes-client" in said, said)


def test_console():
    """`console --once` shows every actor over a socket that only its owner may open, and says when nobody answers"""
    node = Node("server").ready()
    code, said = run_binary("console", "--once", "--data-dir", node.home + "/data")
    expect(code == 0, said)
    for actor in ("DEPTH", "LAST MESSAGE", "server", "shard", "kind_keeper", "switchboard", "kubelet"):
        expect_in(actor, said)
    expect(stat.S_IMODE(os.stat(node.home + "/data/admin.sock").st_mode) & 0o077 == 0, "others may open the socket")
    code, said = run_binary("console", "--json", "--data-dir", node.home + "/data")
    expect(code == 0 and json.loads(said), said)
    node.terminate()
    code, said = run_binary("console", "--once", "--data-dir", node.home + "/data")
    expect(code == 1 and "admin.sock" in said, said)


def test_install():
    """`install` writes binary, unit and secrets below a root, `uninstall` takes them and the data away, not the identity"""
    root = folder()
    code, said = run_binary("install", "server", "--root", root, "--token", "the secret", "--data-dir", "/srv/t",
                            "--tls-san", 'odd "$%', K3S_NODE_NAME="n7")
    expect(code == 0, said)
    unit_path = root + "/etc/systemd/system/troupe.service"
    with open(unit_path, encoding="utf-8") as f:
        unit = f.read()
    for line in ("Type=notify", "KillMode=process", "Delegate=yes", "Restart=always", "RestartSec=5s", "LimitNOFILE=1048576",
                 "TimeoutStartSec=0", 'ExecStart=/usr/local/bin/troupe server "--data-dir=/srv/t" "--tls-san=odd \\"$$%%"'):
        expect_in(line + "\n", unit)
    expect("the secret" not in unit, "the unit shows the secret")
    env_path = unit_path + ".env"
    expect(stat.S_IMODE(os.stat(env_path).st_mode) == 0o600, "the environment file is readable by others")
    with open(env_path, encoding="utf-8") as f:
        env = f.read()
    expect_in('TROUPE_TOKEN="the secret"\n', env)
    expect_in('K3S_NODE_NAME="n7"\n', env)
    program = root + "/usr/local/bin/troupe"
    expect(subprocess.run([program, "version"], capture_output=True, env=clean_environment()).returncode == 0, "the copy does not run")
    # What nodes leave behind, and what is not theirs.
    for path in ("/srv/t/server/db", "/etc/rancher/node", "/etc/rancher/troupe"):
        os.makedirs(root + path)
    write(root + "/srv/t/server/db/state.db", "x")
    write(root + "/srv/t/mine", "x")
    write(root + "/etc/rancher/node/password", "x")
    write(root + "/etc/rancher/troupe/config.yaml", "x")
    write(root + "/etc/rancher/troupe/troupe.yaml", "x")
    code, said = run_binary("uninstall", "--root", root)
    expect(code == 0, said)
    left = sorted(os.path.join(at, f)[len(root):] for at, _, files in os.walk(root) for f in files)
    expect(left == ["/etc/rancher/node/password", "/etc/rancher/troupe/config.yaml", "/srv/t/mine"], left)
    expect(run_binary("uninstall", "--root", root)[0] == 1, "uninstalled twice")


def test_install_refuses():
    """`install` refuses flags that the service would refuse, and an agent without server or token"""
    root = folder()
    refused("install", "server", "--root", root, "--tokn", "x")
    refused("install", "agent", "--root", root, "--token", "x")
    refused("install", "sth", "--root", root)
    expect(os.listdir(root) == [], "something was written")
    code, said = run_binary("install", "agent", "--root", root, "--token", "x", "--server", "https://h:6443")
    expect(code == 0 and os.path.exists(root + "/etc/systemd/system/troupe-agent.service"), said)


run(globals())
