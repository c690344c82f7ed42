"""What the images weigh: facts, which the script that builds them writes down."""

import json
import os
from pathlib import Path

import pytest

from container import REPO

IMAGES_DIR = Path(os.environ.get("IMAGES_DIR", REPO / "build-images"))
# Saved by the engine, in MB of 1,000,000 bytes.
BOUNDS_MB = {"native": 10, "native-static": 3, "python3-tiny": 52}


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
