/*
 * window - loaded into wrk (LD_PRELOAD): its sockets begin with a receive buffer that an answer of
 * 100 KB fits into.
 *
 * The system's first buffer, of 128 KiB, takes some 95,000 bytes. The end of a longer answer waits
 * until wrk has read and said so, unless the buffer has grown by then, which some connections' did
 * and others' did not: the same server took 53 or 103 us, from one run to the next. Source:
 * TCPToZeroWindowAdv of /proc/net/netstat was 1 per request in the slow runs and 0 in the others,
 * 2026-11-21.
 */

#include <assert.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECEIVE_BYTES 212992 /* the most that Linux gives to anybody where it was not changed */

__attribute__((visibility("default"))) int socket(int domain, int type, int protocol)
{
    int fd = (int)syscall(SYS_socket, domain, type, protocol);
    int bytes = RECEIVE_BYTES;

    assert(fd >= -1);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    return fd;
}
