#pragma once

/*
 * ring - memory shared with a launcher, for answers that it has made but not written.
 *
 * A launcher that writes several answers at once would lose them when it is killed, and it would be
 * unknown which activations have run. So it puts them here first: the stream of its answers from
 * byte 0 on, each byte at its position modulo the size. After the bytes, one store updates `end`.
 * When the process is dead, the proxy reads on here from where the pipe ended.
 *
 * Descriptor RING_FD of the process is a sealed memfd of this size, used by launchers that announce
 * "ring" in their ready line. Source: runtime/README.md.
 */

#include <stdatomic.h>
#include <stdint.h>

#define RING_FD    4
#define RING_BYTES 65536 /* capacity: as many bytes as a pipe takes at once */

struct ring {
    _Atomic uint64_t end; /* bytes of answers so far; what did not fit here is only in the pipe */
    char bytes[RING_BYTES];
};
