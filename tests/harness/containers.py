"""A machine for containers, made of namespaces: a test enters it and leaves nothing behind but cgroup folders, which it sweeps.

`enter(__file__)` begins the test anew inside (mount, network and process namespaces of its own; needs root), or ends it as
skipped (exit code 77) with the reason. Inside, /run and /var/lib/cni are fresh, so that several can stand beside each other.
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "net", "cri", "pause"))
import archive  # noqa: E402

CGROUPS = "/sys/fs/cgroup"
SKIPPED = 77
ADDRESS, GATEWAY = "172.30.0.11", "172.30.0.1"   # the machine's own, as a node's: not on loopback; nobody is behind the gateway
INSIDE = "TROUPE_TEST_MACHINE"
PROGRAMS = ("containerd", "runc", "ctr", "busybox", "unshare", "ip")
PLUGINS = "/usr/lib/cni"


def missing():
    """Why no container can run here; empty when they can."""
    if os.geteuid() != 0:
        return "containers need root"
    for program in PROGRAMS:
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"there is no program {program}"
    if not os.path.exists(PLUGINS + "/loopback"):
        return "there are no CNI plugins in " + PLUGINS
    if subprocess.run(["unshare", "-mnpu", "--fork", "true"], capture_output=True).returncode != 0:
        return "no namespaces can be made"
    try:
        os.mkdir(CGROUPS + "/pids/troupe-probe")
        os.rmdir(CGROUPS + "/pids/troupe-probe")
    except OSError:
        if not os.path.exists(CGROUPS + "/cgroup.controllers") or not os.access(CGROUPS, os.W_OK):
            return "no cgroups can be made"
    return ""


def sweep(under="troupe-test"):
    """Removes the empty cgroup folders of tests."""
    for top, folders, _ in os.walk(CGROUPS, topdown=False):
        for name in folders:
            path = os.path.join(top, name)
            if f"/{under}/" in path + "/":
                try:
                    os.rmdir(path)
                except OSError:
                    pass


def enter(script, *arguments):
    """Returns inside the machine; outside it ends the process with the test's own exit code."""
    if os.environ.get(INSIDE):
        for folder in ("/run", "/var/lib/cni", "/var/log/pods"):
            os.makedirs(folder, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", folder], check=True)
        os.makedirs("/run/netns")
        for words in ("link set lo up", "link add lab0 type bridge", f"addr add {ADDRESS}/24 dev lab0", "link set lab0 up", f"route add default via {GATEWAY}"):
            subprocess.run(["ip", *words.split()], check=True)
        os.makedirs("/etc/cni", exist_ok=True)
        return
    why = missing()
    if why:
        print(f"SKIPPED {os.path.basename(script)}: {why}\n0 passed, 0 failed", flush=True)
        sys.exit(SKIPPED)
    line = ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private",
            sys.executable, script, *(arguments or sys.argv[1:])]
    done = subprocess.run(line, env={**os.environ, INSIDE: "1"})
    sweep()
    sys.exit(done.returncode)


def busybox(name="localhost/busybox:1"):
    """The archive of an image with a shell and its usual tools."""
    program = shutil.which("busybox")
    with open(program, "rb") as f:
        data = f.read()
    tools = subprocess.run([program, "--list"], capture_output=True, check=True).stdout.decode().split()
    links = [(f"bin/{tool}", "busybox") for tool in tools if tool != "busybox"]
    return archive.image(name, {"bin/busybox": data, "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"}, links,
                         folders=("bin", "etc", "root", "tmp", "proc", "sys", "dev", "var"), command=["sh"], environment=["PATH=/bin"])
