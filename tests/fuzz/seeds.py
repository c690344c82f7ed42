#!/usr/bin/env python3
"""Write the first inputs of every fuzz target below a folder: seeds.py FOLDER. Made rather than kept, as archives are no text."""

import gzip
import io
import json
import pathlib
import random
import shutil
import sys
import tarfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def make_zip(method, names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name in names:
            archive.writestr(name, "#!/bin/sh\necho\n")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "a")
    return out.getvalue()


def make_tar(form, names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 9
            archive.addfile(info, io.BytesIO(b"#!/bin/sh"))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"kind{kind.decode()}")
            info.type, info.linkname = kind, "a"
            archive.addfile(info)
    return out.getvalue()


def archives():
    names = ["exec", "d/a", "__main__.py"]
    tar = make_tar(tarfile.USTAR_FORMAT, names)
    return [make_zip(zipfile.ZIP_STORED, names), make_zip(zipfile.ZIP_DEFLATED, names + ["../x", "/y"]), tar,
            make_tar(tarfile.GNU_FORMAT, names + [120 * "n"]), make_tar(tarfile.PAX_FORMAT, names + [120 * "\u00e9"]),
            gzip.compress(tar), gzip.compress(gzip.compress(tar))]


def choices():
    """What fuzz_archive.c makes an archive from; each form of it begins some."""
    dice = random.Random(1)
    return [bytes([form]) + dice.randbytes(dice.randrange(40, 250)) for form in range(8) for _ in range(8)]


def requests():
    body = b'{"value":{}}'
    chunks = b"c\r\n" + body + b"\r\n0\r\nX: y\r\n\r\n"
    heads = [b"POST /run HTTP/1.1\r\n" + HEAD + b"Content-Length: 12\r\n\r\n" + body,
             b"POST http://x/run?a HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
             b"\r\nGET / HTTP/1.0\r\nConnection: close, x\r\nExpect: 100-continue\r\n\r\n"]
    return [bytes([size]) + head for head in heads for size in (0, 6, 250)] + \
        [bytes([size]) + part for part in (chunks, b"c;a=b;c=\"d\"\r\n" + body + b"\r\n000\r\n\r\n")
         for size in (1, 7, 251)]


def seeds():
    manifests = [path.read_bytes() for path in sorted((HERE.parents[1] / "runtime").glob("*/runtime.json"))]
    argv = [b"--port\0008080\0--workers\0auto", b"--timeout=5s\0--held-max-bytes\0001G", b"invoke\0x.py\0{}",
            b"pipe\0x.py\0--in\0a\0--out=b", b"-compile\0main\0-env\0{}", b"-e\0A=b\0-m\0k=v\0--env-file\0f\0invoke\0f",
            b"--help", b"--help\0all", b"--version", b"--health", b"--quueue-max\0001"]
    knative = [b"a=b&c=%41+d\ncontent-type\n" + body + b"\n" + answer for body in (
        b'{"value":{"a":1,"__ow_user":"x"}}', b'{"init":{"code":"x","raw":true},"activation":{"k":"v"},"value":[1]}',
        b'{"init":{"code":"x","binary":1}}', b"") for answer in (
            b'{"statusCode":201,"headers":{"a":"b","content-type":"image/png","Access-Control-Allow-Origin":1},"body":"QUJD"}',
            b'{"body":{"a":1}}', b'{"a":1,"statusCode":"404"}')]
    lines = [b'{"ok":true}', b'{"ok":true,"pipeline":64,"concurrent":9,"ring":true}', b'{"error":"no"}', b'[7,{"a":1}]',
             b"  [ 12 , {} ] ", b"xXXX_THE_END_OF_A_WHISK_ACTIVATION_XXXXXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"]
    bodies = [json.dumps({"value": {"a": [1, 2.5e3, "\u00e9\n"]}, "activation_id": "1", "deadline": "123"}).encode(),
              b'{"value":null}', b'[{"a":1}]']
    return {"archive": choices(), "unpack": archives(), "framing": requests(), "manifest": manifests, "options": argv,
            "knative": knative, "lines": lines, "contract": bodies, "base64": [b"QUJD", b"QUI=\n", b"QQ", b"A==="],
            "line": [b"\x10\x03abc\ndef\r\n" + 40 * b"x" + b"\ny", b"\0\0\n\n"],
            "trace": [TRACE + b"\na=b\nid-1\n{\"a\":1}", b"\n\nid\n{}", TRACE + b'\n\n\n{"traceparent":1}']}


def main():
    where = pathlib.Path(sys.argv[1])
    for target, inputs in seeds().items():
        (where / target).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (where / target / f"seed{number}").write_bytes(data)
    for kept in HERE.glob("corpus_*"):
        shutil.copytree(kept, where / kept.name.partition("_")[2], dirs_exist_ok=True)


if __name__ == "__main__":
    main()
