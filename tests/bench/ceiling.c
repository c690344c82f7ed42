/*
 * ceiling - what libh2o can do on this machine when nobody has to be asked: the same answer to
 * every request, or the request's own body on the path /echo.
 *
 *     ceiling PORT ANSWER
 */

#include <assert.h>
#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "plain.h"

struct answer {
    const char *text; /* borrowed from the command line */
    size_t n;
};

/* libh2o makes the handler itself and has no room in it for a pointer of ours. */
static struct answer answer;

static int on_req(h2o_handler_t *handler, h2o_req_t *req)
{
    (void)handler;
    assert(answer.text != NULL);
    if (h2o_memis(req->path_normalized.base, req->path_normalized.len, H2O_STRLIT("/echo")) &&
        req->entity.base != NULL)
        plain_reply(req, 200, req->entity.base, req->entity.len);
    else
        plain_reply(req, 200, answer.text, answer.n);
    return 0;
}

int main(int argc, char **argv)
{
    uint16_t port = argc == 3 ? plain_port(argv[1]) : 0;

    if (port == 0) {
        (void)fputs("usage: ceiling PORT ANSWER\n", stderr);
        return 2;
    }
    answer = (struct answer){argv[2], strlen(argv[2])};
    return plain_serve(port, on_req);
}
