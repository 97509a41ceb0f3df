"""A small registry of images on a loopback address, for pulls: what `archive.image` made, by name; with a login if asked for."""
import base64
import hashlib
import http.server
import io
import json
import re
import tarfile
import threading

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Serves images {repository: archive} over plain HTTP at `at` ("127.0.0.1:5001"); `login` is "user:password" or empty."""

    def __init__(self, at, images, login=""):
        self.blobs, self.manifests, self.asked = {}, {}, []
        for name, data in images.items():
            self._take(name, data)
        registry, wanted = self, "Basic " + base64.b64encode(login.encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.asked.append(self.path)
                if login and self.headers.get("Authorization") != wanted:
                    return self.answer(401, b"{}", "application/json", [("WWW-Authenticate", 'Basic realm="test"')])
                found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/?]+)(\?.*)?", self.path)
                if self.path.startswith("/v2/") and not found:
                    return self.answer(200, b"{}", "application/json")
                if found and found[2] == "manifests":
                    data = registry.manifests.get(found[1]) if not found[3].startswith("sha256:") else registry.blobs.get(found[3])
                    return self.answer(200, data, MANIFEST) if data else self.answer(404, b"{}", "application/json")
                data = registry.blobs.get(found[3]) if found else None
                return self.answer(200, data, "application/octet-stream") if data else self.answer(404, b"{}", "application/json")

            do_HEAD = do_GET

            def answer(self, status, data, kind, headers=()):
                self.send_response(status)
                for name, value in [("Content-Type", kind), ("Content-Length", str(len(data))), ("Docker-Content-Digest", digest(data)), *headers]:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        host, port = at.split(":")
        self.server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _take(self, name, data):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            whole = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}
        manifest = json.loads(whole["manifest.json"])[0]
        config, layers = whole[manifest["Config"]], [whole[one] for one in manifest["Layers"]]
        for blob in (config, *layers):
            self.blobs[digest(blob)] = blob
        text = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST,
                           "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
                           "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": len(one), "digest": digest(one)} for one in layers]}).encode()
        self.manifests[name] = text
        self.blobs[digest(text)] = text


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
