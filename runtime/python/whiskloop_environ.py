"""whiskloop_environ - set variables many times without leaking memory.

setenv() of glibc, which CPython's os.putenv() calls, never frees a value that it replaces. So each
activation, with a new id, deadline and transaction, would leak some 300 bytes. putenv() of the C
library takes memory from its caller, and the caller may overwrite it.
"""

import ctypes

library = ctypes.PyDLL(None)  # not CDLL: no other thread may read the environment meanwhile
library.malloc.restype = library.getenv.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.putenv.argtypes = [ctypes.c_void_p]

places = {}  # name -> (address, size) of memory that is never freed, because the environment refers to it


def put(name, value):
    """Like os.putenv(), for bytes."""
    line = name + b"=" + value + b"\0"
    address, size = places.get(name, (None, 0))
    if size < len(line):
        size = 2 * len(line)  # so that growing values waste at most as much again
        address = library.malloc(size)
        if address is None:
            raise MemoryError()
        places[name] = address, size
    ctypes.memmove(address, line, len(line))
    if library.getenv(name) != address + len(name) + 1:
        library.putenv(address)
