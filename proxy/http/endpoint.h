#pragma once

/*
 * endpoint - a listening address: TCP address and port, or the path of a Unix socket.
 *
 * A process that is killed leaves the file of its Unix socket behind. endpoint_listen() replaces a
 * socket that has no listener, and leaves any other file alone. Write permission on the file
 * decides who may connect; its owner and mode can be set.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;

struct endpoint {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* path of a Unix socket; "": TCP */
    char address[64];                                       /* numeric IPv4 or IPv6 */
    uint16_t port;                                          /* 0: any free port */

    /* mode and owner for the file of a Unix socket */
    bool has_mode; /* false: the umask decides */
    mode_t mode;
    bool has_owner;
    uid_t uid;
    gid_t gid;

    /* device and inode of the file that endpoint_listen() has made, by which endpoint_leave()
     * recognizes the file; no other file gets this inode while we listen */
    dev_t device;
    ino_t inode;
};

/* Whether the text begins with "unix:", so that endpoint_parse() makes a Unix socket of it. */
bool endpoint_is_unix(const char *text);
/* Parse "ADDRESS:PORT", "[ADDRESS]:PORT" or "unix:PATH[,mode=OCTAL][,owner=USER[:GROUP]]". -1:
 * ERR_REQUEST, err names the option. */
int endpoint_parse(struct endpoint *endpoint, const char *option, const char *text,
                   struct err *err);
/* Make an endpoint of a numeric address and a port. -1: ERR_REQUEST, err names the option. */
int endpoint_tcp(struct endpoint *endpoint, const char *option, const char *address, uint16_t port,
                 struct err *err);

/* Whether a numeric address stands for all interfaces, so that other machines can connect. */
bool endpoint_is_open(const char *address);
/* Write the URL "http://HOST:PORT" by which this machine reaches a listener at a numeric address.
 * HOST is loopback if the address stands for all interfaces. */
void endpoint_url(const char *address, unsigned port, char *url, size_t size);

/* Returns a listening, non-blocking socket, and sets endpoint->port to its port. options: names of
 * the options that set the address, for the error text. -1: ERR_SYSTEM. */
int endpoint_listen(struct endpoint *endpoint, const char *options, struct err *err);
/* Remove the file of a Unix socket that endpoint_listen() has made, but no file that has taken its
 * place. Call before closing the socket. */
void endpoint_leave(const struct endpoint *endpoint);

/* Returns a connected socket. The connect and each later read or write time out after wait_ms. -1:
 * see errno. */
int endpoint_connect(const struct endpoint *endpoint, unsigned wait_ms);
