"""An action calls out by HTTPS: each image trusts the authorities in one file, which a user may replace."""

import http.server
import ssl
import subprocess
import threading

import pytest

from container import ENGINE, LABEL, bridge_address, engine, image_name
from wire import WAIT_S

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
JAVA = """
import com.google.gson.JsonObject;
import java.net.URL;

public class Main {
    public static JsonObject main(JsonObject args) throws Exception {
        JsonObject out = new JsonObject();
        out.addProperty("text", new String(new URL(args.get("url").getAsString()).openStream().readAllBytes()));
        return out;
    }
}
"""
GO = """
package main

import (
    "io"
    "net/http"
)

func Main(args map[string]interface{}) (map[string]interface{}, error) {
    reply, err := http.Get(args["url"].(string))
    if err != nil {
        return nil, err
    }
    bytes, err := io.ReadAll(reply.Body)
    return map[string]interface{}{"text": string(bytes)}, err
}
"""
# For the images that run executables: static, so that it runs in each; oneshot gives it the value as an argument.
PROGRAM = """
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
    answer := map[string]string{}
    reply, err := http.Get(url)
    if err != nil {
        answer["error"] = err.Error()
    } else {
        bytes, _ := io.ReadAll(reply.Body)
        answer["text"] = string(bytes)
    }
    out, _ := json.Marshal(answer)
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
SHELL = """#!/bin/bash
while read -r line; do
    url=$(jq -r .value.url <<<"$line")
    if text=$(curl --silent --show-error "$url" 2>&1); then
        jq -cn --arg text "$text" '{$text}' >&3
    else
        jq -cn --arg error "$text" '{$error}' >&3
    fi
done
"""
CODE_OF = {"python3": PYTHON, "python3-tiny": PYTHON, "python3-modules": PYTHON, "nodejs": NODEJS,
           "nodejs-modules": NODEJS, "go": GO, "java": JAVA, "test-curl": SHELL}
EXECUTABLE = ("native", "native-static", "native-shell", "native-debian", "oneshot", "c")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
JAVA_AUTHORITIES = "/etc/ssl/certs/java/cacerts"


def run(*command, **options):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=4 * WAIT_S,
                   **options)


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(PROGRAM)
    run("env", "CGO_ENABLED=0", "go", "build", "-o", folder / "exec", folder / "main.go", cwd=folder)
    return (folder / "exec").read_bytes()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A folder with an authority, and a certificate of it for the machine as its containers see it."""
    if ENGINE != "docker":
        pytest.skip("the address of the bridge is asked of docker")
    folder = tmp_path_factory.mktemp("tls")
    host = bridge_address()
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        "/CN=test authority", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout",
        folder / "key.pem", "-out", folder / "request.pem")
    (folder / "extensions").write_text(f"subjectAltName=IP:{host}\n")
    run("openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", folder / "ca.pem", "-CAkey",
        folder / "ca.key", "-CAcreateserial", "-days", "2", "-extfile", folder / "extensions", "-out",
        folder / "cert.pem")
    (folder / "host").write_text(host)
    for path in (folder, folder / "ca.pem"):
        path.chmod(path.stat().st_mode | 0o055)
    return folder


@pytest.fixture(scope="session")
def secure_server(authority):
    """The address of a server whose certificate is the authority's."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"trusted")

        def log_message(self, *_):  # pylint: disable=arguments-differ
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    host = (authority / "host").read_text()
    with http.server.ThreadingHTTPServer((host, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://{host}:{server.server_port}/"
        server.shutdown()


def java_authorities(authority):
    """The authority as Java wants it, made as docs/images.md says."""
    made = authority / "java"
    made.mkdir(exist_ok=True)
    made.chmod(0o777)
    engine("run", "--rm", "--label", LABEL, "--pull=never", f"--volume={authority}:/in:ro",
           f"--volume={made}:/out", "--entrypoint=keytool", image_name("java"), "-importcert", "-noprompt",
           "-storetype", "JKS", "-alias", "mine", "-storepass", "changeit", "-file", "/in/ca.pem", "-keystore", "/out/cacerts")
    return made / "cacerts"


@pytest.mark.parametrize("image", [*CODE_OF, *EXECUTABLE])
def test_an_action_calls_out_by_https(start, authority, secure_server, go_program, image):
    """The authority in the image's file is trusted."""
    volume = f"{java_authorities(authority)}:{JAVA_AUTHORITIES}" if image == "java" else \
        f"{authority / 'ca.pem'}:{AUTHORITIES}"
    one = start(image, run=(f"--volume={volume}:ro",))
    one.started(CODE_OF.get(image, go_program))
    assert one.run({"url": secure_server}).json == {"text": "trusted"}


@pytest.mark.parametrize("image", ["python3", "nodejs", "java", "native", "test-curl"])
def test_a_strange_authority_is_refused(start, secure_server, go_program, image):
    """What the case above relies on: the same call fails in the image as it is."""
    one = start(image)
    one.started(CODE_OF.get(image, go_program))
    answer = one.run({"url": secure_server})
    assert "error" in answer.json and "text" not in answer.json
