"""scripts/images.sh and what it is made of, as far as they need no engine."""

import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile

import pytest

from conftest import ROOT, WAIT_S

sys.path.insert(0, str(ROOT / "scripts"))

import image_archive  # noqa: E402
import image_sbom  # noqa: E402

IMAGES = ROOT / "scripts/images.sh"


def run(*command, **variables):
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False,
                          env={**os.environ, **variables})


def choose(purpose, **variables):
    """engine_choose on a machine on which no command but the shell's own is found."""
    return run("bash", "-c", '. "$1/lib.sh"; . "$1/engine.sh"; command() { return 1; };'
               ' engine_choose "$2"; echo "chose $ENGINE"', "test", ROOT / "scripts", purpose,
               **variables)


def test_no_engine_is_a_reason_to_skip_and_says_what_to_install():
    done = choose("build", ENGINE="")
    assert done.returncode == 77
    assert "no container engine works here" in done.stderr
    assert "apt-get install" in done.stderr and "docker.io" in done.stderr


def test_a_client_of_docker_alone_is_no_engine():
    """No daemon answers and none can be started: podman is taken, which works."""
    script = ('. "$1/lib.sh"; . "$1/engine.sh"; docker() { return 1; }; podman() { :; };'
              ' command() { [[ $2 == docker || $2 == podman ]]; }; engine_choose run; echo "chose $ENGINE"')
    assert run("bash", "-c", script, "test", ROOT / "scripts", ENGINE="").stdout == "chose podman\n"


def test_no_engine_is_a_failure_where_images_are_required():
    assert choose("build", ENGINE="", IMAGES="require").returncode == 1


def test_an_engine_that_is_asked_for_and_missing_is_named():
    done = choose("build", ENGINE="podman")
    assert done.returncode == 77
    assert "ENGINE=podman is not installed" in done.stderr and "podman runc" in done.stderr


def test_an_engine_that_nobody_knows():
    done = choose("build", ENGINE="lxc")
    assert done.returncode == 1
    assert "want docker, podman or buildah" in done.stderr


def test_an_engine_that_only_builds_runs_no_tests():
    done = run("bash", "-c", '. "$1/lib.sh"; . "$1/engine.sh"; command() { return 0; };'
               ' engine_choose run', "test", ROOT / "scripts", ENGINE="buildah")
    assert done.returncode == 77
    assert "buildah only builds" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a daemon of its own")
def test_a_private_daemon_knows_no_network_of_an_earlier_one(tmp_path):
    """That one ran in a namespace of its own. Its swarm's bridge, made again by a daemon that builds, would be one of the
    machine's own network, and would stay there."""
    for name in ("image", "network", "swarm"):
        (tmp_path / "docker" / name).mkdir(parents=True)
    script = ('. "$1/lib.sh"; . "$1/engine.sh"; command() { :; }; docker() { [[ -e $IMAGES_DIR/seen ]] && echo 20.10; };'
              ' setsid() { echo "$IMAGES_DIR"/docker/* >"$IMAGES_DIR/new"; mv "$IMAGES_DIR/new" "$IMAGES_DIR/seen"; exec sleep 60; };'
              ' ENGINE=docker; engine_up build; engine_down')
    done = run("bash", "-c", script, "test", ROOT / "scripts", IMAGES_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "seen").read_text() == f"{tmp_path}/docker/image\n"


# A docker that answers, has or lacks a base, and builds and saves nothing; functions come before programs.
DOCKER = """() {
    case "$*" in
    version*) ;;
    "image inspect debian:bookworm-slim" | "image inspect other:1") [[ $BASE_IS == here ]] ;;
    inspect*Architecture*) echo "$BASE_ARCHITECTURE" ;;
    build*) [[ -z $BUILD_SAYS ]] || { echo "$BUILD_SAYS"; return 100; } ;;
    save*) echo cut off >"$3" ;;
    esac
}"""


def images(tmp_path, mmdebstrap="return 1", **variables):
    """images.sh with that docker; mmdebstrap: the body of one that is installed, None: it is not."""
    lacks = "mmdebstrap" if mmdebstrap is None else "nothing"
    return run(IMAGES, "native", IMAGES_DIR=str(tmp_path), ENGINE="docker", **{
        "BASH_FUNC_docker%%": DOCKER, "BASH_FUNC_mmdebstrap%%": "() { " + (mmdebstrap or ":") + "; }",
        "BASH_FUNC_command%%": f'() {{ [[ ${{!#}} != {lacks} ]] && builtin command "$@"; }}',
        "BASE_IS": "gone", "BASE_ARCHITECTURE": ARCHITECTURE, "BUILD_SAYS": "", "IMAGES": "",
        **variables})


ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def test_no_base_and_nothing_to_make_one_of(tmp_path):
    done = images(tmp_path, mmdebstrap=None)
    assert done.returncode == 77
    assert "neither the base image 'debian:bookworm-slim' nor mmdebstrap is here" in done.stderr
    assert "apt-get install mmdebstrap" in done.stderr


def test_a_base_that_somebody_named_is_not_replaced(tmp_path):
    done = images(tmp_path, BASE="other:1")
    assert done.returncode == 1
    assert "the base image 'other:1' is not here" in done.stderr and "pull it" in done.stderr


def test_no_network_for_the_base(tmp_path):
    done = images(tmp_path, mmdebstrap="echo 'E: Could not connect to mirror' >&2; return 1")
    assert done.returncode == 77
    assert "E: Could not connect to mirror" in done.stderr  # the tool's own words
    assert "the base image cannot be made" in done.stderr and "apt-get update" in done.stderr


def test_no_network_for_the_packages(tmp_path):
    done = images(tmp_path, BASE_IS="here", BUILD_SAYS="E: Failed to fetch http://mirror/x.deb")
    assert done.returncode == 77
    assert "E: Failed to fetch http://mirror/x.deb" in done.stderr
    assert "the packages for the image 'builder' cannot be fetched" in done.stderr
    assert "apt-get update" in done.stderr


def test_a_build_that_fails_for_another_reason_is_no_lack(tmp_path):
    done = images(tmp_path, BASE_IS="here", BUILD_SAYS="error: expected ';'")
    assert done.returncode == 1
    assert "error: expected ';'" in done.stderr
    assert "the image 'builder' cannot be built" in done.stderr


def test_a_run_that_breaks_off_leaves_no_half_weight(tmp_path):
    """The next run reads all weights that are there."""
    done = images(tmp_path, BASE_IS="here")
    assert done.returncode == 1
    assert "the image 'native' cannot be read as it was saved" in done.stderr
    assert not list((tmp_path / "weights-docker").iterdir())


def test_a_run_leaves_the_authorities_of_another(tmp_path):
    """The copy in the builds' context: another build of this tree may be about to read it."""
    file = ROOT / "build-images/ca.crt"
    ours = not file.exists()
    if ours:
        file.parent.mkdir(exist_ok=True)
        file.write_text("authorities\n")
    try:
        assert images(tmp_path, BASE="other:1").returncode == 1
        assert file.exists()
    finally:
        if ours:
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()


def test_a_base_for_another_platform(tmp_path):
    done = images(tmp_path, BASE_IS="here", BASE_ARCHITECTURE="riscv64")
    assert done.returncode == 1
    assert "'debian:bookworm-slim' is for riscv64, this machine is " + ARCHITECTURE in done.stderr


def test_an_image_that_nobody_knows():
    done = run(IMAGES, "--list", "cobol")
    assert done.returncode == 1
    assert "there is no image 'cobol'" in done.stderr and "native" in done.stderr


def test_what_an_image_is_made_from_is_built_before_it():
    names = run(IMAGES, "--list").stdout.split()
    assert len(names) == len(set(names)) == len(list((ROOT / "docker").glob("*.Dockerfile")))
    assert names.index("builder") < names.index("native")
    assert names.index("native-debian") < names.index("python3")
    assert run(IMAGES, "--list", "oneshot").stdout.split() == ["builder", "native-shell", "oneshot"]
    assert run(IMAGES, "--list", "proxy").stdout.split() == ["builder", "builder-static", "proxy"]


@pytest.mark.parametrize("path", sorted((ROOT / "docker").rglob("*.Dockerfile")),
                         ids=lambda path: str(path.relative_to(ROOT / "docker")))
def test_dockerfiles_keep_to_what_every_builder_takes(path):
    """No frontend that must be pulled, no here-documents, no address of a file to fetch."""
    text = path.read_text()
    assert "syntax=" not in text and "<<" not in text and "ADD " not in text


# --- the same input gives the same image ------------------------------------------------------------

def layer(mtime, uname, content=b"hello"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, link in (("usr", tarfile.DIRTYPE, ""), ("usr/file", tarfile.REGTYPE, ""),
                                 ("usr/same", tarfile.LNKTYPE, "usr/file"),
                                 ("usr/link", tarfile.SYMTYPE, "file")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime, member.uname = kind, link, mtime, uname
            member.mode = 0o750
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(content) if member.size else None)
    return out.getvalue()


def saved(path, mtime, host, content=b"hello"):
    """An image as docker save writes it: a base layer, and one of ours."""
    config = {"architecture": "amd64", "os": "linux", "created": f"2026-01-01T00:00:{host}Z",
              "container": host, "docker_version": "1",
              "config": {"Hostname": host, "User": "1000", "Labels": {
                  "org.opencontainers.image.description": "d"}},
              "history": [{"created": f"2026-01-01T00:00:{host}Z", "created_by": "COPY"}],
              "rootfs": {"type": "layers", "diff_ids": ["sha256:x", "sha256:y"]}}
    with tarfile.open(path, "w") as archive:
        image_archive.add_file(archive, "c.json", json.dumps(config).encode())
        image_archive.add_file(archive, "base/layer.tar", layer(1, "base"))
        image_archive.add_file(archive, "l/layer.tar", layer(mtime, host, content))
        image_archive.add_file(archive, "manifest.json", json.dumps(
            [{"Config": "c.json", "RepoTags": ["i:1"],
              "Layers": ["base/layer.tar", "l/layer.tar"]}]).encode())
    return path


def normalised(tmp_path, number, mtime, host, content=b"hello"):
    keep = image_archive.digest_of(layer(1, "base"))
    old = saved(tmp_path / f"old{number}", mtime, host, content)
    new = tmp_path / f"new{number}"
    done = run(sys.executable, ROOT / "scripts/image_archive.py", "normalise", old, new, "name",
               "--keep", keep, SOURCE_DATE_EPOCH="1000")
    assert done.returncode == 0, done.stderr
    return new, json.loads(done.stdout)


def test_images_that_differ_in_time_and_builder_become_one(tmp_path):
    one, facts = normalised(tmp_path, 1, 5000, "11")
    other, others = normalised(tmp_path, 2, 6000, "22")
    assert one.read_bytes() == other.read_bytes()
    assert facts["id"] == others["id"]


def test_images_that_differ_in_a_file_stay_two(tmp_path):
    assert normalised(tmp_path, 1, 5000, "11")[1]["id"] != \
        normalised(tmp_path, 2, 5000, "11", b"other")[1]["id"]


def test_what_is_normalised_twice_stays_as_it_is(tmp_path):
    one, facts = normalised(tmp_path, 1, 5000, "11")
    done = run(sys.executable, ROOT / "scripts/image_archive.py", "normalise", one,
               tmp_path / "again", "name", "--keep", facts["layers"][0]["digest"],
               SOURCE_DATE_EPOCH="1000")
    assert json.loads(done.stdout)["id"] == facts["id"]
    assert (tmp_path / "again").read_bytes() == one.read_bytes()


def test_files_and_settings_survive_and_the_base_is_untouched(tmp_path):
    new, facts = normalised(tmp_path, 1, 5000, "11")
    config, tags, layers = image_archive.read_archive(new)
    assert tags == ["i:1"] and layers[0] == layer(1, "base")
    assert config["config"]["User"] == "1000" and "Hostname" not in config["config"]
    assert config["rootfs"]["diff_ids"] == [image_archive.digest_of(data) for data in layers]
    with tarfile.open(fileobj=io.BytesIO(layers[1])) as archive:
        found = {member.name: member for member in archive}
        assert archive.extractfile("usr/file").read() == b"hello"
    assert found["usr/same"].linkname == "usr/file" and found["usr/link"].issym()
    assert {member.mtime for member in found.values()} == {1000}
    assert {member.mode for member in found.values()} == {0o750}
    assert facts["saved_bytes"] == new.stat().st_size
    assert [one["base"] for one in facts["layers"]] == [True, False]


def keystore(millis, password="changeit"):
    """As Java writes one of two certificates: JKS, version 2."""
    body = struct.pack(">III", 0xfeedfeed, 2, 2)
    for name in (b"debian:one", b"debian:two"):
        body += struct.pack(">IH", 2, len(name)) + name + struct.pack(">Q", millis)
        body += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", 7) + b"content"
    return body + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def test_the_times_in_javas_keystore_are_cut():
    """Debian makes it anew in each build; Java checks what it is sealed with."""
    assert image_archive.normal_keystore(keystore(5_000_000), 1000) == keystore(1_000_000)
    assert image_archive.normal_keystore(keystore(1_000_000), 1000) == keystore(1_000_000)


@pytest.mark.parametrize("other", [keystore(5_000_000, "another"), b"", b"short", b"x" * 500],
                         ids=["another password", "empty", "short", "no keystore"])
def test_what_is_no_keystore_of_debians_stays(other):
    assert image_archive.normal_keystore(other, 1000) == other


def test_files_that_an_image_holds_twice_are_named():
    """By their content, whatever their names and layers; small ones are not counted."""
    large = b"x" * image_archive.REPEATED_BYTES
    assert image_archive.repeated([layer(1, "a", large), layer(2, "b", large), layer(3, "c", large + b"y")]) == ["usr/file"]
    assert image_archive.repeated([layer(1, "a"), layer(2, "b")]) == []


def test_the_packages_of_an_image_are_listed():
    """dpkg's own list, that of images without dpkg, and npm's; a later layer's file wins."""
    def layer_of(files):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, text in files.items():
                image_archive.add_file(archive, name, text.encode())
        return out.getvalue()

    status = "Package: {0}\nStatus: {1}\nArchitecture: amd64\nVersion: 1:2+deb12\n"
    layers = [layer_of({"var/lib/dpkg/status": status.format("old", "install ok installed")}),
              layer_of({"var/lib/dpkg/status": "\n".join([
                  status.format("libc6", "install ok installed"), status.format("gone", "deinstall ok config-files")]),
                        "var/lib/dpkg/status.d/jq": "Package: jq\nVersion: 1.6\nArchitecture: all\n",
                        "m/node_modules/@a/b/package.json": '{"version":"3.0.0"}'})]
    document = image_sbom.document("native", "1", "sha256:abc", "2026-01-01T00:00:00Z", layers)
    urls = [one["externalRefs"][0]["referenceLocator"] for one in document["packages"][1:]]
    assert urls == ["pkg:npm/%40a/b@3.0.0", "pkg:deb/debian/jq@1.6?arch=all",
                    "pkg:deb/debian/libc6@1%3A2%2Bdeb12?arch=amd64"]
    identities = {one["SPDXID"] for one in document["packages"]}
    assert len(identities) == len(document["packages"]) == 4
    assert {one["relatedSpdxElement"] for one in document["relationships"]} == identities


def test_the_table_is_put_between_the_marks(tmp_path):
    (tmp_path / "weights").mkdir()
    facts = normalised(tmp_path, 1, 5000, "11")[1]
    (tmp_path / "weights/a.json").write_text(json.dumps({**facts, "saved_bytes": 9123456}))
    tool = [sys.executable, ROOT / "scripts/image_archive.py"]
    assert run(*tool, "collect", tmp_path / "images.json", tmp_path / "weights", "engine=e"
               ).returncode == 0
    assert json.loads((tmp_path / "images.json").read_text())["engine"] == "e"
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- images: made -->\nold\n<!-- /images -->\nafter\n")
    assert run(*tool, "write-readme", readme, tmp_path / "images.json").returncode == 0
    text = readme.read_text()
    assert "| `name` | 9.1 |" in text and "old" not in text
    assert text.startswith("before\n<!-- images: made -->\n|")
    assert text.endswith("|\n<!-- /images -->\nafter\n")
    readme.write_text("no place\n")
    assert run(*tool, "write-readme", readme, tmp_path / "images.json").returncode == 1
