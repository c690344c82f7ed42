#pragma once

/*
 * endpoint - where one listens: a TCP address and port, or a Unix socket's path.
 *
 * The file of a Unix socket outlives a process that is killed: one that nobody listens on is
 * replaced, anything else is left alone. Who may connect is who may write to the file: its owner
 * and mode can be given.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;

struct endpoint {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* not empty: a Unix socket */
    char address[64];                                       /* numeric IPv4 or IPv6 */
    uint16_t port;                                          /* 0: any free one */

    /* of a Unix socket's file */
    bool has_mode; /* else the umask decides */
    mode_t mode;
    bool has_owner;
    uid_t uid;
    gid_t gid;
};

/* Whether the text is for endpoint_parse() to make a Unix socket of. */
bool endpoint_is_unix(const char *text);
/* "ADDRESS:PORT", "[ADDRESS]:PORT" or "unix:PATH[,mode=OCTAL][,owner=USER[:GROUP]]". -1:
 * ERR_REQUEST, err names the option. */
int endpoint_parse(struct endpoint *endpoint, const char *option, const char *text,
                   struct err *err);
/* A numeric address, and a port that was checked. -1: ERR_REQUEST, err names the option. */
int endpoint_tcp(struct endpoint *endpoint, const char *option, const char *address, uint16_t port,
                 struct err *err);

/* A listening socket, non-blocking; the place's port is filled in. options: for the text of
 * ERR_SYSTEM, on -1. */
int endpoint_listen(struct endpoint *endpoint, const char *options, struct err *err);
/* Remove the file of a Unix socket that endpoint_listen() made; call before the socket is
 * closed. */
void endpoint_leave(const struct endpoint *endpoint);

/* A connected socket, on which connecting, reads and writes give up after wait_ms each. -1:
 * errno. */
int endpoint_connect(const struct endpoint *endpoint, unsigned wait_ms);
