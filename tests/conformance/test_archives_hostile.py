"""Archives that lie about themselves, and those of other packers: refused with the reason, in bounds."""

import bz2
import gzip
import io
import lzma
import os
import pathlib
import resource
import struct
import tarfile
import unicodedata
import zipfile
import zlib

import pytest

import archives
from archives import PLAIN, SYMLINK, member, tarred, tarred_members, zipped, zipped_members
from test_archives import GOOD, MAIN, refused

MIB = 1 << 20


def gzip_head(name_bytes):
    """A gzip's header whose file name never ends, of zeros in the place of an end."""
    return b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * name_bytes


def raw_gzip(blocks):
    """A gzip of these blocks, packed as it comes: none of it is held here."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(block) for block in blocks) + packer.flush()


def endless_name():
    """Gzip in gzip in gzip: 450 MB of a name for whoever looks for a filter in each filter."""
    inner = raw_gzip([gzip_head(0), *[b"n" * MIB] * 450])
    return raw_gzip([inner])


def tar_header(name, size_field, kind=b"0"):
    """One block, with its checksum, and a size that nobody would write."""
    block = bytearray(512)
    block[:len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:124] = b"0000000\0" * 2
    block[124:136] = size_field
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(records):
    """A pax header of these bytes, which hold its records."""
    return tar_header(b"x", b"%011o\0" % len(records), b"x") + records + b"\0" * (-len(records) % 512)


def long_record(n_bytes):
    """One pax record: a comment of so many bytes."""
    return b"%d comment=%s\n" % (n_bytes, b"c" * (n_bytes - len(str(n_bytes)) - 10))


def lying_zip():
    """It says one byte and holds 60 MB."""
    data = bytearray(zipped({**GOOD, "big": b"\0" * (60 * MIB)}))
    for signature, at_size in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.find(b"big") - (30 if signature == b"PK\x03\x04" else 46)
        at = data.rfind(signature) if signature == b"PK\x01\x02" else at
        struct.pack_into("<I", data, at + at_size, 1)
    return bytes(data)


def overlapping_zip(n_files=200, n_bytes=MIB):
    """All entries share one kernel of data, as in a zip bomb that does not nest."""
    packed = zlib.compress(b"\0" * n_bytes, 9)[2:-4]
    crc = zlib.crc32(b"\0" * n_bytes)
    sizes = struct.pack("<III", crc, len(packed), n_bytes)
    local = struct.pack("<IHHHHH", 0x04034b50, 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", 1, 0)
    body = local + b"a" + packed
    directory = b"".join(
        struct.pack("<IHHHHHH", 0x02014b50, 20, 20, 0, 8, 0, 33) + sizes +
        struct.pack("<HHHHHII", len(b"%06d" % n), 0, 0, 0, 0, 0, 0) + b"%06d" % n
        for n in range(n_files))
    end = struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, n_files, n_files, len(directory), len(body), 0)
    return body + directory + end


LIES = {
    "a name without end, in gzips": endless_name,
    "gzip in gzip": lambda: gzip.compress(tarred(GOOD, "w:gz")),
    "a negative size": lambda: tar_header(b"__main__.py", b"\xff" * 12) + b"\0" * 1024,
    "a size beyond the archive": lambda: tar_header(b"__main__.py", b"77777777777\0") + MAIN.encode(),
    "a size in pax that is negative": lambda: pax(b"11 size=-1\n") + tar_header(
        b"__main__.py", b"00000000000\0") + b"\0" * 1024,
    "64 MB of pax": lambda: raw_gzip([pax(long_record(64 * MIB))]),
    "a long name of 64 MB": lambda: raw_gzip(
        [tar_header(b"././@LongLink", b"%011o\0" % (64 * MIB), b"L"), b"n" * (64 * MIB)]),
    "pax without end": lambda: raw_gzip([pax(long_record(MIB // 2))] * 400),
    "a zip that lies about sizes": lying_zip,
    "entries that overlap": overlapping_zip,
}


@pytest.mark.parametrize("name", LIES)
def test_an_archive_that_lies_is_refused(proxy, name):
    """With a reason, and the child that unpacks it stays within its memory."""
    code = LIES[name]()
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of all that ended so far, in KiB
    one = proxy("--runtime", "python", "--unpack-max-bytes", 50 * MIB)
    err = refused(one, code)
    assert "signal" not in err, err
    one.finish()
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(largest, 400 * 1024)


def test_headers_larger_than_what_they_describe_are_refused(proxy):
    """200 MB of headers for 400 empty files, in a gzip of 200 kB: each bound by itself is kept."""
    headers = pax(long_record(MIB // 2))
    code = raw_gzip(headers + tar_header(b"%d" % n, b"00000000000\0") for n in range(400))
    one = proxy("--runtime", "python", "--unpack-max-bytes", 50 * MIB, "--unpack-entries-max", 500,
                "--unpack-ratio-max", 0)
    assert "it holds more than files and their names" in refused(one, code)


PACKED = {
    "bzip2": lambda: bz2.compress(tarred(GOOD)),
    "xz": lambda: lzma.compress(tarred(GOOD)),
    "7-Zip": lambda: b"7z\xbc\xaf\x27\x1c\0\4" + os.urandom(200),
    "zstd": lambda: b"\x28\xb5\x2f\xfd" + os.urandom(200),
    "lz4": lambda: b"\x04\x22\x4d\x18" + os.urandom(200),
    "RAR": lambda: b"Rar!\x1a\x07\x01\0" + os.urandom(200),
    "gzip": lambda: gzip.compress(MAIN.encode()),
    "gzip twice": lambda: gzip.compress(tarred(GOOD, "w:gz")),
}


@pytest.mark.parametrize("by", PACKED)
def test_another_packer_is_named(proxy, by):
    """tar.bz2, tar.xz and 7z are no Python source with a fault in it."""
    err = refused(proxy("--runtime", "python"), PACKED[by]())
    assert f"packed by {by}" in err and "zip, tar or tar.gz" in err


def test_an_empty_zip_lacks_the_entry(proxy):
    """As any zip without the file that the runtime wants; that is what is wrong with it."""
    err = refused(proxy("--runtime", "python"), zipped({}))
    assert "Zip file does not include __main__.py" in err


def test_an_entry_one_folder_deeper_is_told_with_its_folder(proxy):
    """Who packs a folder instead of its content: the Explorer of Windows does."""
    err = refused(proxy("--runtime", "python"), zipped({"app/__main__.py": "", "app/lib.py": ""}))
    assert '; it is in the folder "app": publish what is in that folder' in err


@pytest.mark.parametrize("path", ["home/me/app", "C:/work/app"])
def test_an_entry_some_folders_deeper_is_told_with_their_path(proxy, path):
    """Who packs a folder by its whole path, as `zip -r x.zip /home/me/app` and wskdeploy on Windows do."""
    err = refused(proxy("--runtime", "python"), zipped({f"{path}/__main__.py": "", f"{path}/lib.py": ""}))
    assert f'; it is in the folder "{path}": publish what is in that folder' in err


def test_an_exec_that_is_no_program_is_told_with_what_it_is(proxy):
    """Built on a Mac, and so not for Linux; or a script that only a shell takes for one."""
    one = proxy("--runtime", "python")
    for code, what in ((b"\xcf\xfa\xed\xfe" + b"\0" * 100, '; "exec" is a program for macOS: build it for Linux'),
                       (b"echo '{}'\n", 'nor a script that begins with "#!"')):
        one.init(zipped({"exec": code}))
        assert what in one.log_parts(1)[-1]


@pytest.mark.parametrize("pack", [zipped, tarred, lambda files: tarred(files, "w:gz")],
                         ids=["zip", "tar", "tar.gz"])
def test_names_keep_their_bytes(proxy, pack):
    """Two names that differ in Unicode normal form only are two files, of those names."""
    names = [unicodedata.normalize(form, "größe.txt") for form in ("NFC", "NFD")]
    one = proxy("--runtime", "python")
    one.started(pack({"__main__.py": "import os\n\ndef main(args):\n    return {name: open(name)"
                                     ".read() for name in os.listdir('.') if name[:2] == 'gr'}\n",
                      names[0]: "composed", names[1]: "decomposed"}))
    assert one.run({}).json == {names[0]: "composed", names[1]: "decomposed"}


def test_folders_of_a_zip_from_powershell_are_folders(proxy):
    """Compress-Archive of Windows PowerShell writes backslashes. unzip takes them for slashes, too."""
    one = proxy("--runtime", "nodejs")
    one.started(zipped_members([("index.js", "exports.main = () => require('./src/lib/größe');", 0),
                                ("src\\lib\\größe.js", "exports.found = true;", 0),
                                ("src\\empty\\", "", 0)], system=0))
    assert one.run({}).json == {"found": True}


def test_a_backslash_in_a_name_from_unix_stays(proxy):
    one = proxy("--runtime", "python")
    one.started(zipped_members([("__main__.py", "import os\n\ndef main(args):\n    return "
                                 "{'names': os.listdir('.')}\n", 0o100644),
                                ("disk\\x2d1.mount", "", 0o100644)]))
    assert "disk\\x2d1.mount" in one.run({}).json["names"]


@pytest.mark.parametrize("name", ["..\\..\\out.txt", "\\out.txt"])
def test_a_zip_from_windows_stays_inside(proxy, name):
    err = refused(proxy("--runtime", "python"),
                  zipped_members([("__main__.py", "", 0), (name, "", 0)], system=0))
    assert "would land outside the action's folder" in err


@pytest.mark.parametrize("target", ["/Users/me/dev/unused", "../../../../../../dev-of-me/unused"])
def test_a_dangling_link_is_left_out_with_a_line(proxy, target):
    """npm link leaves such; nobody needs it, and the archive is as good without it."""
    one = proxy("--runtime", "python")
    one.started(zipped_members([("__main__.py", "import os\n" + MAIN.replace(
        "True", "not os.path.lexists('node_modules/unused')"), PLAIN),
        ("node_modules/unused", target, SYMLINK)]))
    assert one.run({}).json == {"good": True}
    err = one.logs()[1].decode()
    assert f'"node_modules/unused" is left out: it is a link to "{target}"' in err


def test_a_name_that_turns_back_is_unpacked(proxy):
    one = proxy("--runtime", "python")
    one.started(zipped({"__main__.py": MAIN.replace("True", "open('a/c.txt').read() == 'c'"),
                        "a/./b/../c.txt": "c"}))
    assert one.run({}).json == {"good": True}


@pytest.mark.parametrize("option,cause", [("size=64k", "the disk is full"),
                                          ("nr_inodes=6", "no inode left")])
def test_a_full_disk_is_named(proxy, mounted, option, cause):
    """The library says "Write failed" and "Can't create"."""
    one = proxy("--runtime", "python", "--action-dir", mounted(option) / "actions")
    files = {"__main__.py": MAIN, **{f"{n}.bin": os.urandom(40000) for n in range(9)}}
    assert one.init(zipped(files)).status == 502
    assert cause in one.err_text() and "--action-dir" in one.err_text()


@pytest.mark.parametrize("members, cause", [
    ([("ж" * 128, "a", PLAIN)], "File name too long"), ([("ж" * 128 + "/a", "a", PLAIN)], "File name too long"),
    ([("a", "b" * 5000, SYMLINK)], "File name too long"),
    ([("a", "a", PLAIN), ("a/b/c", "a", PLAIN)], "Not a directory")], ids=["file", "folder", "link", "file-as-folder"])
def test_why_an_entry_cannot_be_on_a_disk_is_told(proxy, members, cause):
    """The library says "Could not stat", with the name again. Elsewhere a name may have 255 letters, not bytes."""
    one = proxy("--runtime", "python")
    assert one.init(zipped_members([("__main__.py", MAIN, PLAIN), *members])).status == 502
    assert f'cannot unpack archive entry "{members[-1][0][:80]}": {cause}' in one.err_text()


def test_a_disk_without_an_inode_for_a_folder_is_named(proxy, mounted):
    """An entry whose folder has no entry of its own. The library tells ENOENT then."""
    one = proxy("--runtime", "python", "--action-dir", mounted("nr_inodes=5") / "actions")
    answer = one.init(zipped({"__main__.py": MAIN, "folder/a.txt": "a"}))
    assert answer.status == 502
    assert "no inode left" in answer.error


def test_an_init_after_one_that_filled_the_disk_has_the_room(proxy, mounted):
    one = proxy("--runtime", "python", "--action-dir", mounted("size=64k") / "actions",
                "--allow-reinit")
    for _ in range(9):
        assert one.init(zipped({"large.bin": os.urandom(99999)})).status == 502
        one.started(MAIN)
    assert one.run({}).json == {"good": True}


def test_an_init_without_an_inode_for_its_folders_leaves_none(proxy, mounted):
    """One inode is the disk's, one that of actions, and one is left."""
    actions = mounted("nr_inodes=3") / "actions"
    one = proxy("--runtime", "python", "--action-dir", actions)
    assert one.init(MAIN).status == 502
    assert "No space left on device" in one.err_text()
    assert os.listdir(actions) == []
