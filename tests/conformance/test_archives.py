"""Archives that are broken, too large, or reach for what lies outside."""

import gzip
import os
import pathlib
import shutil
import subprocess
import tarfile
import zipfile

import pytest

import archives
from archives import PLAIN, SYMLINK, member, tarred_members, zipped, zipped_members
from whisk import assert_error, wait_until

REFUSED = "The action failed to generate or locate a binary. See logs for details."
MAIN = "def main(args):\n    return {'good': True}\n"
GOOD = {"__main__.py": MAIN}
EVIL = "whiskloop-evil"  # no file of this name may ever appear outside


def found(folder, name):
    """All files of that name below folder, while a refused version may still be on its way out."""
    return [pathlib.Path(place) / name for place, folders, files in os.walk(folder)
            if name in files + folders]


def refused(one, code):
    """The init of this archive must fail with a reason in the log; a good one must then succeed."""
    before = one.sentinels()[0]
    answer = one.init(code)
    assert_error(answer, 502, REFUSED)
    _, err = one.check_streams(before + 1)
    assert err, "the reason stands on stderr"
    one.started(zipped(GOOD))
    assert one.run({}).json == {"good": True}
    return err


def noise(length):
    """Bytes that do not compress, the same in each run."""
    state, made = 1, bytearray()
    while len(made) < length:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        made += state.to_bytes(8, "little")
    return bytes(made[:length])


BROKEN = {
    "magic only": b"PK\x03\x04",
    "magic and zeros": b"PK\x03\x04" + b"\0" * 500,
    "magic and text": b"PK\x03\x04 this is no archive at all, whatever it says",
    "truncated zip": zipped({"__main__.py": MAIN, "data": noise(3000)})[:-1500],
    "zip without its end": zipped(GOOD)[:-10],
    "no directory": archives.broken_directory(zipped(GOOD)),
    "wrong checksum": archives.wrong_checksum(zipped(GOOD, compression=zipfile.ZIP_STORED)),
    "empty zip": zipped({}),
    "encrypted zip": archives.encrypted(zipped({"__main__.py": MAIN + "#" * 100})),
    "gzip magic only": b"\x1f\x8b\x08",
    "gzip of noise": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + noise(300),
    "truncated tar.gz": archives.tarred({"__main__.py": MAIN, "data": noise(9000)}, "w:gz")[:-4000],
    "tar.gz without gzip's checksum": archives.tarred(GOOD, "w:gz")[:-8],
    "wrong checksum in gzip": archives.wrong_gzip_checksum(archives.tarred(GOOD, "w:gz")),
    "truncated tar": archives.tarred({"__main__.py": MAIN, "data": noise(9000)})[:6000],
    "wrong tar checksum": archives.tarred(GOOD)[:148] + b"0000000\0" + archives.tarred(GOOD)[156:],
    "file in the place of a folder": zipped({"a": "file", "a/__main__.py": MAIN}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_TV8_broken_archives(proxy, name):
    """T-V8: corrupt, truncated and encrypted archives are refused with a reason."""
    refused(proxy("--runtime", "python"), BROKEN[name])


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs zip")
def test_TV8_archive_with_a_password(proxy, folder):
    """T-V8: an archive that was really encrypted says so."""
    (folder / "__main__.py").write_text(MAIN * 50)
    subprocess.run(["zip", "-q", "-P", "secret", "locked.zip", "__main__.py"], cwd=folder,
                   check=True, timeout=60)
    err = refused(proxy("--runtime", "python"), (folder / "locked.zip").read_bytes())
    assert "encrypted" in err


def hostile(outside):
    """Name -> archive that would write to, or through, the folder `outside`."""
    evil = f"{outside}/{EVIL}"
    cases = {}
    for up in (1, 2, 3, 5):
        cases[f"zip up {up}"] = zipped_members(
            [("__main__.py", MAIN, PLAIN), ("../" * up + EVIL, "evil", PLAIN)])
        cases[f"tar up {up}"] = tarred_members(
            [member("__main__.py", MAIN), member("../" * up + EVIL, "evil")])
    cases["zip up inside a path"] = zipped_members(
        [("__main__.py", MAIN, PLAIN), ("a/../../" + EVIL, "evil", PLAIN)])
    cases["zip absolute"] = zipped_members([("__main__.py", MAIN, PLAIN), (evil, "evil", PLAIN)])
    cases["tar absolute"] = tarred_members([member("__main__.py", MAIN), member(evil, "evil")])
    cases["tar.gz absolute"] = tarred_members(
        [member("__main__.py", MAIN), member(evil, "evil")], "w:gz")
    cases["zip through a link"] = zipped_members(
        [("__main__.py", MAIN, PLAIN), ("link", str(outside), SYMLINK),
         ("link/" + EVIL, "evil", PLAIN)])
    cases["zip over a link"] = zipped_members(
        [("__main__.py", MAIN, PLAIN), ("link", evil, SYMLINK), ("link", "evil", PLAIN)])
    cases["zip through a link upwards"] = zipped_members(
        [("__main__.py", MAIN, PLAIN), ("link", "../..", SYMLINK), ("link/" + EVIL, "evil", PLAIN)])
    cases["zip through two links"] = zipped_members(
        [("__main__.py", MAIN, PLAIN), ("d/a", "..", SYMLINK), ("d/b", "a/..", SYMLINK),
         ("d/b/" + EVIL, "evil", PLAIN)])
    cases["tar through a link"] = tarred_members(
        [member("__main__.py", MAIN), member("link", kind=tarfile.SYMTYPE, target=str(outside)),
         member("link/" + EVIL, "evil")])
    cases["tar hard link to outside"] = tarred_members(
        [member("__main__.py", MAIN), member("link", kind=tarfile.LNKTYPE, target="/etc/passwd")])
    cases["tar hard link upwards"] = tarred_members(
        [member("__main__.py", MAIN),
         member("link", kind=tarfile.LNKTYPE, target="../../../../../../etc/passwd")])
    cases["tar link to a file outside"] = tarred_members(
        [member("__main__.py", MAIN), member("link", kind=tarfile.SYMTYPE, target="/etc/passwd")])
    cases["tar device"] = tarred_members(
        [member("__main__.py", MAIN), member("zero", kind=tarfile.CHRTYPE)])
    cases["tar named pipe"] = tarred_members(
        [member("__main__.py", MAIN), member("pipe", kind=tarfile.FIFOTYPE)])
    cases["zip of other names in its directory"] = archives.mismatched_name(
        zipped({"aa/whiskloop-evil": "evil", "__main__.py": MAIN}), "aa/" + EVIL, "../" + EVIL)
    return cases


@pytest.mark.parametrize("name", sorted(hostile("/outside")))
def test_TV8_nothing_lands_outside(proxy, folder, name):
    """T-V8: whatever the entries say, no byte is written outside the version's folder."""
    outside = folder / "outside"
    outside.mkdir()
    one = proxy("--runtime", "python")
    code = hostile(outside)[name]
    if name == "zip of other names in its directory":
        # Which of two names such an archive means is anybody's guess: inside, or refused.
        assert one.init(code).status in (200, 502)
    else:
        refused(one, code)
    assert list(outside.iterdir()) == []
    above = [path for path in found(folder, EVIL) if not {"src", "bin"} & set(path.parts)]
    assert above == [], "files above the version's folder"
    assert not any((parent / EVIL).exists() for parent in folder.parents)


def test_links_inside_are_kept(proxy):
    """Packages link within themselves; that is no reason to refuse them."""
    one = proxy("--runtime", "python")
    one.started(zipped_members([
        ("__main__.py", "from there.words import main\n", PLAIN),
        ("here/words.py", MAIN, PLAIN), ("there", "here", SYMLINK)]))
    assert one.run({}).json == {"good": True}


def test_setuid_bits_are_dropped(proxy):
    """No archive brings a file that runs as somebody else."""
    one = proxy("--runtime", "python")
    one.started(tarred_members([
        member("__main__.py", "import os\n\ndef main(args):\n"
                              "    return {'mode': oct(os.stat('tool').st_mode & 0o7777)}\n"),
        member("tool", "x", mode=0o6755)]))
    assert one.run({}).json == {"mode": "0o755"}


def test_folders_that_could_not_be_removed_are_removed(proxy):
    """Folders without write permission in an archive do not stay behind; the fixture looks."""
    one = proxy("--runtime", "python")
    code = zipped_members([("locked/", "", 0o040555), ("locked/file", "x", 0o100444),
                           ("broken", "x", 0o100644)])
    assert one.init(code).status == 502
    one.started(zipped(GOOD))


def files(count):
    return {"__main__.py": MAIN, **{f"d/{n}": "" for n in range(count - 2)}}  # "d" is one more


@pytest.mark.parametrize("pack", [zipped, archives.tarred], ids=["zip", "tar"])
def test_TV8_too_many_entries(proxy, pack):
    """T-V8: more entries than the bound are refused, by name of the bound."""
    one = proxy("--runtime", "python", "--unpack-entries-max", 1000)
    err = refused(one, pack(files(2000)))
    assert "1000" in err and "unpack-entries-max" in err


def test_TV8_entries_at_the_bound(proxy):
    """As many entries as the bound allows are unpacked, one more is not."""
    exact = {"__main__.py": MAIN, **{f"{n}.txt": "" for n in range(9)}}
    proxy("--runtime", "python", "--unpack-entries-max", 10).started(zipped(exact))
    refused(proxy("--runtime", "python", "--unpack-entries-max", 10), zipped({**exact, "more": ""}))


def test_TV8_bytes_at_the_bound(proxy):
    """As many bytes as the bound allows are unpacked, one more is not."""
    room = 4096 - len(MAIN)
    options = ("--runtime", "python", "--unpack-max-bytes", 4096)
    proxy(*options).started(zipped({**GOOD, "data": noise(room)}))
    err = refused(proxy(*options), zipped({**GOOD, "data": noise(room + 1)}))
    assert "4096" in err and "unpack-max-bytes" in err


@pytest.mark.parametrize("pack", [zipped, lambda files: archives.tarred(files, "w:gz")],
                         ids=["zip", "tar.gz"])
def test_TV8_bomb_by_bytes(proxy, pack):
    """T-V8: a small archive of 20 MB of zeros stops at the bound on bytes."""
    one = proxy("--runtime", "python", "--unpack-max-bytes", 5 << 20)
    err = refused(one, pack({**GOOD, "zeros": b"\0" * (20 << 20)}))
    assert "unpack" in err


def test_TV8_bomb_by_ratio(proxy):
    """T-V8: an archive that grows more than the ratio allows is refused."""
    one = proxy("--runtime", "python", "--unpack-ratio-max", 10)
    err = refused(one, zipped({**GOOD, "zeros": b"\0" * (20 << 20)}))
    assert "unpack-ratio-max" in err


def test_failed_versions_leave_no_folder(proxy, folder):
    """What a refused archive left is removed while the proxy runs on."""
    home = folder / "actions"
    one = proxy("--runtime", "python", "--action-dir", home)
    for name in ("wrong checksum", "truncated tar"):
        assert one.init(BROKEN[name]).status == 502
    one.started(zipped(GOOD))
    wait_until(lambda: len(list(home.iterdir())) == 1, "the folders of failed versions to go")


LISTS = ("import os\n\ndef main(args):\n    names = [os.fsencode(name).hex() for name in os.listdir('names')]\n"
         "    return {'names': sorted(names), 'link': os.fsencode(os.readlink('link')).hex()}\n")
# One letter in two normal forms, the sign for kelvin that becomes a K, and no UTF-8 at all.
NAMES = ["e\u0301".encode(), "\u00e9".encode(), "\u212a".encode(), b"K", b"\xff\xfe" + b"n" * 120]


def pax_tar(records_of, mode):
    """A tar whose names are in pax headers as they are; records_of: name, target -> bytes."""
    def header(name, kind, size):
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, size
        return info.tobuf(tarfile.USTAR_FORMAT)

    def padded(data):
        return data + bytes(-len(data) % 512)

    def entry(kind, data, **fields):
        records = records_of(fields)
        return (header("pax", tarfile.XHDTYPE, len(records)) + padded(records) +
                header("plain", kind, len(data)) + padded(data))

    main = LISTS.encode()
    made = header("__main__.py", tarfile.REGTYPE, len(main)) + padded(main)
    made += b"".join(entry(tarfile.REGTYPE, b"x" * 70000, path=b"names/" + name) for name in NAMES)
    made += entry(tarfile.SYMTYPE, b"", path=b"link", linkpath=b"names/" + NAMES[0]) + bytes(1024)
    if mode == "tar":
        return made
    cut = len(made) // 2 if mode == "tar.gz in two members" else len(made)
    return gzip.compress(made[:cut]) + (gzip.compress(made[cut:]) if cut < len(made) else b"")


def records(fields):
    lines = []
    for key, value in fields.items():
        length = len(key) + len(value) + 3
        length += len(str(length + len(str(length))))
        lines.append(b"%d %s=%s\n" % (length, key.encode(), value))
    return b"".join(lines)


def of_sparse_files(fields):
    """As GNU tar writes them: what it calls the path is made up."""
    return records({"GNU.sparse.name": fields["path"], **fields, "path": b"GNUSparseFile.1/made-up"})


@pytest.mark.parametrize("mode", ["tar", "tar.gz", "tar.gz in two members"])
@pytest.mark.parametrize("records_of", [records, of_sparse_files])
def test_names_in_pax_headers_are_kept_byte_for_byte(proxy, mode, records_of):
    one = proxy("--runtime", "python")
    one.started(pax_tar(records_of, mode))
    assert one.run({}).json == {"names": sorted(name.hex() for name in NAMES),
                                "link": (b"names/" + NAMES[0]).hex()}


@pytest.mark.parametrize("path", [b"../" + EVIL.encode(), b"/tmp/" + EVIL.encode(), b"a/../../\xff"])
def test_names_in_pax_headers_stay_inside(proxy, path):
    one = proxy("--runtime", "python")
    hostile_tar = pax_tar(lambda fields: records({**fields, "path": path}), "tar.gz")
    assert "outside the action's folder" in refused(one, hostile_tar)
