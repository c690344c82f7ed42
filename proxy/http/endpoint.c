#include "http/endpoint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/err.h"
#include "base/privileges.h"
#include "base/util.h"

#define BACKLOG 1024 /* most connections waiting for accept(); the kernel may allow fewer */
/* Bytes that the kernel may keep unsent for a connection: as many as request.c gives libh2o at a
 * time (PIECE_BYTES). */
#define UNSENT_BYTES (1 << 18)
#define UNIX_MARK    "unix:"
#define MODE_MARK    ",mode="
#define OWNER_MARK   ",owner="
/* Timeout of connect() in remove_stale(). After a timeout, we assume that there is a listener. */
#define LOOK_MS 100

/* An address in the form that bind() and connect() take. */
struct known {
    struct sockaddr_storage address;
    socklen_t n;
};

static int wrong(const char *option, const char *text, const char *why, struct err *err)
{
    return err_set(err, ERR_REQUEST, 0, "%s=%s: %s; want ADDRESS:PORT, [IPV6]:PORT or unix:PATH",
                   option, text, why);
}

bool endpoint_is_unix(const char *text)
{
    return strncmp(text, UNIX_MARK, strlen(UNIX_MARK)) == 0;
}

bool endpoint_is_open(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

void endpoint_url(const char *address, unsigned port, char *url, size_t size)
{
    const char *host = endpoint_is_open(address) ? "127.0.0.1" : address;
    bool is_ipv6 = strchr(host, ':') != NULL;

    (void)snprintf(url, size, "http://%s%s%s:%u", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
                   port);
}

static int parse_mode(struct endpoint *endpoint, const char *option, const char *text,
                      struct err *err)
{
    size_t n = strspn(text, "01234567");

    if (n == 0 || text[n] != '\0' || strtoul(text, NULL, 8) > 0777)
        return err_set(err, ERR_REQUEST, 0, "%s: mode=%s: want an octal number from 0 to 0777",
                       option, text);
    endpoint->has_mode = true;
    endpoint->mode = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

static int parse_owner(struct endpoint *endpoint, const char *option, const char *text,
                       struct err *err)
{
    auto_free char *name = xasprintf("%s: owner", option);
    struct privileges who = {.as_user = false};
    int result = privileges_find_user(&who, name, text, "/etc", err);

    endpoint->has_owner = result == 0;
    endpoint->uid = who.uid;
    endpoint->gid = who.gid;
    privileges_done(&who);
    return result;
}

/* Parse ",mode=" and ",owner=" at the end of `path`, in either order, and cut them off. Other
 * commas belong to the path. */
static int parse_file(struct endpoint *endpoint, const char *option, char *path, struct err *err)
{
    char *comma;

    while ((comma = strrchr(path, ',')) != NULL) {
        if (strncmp(comma, MODE_MARK, strlen(MODE_MARK)) == 0) {
            if (parse_mode(endpoint, option, comma + strlen(MODE_MARK), err) < 0)
                return -1;
        } else if (strncmp(comma, OWNER_MARK, strlen(OWNER_MARK)) == 0) {
            if (parse_owner(endpoint, option, comma + strlen(OWNER_MARK), err) < 0)
                return -1;
        } else {
            break;
        }
        *comma = '\0';
    }
    return 0;
}

static int parse_path(struct endpoint *endpoint, const char *option, const char *text,
                      struct err *err)
{
    auto_free char *path = xstrdup(text + strlen(UNIX_MARK));

    if (parse_file(endpoint, option, path, err) < 0)
        return -1;
    if (path[0] == '\0')
        return err_set(err, ERR_REQUEST, 0, "%s=%s: the path is missing; want unix:PATH", option,
                       text);
    if (strlen(path) >= sizeof(endpoint->path))
        return err_set(err, ERR_REQUEST, 0, "%s=%.64s...: the path is longer than %zu bytes",
                       option, text, sizeof(endpoint->path) - 1);
    (void)snprintf(endpoint->path, sizeof(endpoint->path), "%s", path);
    return 0;
}

int endpoint_parse(struct endpoint *endpoint, const char *option, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;
    bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    struct in6_addr binary;
    unsigned long port;

    memset(endpoint, 0, sizeof(*endpoint));
    if (endpoint_is_unix(text))
        return parse_path(endpoint, option, text, err);
    if (colon == NULL)
        return wrong(option, text, "no port", err);
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) < 1 ||
        strlen(colon + 1) > 5 || (port = strtoul(colon + 1, NULL, 10)) > 65535)
        return wrong(option, text, "the port is no number from 0 to 65535", err);
    if (n < sizeof(endpoint->address))
        (void)snprintf(endpoint->address, sizeof(endpoint->address), "%.*s",
                       (int)(bracketed ? n - 2 : n), bracketed ? text + 1 : text);
    if (inet_pton(bracketed ? AF_INET6 : AF_INET, endpoint->address, &binary) != 1)
        return wrong(option, text, "the address is not a numeric one", err);
    endpoint->port = (uint16_t)port;
    return 0;
}

static int resolve(const struct endpoint *endpoint, struct known *known)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct addrinfo *found = NULL;
    char service[8];

    memset(known, 0, sizeof(*known));
    if (endpoint->path[0] != '\0') {
        memcpy(local.sun_path, endpoint->path, sizeof(local.sun_path));
        memcpy(&known->address, &local, sizeof(local));
        known->n = sizeof(local);
        return 0;
    }
    (void)snprintf(service, sizeof(service), "%u", endpoint->port);
    if (getaddrinfo(endpoint->address, service, &hints, &found) != 0)
        return -1;
    assert(found->ai_addrlen <= sizeof(known->address));
    memcpy(&known->address, found->ai_addr, found->ai_addrlen);
    known->n = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int endpoint_tcp(struct endpoint *endpoint, const char *option, const char *address, uint16_t port,
                 struct err *err)
{
    struct known known;

    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->port = port;
    (void)snprintf(endpoint->address, sizeof(endpoint->address), "%s", address);
    if (strlen(address) >= sizeof(endpoint->address) || resolve(endpoint, &known) < 0)
        return err_set(err, ERR_REQUEST, 0, "%s=%s: want a numeric IPv4 or IPv6 address", option,
                       address);
    return 0;
}

int endpoint_connect(const struct endpoint *endpoint, unsigned wait_ms)
{
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    struct known known;
    auto_fd int fd = -1;

    if (resolve(endpoint, &known) < 0) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(known.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
        connect(fd, (struct sockaddr *)&known.address, known.n) < 0)
        return -1;
    return fd_take(&fd);
}

/* Remove the file of a Unix socket without a listener. false: there is a listener, or the file is
 * no socket or cannot be removed. */
static bool remove_stale(const struct endpoint *endpoint)
{
    struct stat info;
    auto_fd int fd = -1;

    assert(endpoint->path[0] != '\0');
    if (lstat(endpoint->path, &info) < 0 || !S_ISSOCK(info.st_mode))
        return false;
    fd = endpoint_connect(endpoint, LOOK_MS);
    return fd < 0 && errno == ECONNREFUSED && unlink(endpoint->path) == 0;
}

static bool bind_to(int fd, const struct endpoint *endpoint, const struct known *known)
{
    if (bind(fd, (const struct sockaddr *)&known->address, known->n) == 0)
        return true;
    if (errno != EADDRINUSE || endpoint->path[0] == '\0')
        return false;
    if (remove_stale(endpoint))
        return bind(fd, (const struct sockaddr *)&known->address, known->n) == 0;
    errno = EADDRINUSE;
    return false;
}

/* Bind, and set mode and owner of a Unix socket's file. The umask makes bind() create the file with
 * its final mode, so that the file is never accessible more widely. */
static bool bind_file(int fd, struct endpoint *endpoint, const struct known *known)
{
    mode_t mask = endpoint->has_mode ? umask(0777 & ~endpoint->mode) : 0;
    bool bound = bind_to(fd, endpoint, known);
    struct stat info;

    if (endpoint->has_mode)
        (void)umask(mask);
    if (bound && endpoint->has_owner && lchown(endpoint->path, endpoint->uid, endpoint->gid) < 0) {
        int os = errno;

        (void)unlink(endpoint->path);
        errno = os;
        return false;
    }
    if (bound && endpoint->path[0] != '\0' && lstat(endpoint->path, &info) == 0) {
        endpoint->device = info.st_dev;
        endpoint->inode = info.st_ino;
    }
    return bound;
}

static int say_failed(const struct endpoint *endpoint, const char *options, int os, struct err *err)
{
    if (endpoint->path[0] != '\0')
        return err_set(err, ERR_SYSTEM, os, "cannot listen on \"%s\" (%s): %s", endpoint->path,
                       options, strerror(os));
    return err_set(err, ERR_SYSTEM, os, "cannot listen on %s port %u (%s): %s", endpoint->address,
                   endpoint->port, options, strerror(os));
}

int endpoint_listen(struct endpoint *endpoint, const char *options, struct err *err)
{
    struct known known;
    int on = 1;
    int unsent = UNSENT_BYTES;
    auto_fd int fd = -1;

    assert(!endpoint->has_mode || endpoint->path[0] != '\0');
    assert(!endpoint->has_owner || endpoint->path[0] != '\0');
    if (resolve(endpoint, &known) < 0)
        return say_failed(endpoint, options, EINVAL, err);
    fd = socket(known.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        !bind_file(fd, endpoint, &known) || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&known.address, &known.n) < 0)
        return say_failed(endpoint, options, errno, err);
    /* Bound what the kernel buffers for a client that does not read: the buffer counts as the
     * container's memory, too. */
    if (endpoint->path[0] == '\0') {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
        endpoint->port = ntohs(known.address.ss_family == AF_INET6
                                   ? ((struct sockaddr_in6 *)&known.address)->sin6_port
                                   : ((struct sockaddr_in *)&known.address)->sin_port);
    }
    return fd_take(&fd);
}

void endpoint_leave(const struct endpoint *endpoint)
{
    struct stat info;

    if (endpoint->path[0] != '\0' && lstat(endpoint->path, &info) == 0 &&
        info.st_dev == endpoint->device && info.st_ino == endpoint->inode)
        (void)unlink(endpoint->path);
}
