"""CertificateSigningRequests: approved by a person or by right, signed, and good for what they are for."""
import base64
import http.client
import json
import os
import ssl
import subprocess

import harness
from harness import expect, expect_in, until, write


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout


def test_a_person_gets_a_certificate_that_the_api_knows():
    """a request for a client certificate waits for approval, is signed then, and its holder is who it says; a bad one fails with a sentence"""
    node = harness.Node("server", "--disable-agent").ready()
    home = harness.folder("keys")
    key = home + "/key"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)

    def ask(name, subject, usages, signer="kube-apiserver-client"):
        request = openssl("req", "-new", "-key", key, "-subj", subject)
        node.kubectl("create", "-f", "-", text=json.dumps({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
            "spec": {"request": base64.b64encode(request).decode(), "signerName": "kubernetes.io/" + signer, "usages": usages, "expirationSeconds": 3600}}))

    def status(name):
        return node.read(f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}")["status"]

    ask("jane", "/O=dev/CN=jane", ["client auth"])
    expect_in("Pending", node.kubectl("get", "csr", "jane"))
    node.kubectl("certificate", "approve", "jane")
    until("it is issued", lambda: status("jane").get("certificate"))
    expect_in("Approved,Issued", node.kubectl("get", "csr", "jane"))
    pem = base64.b64decode(status("jane")["certificate"])
    expect(pem.count(b"BEGIN CERTIFICATE") == 1, pem)
    cert = write(home + "/cert", pem)
    said = openssl("x509", "-in", cert, "-noout", "-subject", "-ext", "extendedKeyUsage").decode()
    expect_in("jane", said)
    expect_in("TLS Web Client Authentication", said)
    # Not with kubectl: Debian's 1.20.2 panics when it writes its configuration, and knows no `auth whoami`.
    context = ssl.create_default_context(cafile=node.home + "/data/server/tls/server-ca.crt")
    context.load_cert_chain(cert, key)
    jane = http.client.HTTPSConnection(node.at, 6443, timeout=harness.PATIENCE, context=context)
    jane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}),
                 {"Content-Type": "application/json"})
    whoami = json.loads(jane.getresponse().read())
    expect(whoami["status"]["userInfo"]["username"] == "jane" and "dev" in whoami["status"]["userInfo"]["groups"], whoami)
    jane.close()

    ask("odd", "/O=dev/CN=odd", ["server auth"])
    node.kubectl("certificate", "approve", "odd")
    until("it failed", lambda: any(c["type"] == "Failed" and "client auth" in c["message"] for c in status("odd").get("conditions", [])))
    ask("no", "/CN=no", ["client auth"])
    node.kubectl("certificate", "deny", "no")
    expect("certificate" not in status("no"), status("no"))
    ask("strange", "/CN=system:node:x", ["client auth"], "kube-apiserver-client-kubelet")
    expect(not status("strange").get("conditions"), "a request of somebody else for a node was approved")
    os.remove(key)


harness.run(globals())
