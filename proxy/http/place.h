#pragma once

/*
 * place - where one listens: a TCP address and port, or a Unix socket's path.
 *
 * The file of a Unix socket outlives a process that is killed: one that nobody listens on is
 * replaced, anything else is left alone. Who may connect is who may write to the file: its owner and
 * mode can be given.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;

struct place {
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

/* Whether the text is for place_parse() to make a Unix socket of. */
bool place_is_unix(const char *text);
/* "ADDRESS:PORT", "[ADDRESS]:PORT" or "unix:PATH[,mode=OCTAL][,owner=USER[:GROUP]]". -1: ERR_REQUEST,
 * err names the option. */
int place_parse(struct place *place, const char *option, const char *text, struct err *err);
/* A numeric address, and a port that was checked. -1: ERR_REQUEST, err names the option. */
int place_tcp(struct place *place, const char *option, const char *address, uint16_t port,
              struct err *err);

/* A listening socket, non-blocking; the place's port is filled in. options: for the text of
 * ERR_SYSTEM, on -1. */
int place_listen(struct place *place, const char *options, struct err *err);
/* Remove the file of a Unix socket that place_listen() made; call before the socket is closed. */
void place_leave(const struct place *place);

/* A connected socket, on which connecting, reads and writes give up after wait_ms each. -1: errno. */
int place_connect(const struct place *place, unsigned wait_ms);
