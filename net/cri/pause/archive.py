"""Makes container images out of files: a tar as `docker save` writes it, the same bytes for the same files.

As a program: `archive.py PAUSE OUT.cpp` wraps the pause program into an image and writes it as a C++ source.
"""
import hashlib
import io
import json
import platform
import sys
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _add(tar, name, data=b"", mode=0o755, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = len(data), mode, kind, link
    tar.addfile(info, io.BytesIO(data))


def _tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in entries:
            _add(tar, **entry)
    return out.getvalue()


def image(name, files, links=(), folders=(), command=(), entrypoint=(), environment=(), user=""):
    """The archive of an image `name` with `files` {path: bytes}, symbolic `links` [(path, target)] and empty `folders`."""
    entries = [{"name": f, "kind": tarfile.DIRTYPE} for f in folders]
    entries += [{"name": path, "data": data} for path, data in sorted(files.items())]
    entries += [{"name": path, "kind": tarfile.SYMTYPE, "link": target} for path, target in links]
    layer = _tar(entries)
    config = {"architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux",
              "config": {"Cmd": list(command), "Entrypoint": list(entrypoint), "Env": list(environment), "User": user},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
    text = json.dumps(config, sort_keys=True).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar([{"name": "layer.tar", "data": layer, "mode": 0o644}, {"name": config_name, "data": text, "mode": 0o644},
                 {"name": "manifest.json", "data": json.dumps(manifest).encode(), "mode": 0o644}])


def _source(data):
    lines = []
    for at in range(0, len(data), 40):
        lines.append('  "' + "".join(f"\\{byte:03o}" for byte in data[at:at + 40]) + '"')
    return ('#include "net/cri/pause/image.hpp"\n\nnamespace troupe::net::cri {\n\nstd::string_view pause_archive() {\n'
            f"  static constexpr char data[] =\n" + "\n".join(lines) + ";\n"
            "  return {data, sizeof data - 1};\n}\n\n}  // namespace troupe::net::cri\n")


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as program:
        made = image("localhost/troupe-pause:1", {"pause": program.read()}, entrypoint=["/pause"])
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write(_source(made))
