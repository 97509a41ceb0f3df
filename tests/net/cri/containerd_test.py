"""The runtime's promises, kept by a real containerd, and our protocol file against the one that containerd carries."""
import os
import subprocess
import sys
import tempfile
import threading
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "harness"))
import containers  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "..", "net", "cri", "cri.proto")
CONFIG = """
version = 2
root = "{0}/root"
state = "{0}/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs","io.containerd.snapshotter.v1.btrfs","io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs","io.containerd.internal.v1.opt","io.containerd.internal.v1.tracing","io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{0}/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/troupe-pause:1"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{0}/cni"
"""


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _fields(data):
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
        elif key & 7 == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError("a kind of field that descriptors do not have")
        yield key >> 3, value


def _messages(data, under=""):
    """{message: {field: (number, label, type, type's name)}} of a FileDescriptorProto or DescriptorProto."""
    out = {}
    for number, message in _fields(data):
        if number != (3 if under else 4):
            continue
        parts = list(_fields(message))
        name = under + dict(parts)[1].decode()
        own = {}
        for kind, field in parts:
            if kind == 2:
                d = dict(_fields(field))
                own[d[1].decode()] = (d[3], d[4], d[5], d.get(6, b"").decode())
        out[name] = own
        out.update(_messages(message, name + "."))
    return out


def _carried():
    with open("/usr/bin/containerd", "rb") as f:
        data = f.read()
    at = data.find(b"\x1f\x8b\x08")
    while at >= 0:
        try:
            text = zlib.decompressobj(31).decompress(data[at:at + 1000000])
            if text[:60].find(b"\x12\nruntime.v1") > 0:
                return _messages(text)
        except zlib.error:
            pass
        at = data.find(b"\x1f\x8b\x08", at + 1)
    raise AssertionError("containerd carries no descriptor of runtime.v1")


def check_protocol():
    """Every field of ours has the number and type that containerd's own description gives it."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "--proto_path", os.path.dirname(PROTO), "--descriptor_set_out", out.name, PROTO], check=True)
        ours = _messages(dict(_fields(out.read()))[1])
    theirs = _carried()
    faults = [f"{message}.{field}: {how} is not {theirs.get(message, {}).get(field)}"
              for message, fields in ours.items() for field, how in fields.items() if theirs.get(message, {}).get(field) != how]
    if len(ours) < 60 or faults:
        raise AssertionError("\n".join(faults) or "nothing was compared")


class Keeper(threading.Thread):
    """Starts containerd again whenever it ends."""

    def __init__(self, home):
        super().__init__(daemon=True)
        self.home, self.pid_file = home, home + "/pid"
        self.begin()

    def begin(self):
        with open(self.home + "/log", "ab") as log:
            self.process = subprocess.Popen(["containerd", "--config", self.home + "/config.toml"], stdout=log, stderr=log)
        with open(self.pid_file + ".new", "w", encoding="ascii") as f:
            f.write(str(self.process.pid))
        os.rename(self.pid_file + ".new", self.pid_file)

    def run(self):
        while True:
            self.process.wait()
            self.begin()


def check_promises(program):
    """containerd keeps the promises of tests/net/cri/contract.cpp."""
    home = tempfile.mkdtemp(prefix="troupe-cri-")
    subprocess.run(["mount", "-t", "tmpfs", "none", home], check=True)
    os.mkdir(home + "/cni")
    with open(home + "/config.toml", "w", encoding="ascii") as f:
        f.write(CONFIG.format(home))
    with open(home + "/cni/10-test.conflist", "w", encoding="ascii") as f:   # containerd refuses any pod without a network
        f.write('{"cniVersion":"0.4.0","name":"t","plugins":[{"type":"loopback"}]}')
    keeper = Keeper(home)
    keeper.start()
    socket = home + "/c.sock"
    for _ in range(600):
        if subprocess.run(["ctr", "-a", socket, "version"], capture_output=True).returncode == 0:
            break
        threading.Event().wait(0.05)
    pause = containers.archive.image("localhost/troupe-pause:1", {"pause": open(os.environ["PAUSE"], "rb").read()}, entrypoint=["/pause"])
    for number, data in enumerate((pause, containers.busybox())):
        path = f"{home}/image{number}.tar"
        with open(path, "wb") as f:
            f.write(data)
        subprocess.run(["ctr", "-a", socket, "-n", "k8s.io", "images", "import", path], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([program, "--test-case=containerd keeps*"], env={**os.environ, "TROUPE_CRI_SOCKET": socket,
                          "TROUPE_CRI_IMAGE": "localhost/busybox:1", "TROUPE_CRI_PID": keeper.pid_file})
    if done.returncode != 0:
        with open(home + "/log", encoding="utf-8", errors="replace") as log:
            print("\n".join(log.read().splitlines()[-20:]))
        raise AssertionError("a promise was not kept")


if __name__ == "__main__":
    containers.enter(os.path.abspath(__file__))
    failed = 0
    for check, arguments in ((check_protocol, ()), (check_promises, sys.argv[1:2])):
        try:
            check(*arguments)
            print("ok     ", check.__doc__, flush=True)
        except Exception as why:   # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {check.__doc__}\n{why}", flush=True)
    print(f"{2 - failed} passed, {failed} failed", flush=True)
    os._exit(1 if failed else 0)   # the keeper would start containerd again
