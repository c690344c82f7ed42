#pragma once

/*
 * ring - memory that a launcher shares with the proxy, for answers that it has made and not
 * written.
 *
 * A launcher that writes several answers at once would lose those that wait when it is killed, and
 * nobody could tell who has run. So it keeps them here: the stream of its answers, from byte 0 on,
 * each byte at its place modulo the size. What was made is counted by one store, behind the bytes.
 * When the process is dead the proxy reads on from where the pipe ended.
 *
 * Descriptor RING_FD of the process is a sealed memfd of this size; it is used by who announces
 * "ring" in the ready line. Source: runtime/README.md.
 */

#include <stdatomic.h>
#include <stdint.h>

#define RING_FD    4
#define RING_BYTES 65536 /* capacity; as much as a pipe takes at once */

struct ring {
    _Atomic uint64_t end; /* bytes of the stream produced so far; what did not fit was written */
    char bytes[RING_BYTES];
};
