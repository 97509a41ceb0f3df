"""Network namespaces joined by a bridge, for tests of what a node does to its network.

Everything happens in namespaces of its own (`unshare -Urnm`), so nothing outside is touched and no root is needed: `enter()`
starts the test again inside. Where that cannot be, the test says why and is skipped (exit code 77).
"""
import json
import os
import shutil
import subprocess
import sys
import traceback

INSIDE = "TROUPE_NETWORK_LAB"
HAND = os.environ.get("NETWORK_HAND", "build/tests/network/network_hand")
SKIPPED = 77


def enter():
    """Goes on inside, or ends the test as skipped with the reason."""
    if os.environ.get(INSIDE):
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
        os.makedirs("/run/netns")
        return
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None:
            skip(f"there is no program {tool}")
    probe = "mount -t tmpfs none /run && mkdir /run/netns && ip link add lab0 type veth peer name lab1 && ip netns add x && ip link add lab2 type bridge"
    done = subprocess.run(["unshare", "-Urnm", "sh", "-c", probe], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        skip("namespaces cannot be made here: " + done.stderr.strip())
    os.execvpe("unshare", ["unshare", "-Urnm", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def sh(command, check=True):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def within(space, *command, **how):
    """A child in that namespace."""
    return subprocess.Popen(["ip", "netns", "exec", space, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how)


class Hand:
    """tests/network/hand.cpp in a namespace."""

    def __init__(self, space):
        self.process = within(space, HAND)

    def ask(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def do(self, **order):
        answer = self.ask(**order)
        if not answer["ok"]:
            raise AssertionError(f"{order}: {answer['why']}")
        return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait()


SPEAKER = r'''
import socket, sys, threading
name, port = sys.argv[1], int(sys.argv[2])
def tcp():
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", port)); s.listen(64)
    print("up", flush=True)
    while True:
        c, who = s.accept()
        c.sendall(f"{name} {who[0]}".encode()); c.close()
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", port))
    while True:
        data, who = s.recvfrom(2000)
        s.sendto(f"{name} {who[0]}".encode(), who)
threading.Thread(target=udp, daemon=True).start()
tcp()
'''
CALLER = r'''
import socket, sys
how, host, port, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for _ in range(times):
    try:
        if how == "tcp":
            s = socket.create_connection((host, port), timeout=3)
            s.settimeout(3)
        else:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
            if len(sys.argv) > 5: s.bind(("0.0.0.0", int(sys.argv[5])))
            s.connect((host, port)); s.send(b"?")
        print(s.recv(2000).decode())
    except ConnectionRefusedError: print("refused")
    except TimeoutError: print("timeout")
    except OSError as e: print(type(e).__name__, e)
    finally:
        try: s.close()
        except NameError: pass
'''


class Lab:
    """Nodes n1, n2 ... at 172.30.0.11, .12 ... on one bridge; pods inside of nodes, on the bridge cni0 of their node, whose
    network is 10.42.1.0/24, 10.42.2.0/24 ... unless a test gives it one later."""

    def __init__(self, nodes=2, bridges=True):
        self.children = []
        self.prefix = {}
        sh("ip link set lo up; ip link add lab0 type bridge; ip addr add 172.30.0.1/24 dev lab0; ip link set lab0 up")
        for i in range(1, nodes + 1):
            node = f"n{i}"
            sh(f"""ip netns add {node}
                ip link add v{node} type veth peer name eth0 netns {node}; ip link set v{node} master lab0 up
                ip -n {node} link set lo up; ip -n {node} addr add 172.30.0.1{i}/24 dev eth0; ip -n {node} link set eth0 up
                ip -n {node} route add default via 172.30.0.1
                ip netns exec {node} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'""")

            if bridges:
                self.bridge(i, f"10.42.{i}")

    def bridge(self, i, prefix):
        self.prefix[i] = prefix
        sh(f"ip -n n{i} link add cni0 type bridge; ip -n n{i} addr add {prefix}.1/24 dev cni0; ip -n n{i} link set cni0 up")

    def pod(self, node, number):
        """A pod of node i with that address in its network; its name is its namespace's."""
        name, i, prefix = f"p{node}x{number}", node, self.prefix[node]
        sh(f"""ip netns add {name}
            ip link add h{name} netns n{i} type veth peer name eth0 netns {name}; ip -n n{i} link set h{name} master cni0 up
            ip netns exec n{i} sh -c 'echo 1 >/sys/class/net/h{name}/brport/hairpin_mode'
            ip -n {name} link set lo up; ip -n {name} addr add {prefix}.{number}/24 dev eth0; ip -n {name} link set eth0 up
            ip -n {name} route add default via {prefix}.1""")
        return name

    def speak(self, space, port=8080, name=None):
        """A server in that namespace that says its name and who is asking."""
        child = within(space, sys.executable, "-c", SPEAKER, name or space, str(port))
        self.children.append(child)
        if child.stdout.readline() != "up\n":
            raise AssertionError(f"no server in {space}")

    @staticmethod
    def call(space, host, port, times=1, how="tcp", source=None):
        """What the callee said each time: "name asker", or refused, or timeout."""
        line = [sys.executable, "-c", CALLER, how, host, str(port), str(times)] + ([str(source)] if source else [])
        if space:
            line = ["ip", "netns", "exec", space, *line]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def run(names):
    passed = failed = 0
    for name, test in [(n, t) for n, t in names.items() if n.startswith("test_")]:
        try:
            test()
            passed += 1
            print(f"ok      {name}: {test.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name}: {test.__doc__}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
