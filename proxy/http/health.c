#include "http/health.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"

#define WAIT_MS 5000 /* timeout of connect(), write() and each read(): a slower loop is unhealthy */

static const char request[] = "GET /healthz HTTP/1.0\r\nHost: whiskloop\r\n\r\n";

/* Read the start of the reply, at most `size` bytes. Returns the number of bytes read. */
static size_t read_start(int fd, char *reply, size_t size)
{
    size_t n = 0;
    ssize_t n_now;

    while (n < size && (n_now = read(fd, reply + n, size - n)) > 0)
        n += (size_t)n_now;
    return n;
}

int health_ask(const struct endpoint *endpoint, struct err *err)
{
    char reply[sizeof("HTTP/1.1 200") - 1];
    auto_fd int fd = endpoint_connect(endpoint, WAIT_MS);

    if (fd < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot reach the admin listener: %s",
                       strerror(errno));
    errno = 0;
    if (fd_write_all(fd, request, sizeof(request) - 1) < 0 ||
        read_start(fd, reply, sizeof(reply)) < sizeof(reply))
        return err_set(err, ERR_SYSTEM, errno, "the admin listener does not answer: %s",
                       errno != 0 ? strerror(errno) : "it closed the connection");
    if (memcmp(reply, "HTTP/1.", 7) != 0 || memcmp(reply + 8, " 200", 4) != 0)
        return err_set(err, ERR_SYSTEM, 0, "the admin listener answers \"%.*s\"",
                       (int)sizeof(reply), reply);
    return 0;
}
