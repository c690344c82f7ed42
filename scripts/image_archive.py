#!/usr/bin/env python3
"""image_archive - what scripts/images.sh does with saved images: make them repeatable, measure them.

    image_archive.py normalise IN OUT NAME [--keep DIGEST]... [--sbom FILE]
    image_archive.py collect OUT FOLDER [KEY=VALUE]...
    image_archive.py table FILE
    image_archive.py write-readme README FILE

`normalise` rewrites a saved image (docker save's format) so that the same files and settings give
the same image: no time in it is later than SOURCE_DATE_EPOCH (0), and nothing of the builder is
left. Layers whose digest is given with --keep, those of the base, stay as they are, so that images
go on sharing them. Prints what the image weighs and which of our files it holds twice, as a JSON object;
--sbom writes what packages it holds, as an SPDX document.

`collect` makes one JSON document of such objects, the files NAME.json in FOLDER, and of the further
facts. `table` prints its sizes as a Markdown table, `write-readme` puts them between the marks in
README.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import re
import struct
import sys
import tarfile

import image_sbom

GZIP_LEVEL = 6  # the level that engines use when they push
REPEATED_BYTES = 4096  # smaller files may be in an image several times
MARKS = re.compile(r"(<!-- images: [^>]*-->\n).*?(<!-- /images -->)", re.DOTALL)


class Counter(io.RawIOBase):
    """Counts the bytes written to it, and keeps none."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def writable(self):
        return True

    def write(self, data):
        self.bytes += len(data)
        return len(data)


def compressed_bytes(data):
    counter = Counter()
    with gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as out:
        out.write(data)
    return counter.bytes


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def normal_keystore(data, epoch):
    """
    A Java keystore with certificate dates no later than epoch. It is sealed with Debian's password.
    Returns data itself if it is another kind of file.
    """
    body, digest = bytearray(data[:-20]), data[-20:]

    def sealed(content):
        return hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + content).digest()

    if len(data) < 32 or sealed(body) != digest:
        return data
    at = 12
    for _ in range(struct.unpack_from(">I", body, 8)[0]):
        kind, n_name = struct.unpack_from(">IH", body, at)
        if kind != 2:  # a private key: its entry has another format
            return data
        at += 6 + n_name
        struct.pack_into(">Q", body, at, min(struct.unpack_from(">Q", body, at)[0], epoch * 1000))
        at += 8 + 2 + struct.unpack_from(">H", body, at + 8)[0]
        at += 4 + struct.unpack_from(">I", body, at)[0]
    return bytes(body) + sealed(body)


def normal_content(member, file, epoch):
    """A regular file's content, without the times that are recorded in it."""
    if not member.name.endswith("/java/cacerts"):
        return file
    data = normal_keystore(file.read(), epoch)
    assert len(data) == member.size
    return io.BytesIO(data)


def normal_layer(data, epoch):
    """The same files, links, modes and owners, with no time after epoch and no user names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, \
            tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in old:
            member.mtime = int(min(member.mtime, epoch))
            member.uname = member.gname = ""
            member.pax_headers = {name: value for name, value in member.pax_headers.items()
                                  if name.startswith("SCHILY.xattr.")}
            new.addfile(member, normal_content(member, old.extractfile(member), epoch)
                        if member.isreg() else None)
    return out.getvalue()


def normal_config(config, epoch, digests):
    """The image's settings, without when and where it was built."""
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc) \
        .strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = {name: config[name] for name in ("architecture", "os", "variant") if name in config}
    settings = {name: value for name, value in config["config"].items()
                if name not in ("Hostname", "Image", "Domainname") and value not in (None, "")}
    history = [{name: entry[name] for name in ("created_by", "empty_layer") if name in entry}
               for entry in config.get("history", [])]
    return {**kept, "created": created, "config": settings,
            "history": [{"created": created, **entry} for entry in history],
            "rootfs": {"type": "layers", "diff_ids": digests}}


def read_archive(path):
    """(settings, tags, layers as bytes) of a saved image."""
    with tarfile.open(path) as archive:
        def content(name):
            member = archive.getmember(name)
            if member.issym():  # docker saves a repeated layer once, and links to it
                name = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
            return archive.extractfile(name).read()

        manifest = json.loads(content("manifest.json"))[0]
        return json.loads(content(manifest["Config"])), manifest.get("RepoTags") or [], \
            [content(name) for name in manifest["Layers"]]


def add_file(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def write_archive(path, config, tags, layers):
    """Returns the image's id, the digest of its settings."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    identity = digest_of(text)
    names = [digest[7:] + "/layer.tar" for digest in config["rootfs"]["diff_ids"]]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        add_file(archive, identity[7:] + ".json", text)
        for name, data in dict(zip(names, layers)).items():  # each layer once
            add_file(archive, name, data)
        add_file(archive, "manifest.json", json.dumps(
            [{"Config": identity[7:] + ".json", "RepoTags": tags, "Layers": names}]).encode())
    return identity


def normalise(arguments):
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    config, tags, layers = read_archive(arguments.old)
    layers = [data if digest_of(data) in arguments.keep else normal_layer(data, epoch)
              for data in layers]
    digests = [digest_of(data) for data in layers]
    normal = normal_config(config, epoch, digests)
    identity = write_archive(arguments.new, normal, tags, layers)
    weights = [{"digest": digest, "bytes": len(data), "gzip_bytes": compressed_bytes(data),
                "base": digest in arguments.keep} for digest, data in zip(digests, layers)]
    labels = config["config"].get("Labels") or {}
    if arguments.sbom:
        version = labels.get("org.opencontainers.image.version", "unknown")
        with open(arguments.sbom, "w", encoding="utf-8") as file:
            json.dump(image_sbom.document(arguments.name, version, identity, normal["created"], layers),
                      file, indent=1)
            file.write("\n")
    print(json.dumps({
        "name": arguments.name, "id": identity, "tags": tags,
        "description": labels.get("org.opencontainers.image.description", ""),
        "saved_bytes": os.path.getsize(arguments.new),
        "gzip_bytes": sum(layer["gzip_bytes"] for layer in weights), "layers": weights,
        "repeated": repeated(data for digest, data in zip(digests, layers) if digest not in arguments.keep)}))


def repeated(layers):
    """Names of files whose content occurs earlier in the layers. Licences and small files may repeat."""
    seen, names = set(), []
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                if member.isreg() and member.size >= REPEATED_BYTES and "usr/share/doc/" not in member.name:
                    content = digest_of(archive.extractfile(member).read())
                    if content in seen:
                        names.append(member.name)
                    seen.add(content)
    return names


def megabytes(n_bytes):
    return f"{n_bytes / 1e6:.1f}"


def table(images):
    lines = ["| image | saved, MB | of that the base | compressed, MB | layers |",
             "|---|---:|---:|---:|---:|"]
    for image in images:
        base = sum(layer["bytes"] for layer in image["layers"] if layer["base"])
        lines.append(f"| `{image['name']}` | {megabytes(image['saved_bytes'])}"
                     f" | {megabytes(base) if base else '-'} | {megabytes(image['gzip_bytes'])}"
                     f" | {len(image['layers'])} |")
    return "\n".join(lines) + "\n"


def collect(arguments):
    images = []
    for name in sorted(os.listdir(arguments.folder)):
        with open(os.path.join(arguments.folder, name), encoding="utf-8") as file:
            images.append(json.load(file))
    facts = dict(fact.split("=", 1) for fact in arguments.facts)
    with open(arguments.out, "w", encoding="utf-8") as file:
        json.dump({**facts, "images": images}, file, indent=1)
        file.write("\n")


def read_images(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["images"]


def write_readme(arguments):
    with open(arguments.readme, encoding="utf-8") as file:
        text = file.read()
    sizes = table(read_images(arguments.file))
    text, n_places = MARKS.subn(lambda marks: marks[1] + sizes + marks[2], text)
    if n_places != 1:
        sys.exit(f"image_archive.py: {arguments.readme} has {n_places} places for the table, want 1")
    with open(arguments.readme, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("normalise")
    command.add_argument("old")
    command.add_argument("new")
    command.add_argument("name")
    command.add_argument("--keep", action="append", default=[])
    command.add_argument("--sbom")
    command = commands.add_parser("collect")
    command.add_argument("out")
    command.add_argument("folder")
    command.add_argument("facts", nargs="*")
    command = commands.add_parser("table")
    command.add_argument("file")
    command = commands.add_parser("write-readme")
    command.add_argument("readme")
    command.add_argument("file")
    arguments = parser.parse_args()
    if arguments.command == "normalise":
        normalise(arguments)
    elif arguments.command == "collect":
        collect(arguments)
    elif arguments.command == "table":
        print(table(read_images(arguments.file)), end="")
    else:
        write_readme(arguments)


if __name__ == "__main__":
    main()
