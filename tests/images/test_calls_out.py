"""An action calls out by HTTPS: each image trusts the authorities in one file, which a user may replace."""

import http.server
import json
import ssl
import subprocess
import tarfile
import threading
import uuid

import pytest

from container import CLI, ENGINE, LABEL, engine, image_name
from test_running import SERVING

PYTHON = """
import urllib.request

def main(args):
    return {'text': urllib.request.urlopen(args['url']).read().decode()}
"""
NODEJS = """
const https = require('https');

exports.main = ({ url }) => new Promise((done, fail) => https.get(url, (reply) => {
    let text = '';
    reply.on('data', (data) => { text += data; });
    reply.on('end', () => done({ text }));
}).on('error', fail));
"""
# A static program for the images that run executables; oneshot gives it the value as an argument.
GO = """
package main

import (
    "bufio"
    "encoding/json"
    "io"
    "net/http"
    "os"
)

type Value struct { Url string `json:"url"` }

func answer(url string) {
    text := ""
    reply, err := http.Get(url)
    if err != nil {
        text = err.Error()
    } else {
        bytes, _ := io.ReadAll(reply.Body)
        text = string(bytes)
    }
    out, _ := json.Marshal(map[string]string{"text": text})
    os.Stdout.Write(append(out, '\\n'))
}

func main() {
    if len(os.Args) > 1 {
        var value Value
        json.Unmarshal([]byte(os.Args[1]), &value)
        answer(value.Url)
        return
    }
    for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
        var line struct { Value Value `json:"value"` }
        json.Unmarshal(lines.Bytes(), &line)
        answer(line.Value.Url)
    }
}
"""
CODE_OF = {"python3": PYTHON, "python3-tiny": PYTHON, "python3-modules": PYTHON, "nodejs": NODEJS,
           "nodejs-modules": NODEJS}
EXECUTABLE = ("native", "native-static", "native-shell", "native-debian", "oneshot")


def run(*command, **options):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=600,
                   **options)


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO)
    run("env", "CGO_ENABLED=0", "go", "build", "-o", folder / "exec", folder / "main.go", cwd=folder)
    return (folder / "exec").read_bytes()


@pytest.fixture(scope="session")
def secure_server(tmp_path_factory):
    """(address, file of the authority that signed its certificate); on the engine's bridge."""
    if ENGINE != "docker":
        pytest.skip("the address of the bridge is asked of docker")
    folder = tmp_path_factory.mktemp("tls")
    host = engine("network", "inspect", "bridge", "--format",
                  "{{(index .IPAM.Config 0).Gateway}}").stdout.strip()
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        "/CN=test authority", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout",
        folder / "key.pem", "-out", folder / "request.pem")
    (folder / "extensions").write_text(f"subjectAltName=IP:{host}\n")
    run("openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", folder / "ca.pem", "-CAkey",
        folder / "ca.key", "-CAcreateserial", "-days", "2", "-extfile", folder / "extensions", "-out",
        folder / "cert.pem")
    folder.chmod(0o755)
    (folder / "ca.pem").chmod(0o644)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"trusted")

        def log_message(self, *_):  # pylint: disable=arguments-differ
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with http.server.ThreadingHTTPServer((host, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://{host}:{server.server_port}/", folder / "ca.pem"
        server.shutdown()


def published(start, image, go_program, *run_options):
    one = start(image, run=run_options)
    one.started(CODE_OF.get(image, go_program))
    return one


@pytest.mark.parametrize("image", [*CODE_OF, *EXECUTABLE])
def test_an_action_calls_out_by_https(start, secure_server, go_program, image):
    """The authority in the file is trusted; without it, the same call fails."""
    url, authority = secure_server
    one = published(start, image, go_program,
                    f"--volume={authority}:/etc/ssl/certs/ca-certificates.crt:ro")
    assert one.run({"url": url}).json == {"text": "trusted"}
    stranger = published(start, image, go_program)
    assert "trusted" not in json.dumps(stranger.run({"url": url}).json).replace("not trusted", "")


@pytest.mark.parametrize("image", SERVING)
def test_images_bring_authorities_and_no_rights(image):
    """The usual authorities; and no program has a setuid or setgid bit."""
    name = f"whiskloop-{uuid.uuid4().hex[:12]}"
    engine("create", "--name", name, "--label", LABEL, "--pull=never", image_name(image))
    n_certificates, with_rights = 0, []
    try:
        with subprocess.Popen([*CLI, "export", name], stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
                for member in archive:
                    if member.isreg() and member.mode & 0o6000:
                        with_rights.append(member.name)
                    if member.name == "etc/ssl/certs/ca-certificates.crt" and member.isreg():
                        n_certificates = archive.extractfile(member).read().count(b"BEGIN CERT")
    finally:
        engine("rm", "--force", name)
    assert not with_rights
    assert n_certificates > 100
