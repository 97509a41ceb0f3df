"""CertificateSigningRequests: approved by a person or by right, signed, and good for what they are for."""
import base64
import json
import os
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
    node.kubectl("config", "set-credentials", "jane", "--client-certificate=" + cert, "--client-key=" + key, "--embed-certs")
    whoami = node.kubectl("--user=jane", "auth", "whoami", "-o", "json")
    expect(json.loads(whoami)["status"]["userInfo"]["username"] == "jane" and "dev" in json.loads(whoami)["status"]["userInfo"]["groups"], whoami)

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
