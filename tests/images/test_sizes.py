"""What the images weigh: facts, which the script that builds them writes down."""

import json
import os
from pathlib import Path

import pytest

from container import REPO

IMAGES_DIR = Path(os.environ.get("IMAGES_DIR", REPO / "build-images"))
# Saved by the engine, in MB of 1,000,000 bytes.
BOUNDS_MB = {"native": 10.5, "native-static": 3.2, "python3-tiny": 52}


def weights():
    document = json.loads((IMAGES_DIR / "images.json").read_text(encoding="utf-8"))
    return {image["name"]: image for image in document["images"]}


@pytest.mark.parametrize("image", [
    pytest.param("native", marks=pytest.mark.quick),
    "native-static",
    pytest.param("python3-tiny", marks=pytest.mark.quick)])
def test_an_image_without_a_base_stays_small(image):
    """What docs/images.md promises of its size."""
    assert weights()[image]["saved_bytes"] < BOUNDS_MB[image] * 1e6


def test_every_image_is_weighed():
    """So that none is missing in the table of docs/images.md, which is made of the same file."""
    images = {path.name.partition(".")[0] for path in (REPO / "docker").glob("*.Dockerfile")}
    found = weights()
    assert set(found) == {name for name in images if not name.startswith("builder")}
    for image in found.values():
        assert image["saved_bytes"] > image["gzip_bytes"] > 0 and image["layers"]


# A package that an image is for; all have the proxy's own.
NAMED = {"c": "gcc", "go": "golang-go", "java": "openjdk-17-jdk-headless", "native-shell": "bash", "nodejs": "nodejs",
         "nodejs-modules": "openwhisk", "oneshot": "bash", "python3": "python3", "python3-modules": "python3-requests",
         "python3-tiny": "libpython3.11-stdlib"}


def test_every_image_says_what_it_holds():
    """Its SPDX document names libarchive, which is linked into the program, and what the image is for."""
    for name in weights():
        document = json.loads((IMAGES_DIR / f"sbom/{name}.spdx.json").read_text(encoding="utf-8"))
        found = {package["name"] for package in document["packages"]}
        assert {f"whiskloop/{name}", "libarchive-dev"} <= found, name
        assert name not in NAMED or NAMED[name] in found, name


def test_no_file_is_in_an_image_twice():
    """Neither in two layers nor under two names, in images that have no base."""
    for name, image in weights().items():
        if not any(layer["base"] for layer in image["layers"]):
            assert not image["repeated"], name
