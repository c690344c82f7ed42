"""Archives made in memory: good ones, and the hostile ones that no library would write."""

import io
import struct
import tarfile
import warnings
import zipfile

SYMLINK = 0o120777
EXECUTABLE = 0o100755
PLAIN = 0o100644


def _data(content):
    return content.encode() if isinstance(content, str) else content


def zipped(files, modes=None, compression=zipfile.ZIP_DEFLATED):
    """
    A zip of {name: content}, without entries for folders. modes: {name: Unix mode}; a name
    without one has no mode at all, as in archives made on DOS or by Python.
    """
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = compression
            entry.external_attr = (modes or {}).get(name, 0) << 16
            archive.writestr(entry, _data(content))
    return memory.getvalue()


def zipped_members(members, compression=zipfile.ZIP_DEFLATED, system=3):
    """
    A zip of (name, content, Unix mode) in this order; a symlink's content is its target. system:
    where it was made, 3 for Unix, so that the mode counts; 0 for DOS and Windows.
    """
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive:
        for name, content, mode in members:
            entry = zipfile.ZipInfo()
            entry.filename = name  # set afterwards: the constructor tidies hostile names
            entry.compress_type = compression
            entry.create_system = system
            entry.external_attr = mode << 16
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one name twice is what some cases are about
                archive.writestr(entry, _data(content))
    return memory.getvalue()


def tarred(files, mode="w", modes=None):
    """A tar of {name: content}; mode "w:gz" for tar.gz. Folders have no entries."""
    return tarred_members([member(name, content, mode=(modes or {}).get(name, 0o644))
                           for name, content in files.items()], mode)


def member(name, content=b"", kind=tarfile.REGTYPE, target="", mode=0o644):
    """One entry of tarred_members()."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    info.mode = mode
    data = _data(content)
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


def tarred_members(members, mode="w"):
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode=mode) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return memory.getvalue()


def encrypted(archive):
    """The same zip with the encryption flag set in every header; the bytes are then noise."""
    data = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def broken_directory(archive):
    """The same zip with a central directory that points nowhere."""
    data = bytearray(archive)
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 16, 0x7FFFFFF0)
    return bytes(data)


def wrong_checksum(archive):
    """The same zip with one byte of its first member's data changed (stored members only)."""
    data = bytearray(archive)
    name_length, extra_length = struct.unpack_from("<HH", data, 26)
    data[30 + name_length + extra_length] ^= 1
    return bytes(data)


def wrong_gzip_checksum(archive):
    """The same tar.gz with one bit of the checksum at its end changed; tar's own parts are whole."""
    data = bytearray(archive)
    data[-8] ^= 1
    return bytes(data)


def mismatched_name(archive, name, other):
    """The same zip in which the local headers say `other` for `name`: of equal length."""
    assert len(name) == len(other)
    at = archive.find(name.encode())
    return archive[:at] + other.encode() + archive[at + len(other):]
