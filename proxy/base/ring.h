#pragma once

/*
 * ring - memory shared with a launcher, for answers that the launcher has made but not written yet.
 *
 * A launcher that collects several answers for one write() would lose them when it is killed, and
 * nobody would know which activations have run. So it puts the stream of its answers here first:
 * byte i of the stream goes to bytes[i % RING_BYTES], then one store updates `end`. When the
 * launcher is dead, the proxy reads the pipe to its end, and takes what follows in the stream from
 * here.
 *
 * Descriptor RING_FD of the launcher is a sealed memfd that holds this struct. A launcher that uses
 * it says so by "ring":true in the first line that it writes, the ready line. Source:
 * runtime/README.md.
 */

#include <stdatomic.h>
#include <stdint.h>

#define RING_FD    4
#define RING_BYTES 65536 /* capacity: as many bytes as a pipe takes at once */

struct ring {
    _Atomic uint64_t end; /* stream length so far; counts answers too large for `bytes`, too */
    char bytes[RING_BYTES];
};
