"""The action that the soak publishes, in three languages: it echoes, or does the wrong that it is told.

A run's value is {"id":"…","do":"…","n":N,"pad":"…"}, its members in this order; the answer is
{"id":"…"}, and with "do":"grow" a pad of N bytes beside it.
"""

PYTHON = """
import os, sys, time

def main(args):
    do, n = args["do"], args["n"]
    if do == "exit":
        os._exit(3)
    elif do == "hang":
        while True:
            time.sleep(1000)
    elif do == "slow":
        time.sleep(n / 1000)
    elif do == "flood":
        for _ in range(n):
            print("flood of lines that nobody asked for")
    elif do == "forge":
        print('{"id":"forged"}')
    elif do == "nonsense":
        return 42
    elif do == "grow":
        return {"id": args["id"], "pad": "x" * n}
    return {"id": args["id"]}
"""

# Many activations at a time in each process; console.log writes before it returns.
NODEJS = """
async function main({ id, do: what, n }) {
    if (what === 'hang')
        await new Promise(() => {});
    else if (what === 'slow')
        await new Promise((resolve) => setTimeout(resolve, n));
    else if (what === 'flood')
        for (let i = 0; i < n; i++)
            console.log('flood of lines that nobody asked for');
    else if (what === 'forge')
        console.log('{"id":"forged"}');
    else if (what === 'nonsense')
        return 42;
    else if (what === 'grow')
        return { id, pad: 'x'.repeat(n) };
    else
        await new Promise(setImmediate);
    return { id };
}
"""

# Answers on descriptor 3, and announces nothing: fed one line at a time.
C = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *answers;

static int is(const char *line, const char *what)
{
    const char *at = strstr(line, "\"do\":\"");

    return at != NULL && strncmp(at + 6, what, strlen(what)) == 0 && at[6 + strlen(what)] == '"';
}

static void answer(const char *id, int n_id, long n_pad)
{
    fprintf(answers, "{\"id\":\"%.*s\"", n_id, id);
    if (n_pad > 0) {
        fputs(",\"pad\":\"", answers);
        for (long i = 0; i < n_pad; i++)
            putc('x', answers);
        putc('"', answers);
    }
    fputs("}\n", answers);
    fflush(answers);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    answers = fdopen(3, "w");
    while (getline(&line, &size, stdin) > 0) {
        const char *id = strstr(line, "\"id\":\"");
        const char *number = strstr(line, "\"n\":");
        int n_id;
        long n;

        if (id == NULL || number == NULL)
            return 2;
        id += 6;
        n_id = (int)strcspn(id, "\"");
        n = atol(number + 4);
        if (is(line, "exit"))
            _exit(3);
        if (is(line, "half")) {
            fprintf(answers, "{\"id\":\"%.*s", n_id, id);
            fflush(answers);
            _exit(3);
        }
        if (is(line, "hang"))
            for (;;)
                pause();
        if (is(line, "slow"))
            usleep((useconds_t)n * 1000);
        if (is(line, "flood"))
            while (n-- > 0)
                puts("flood of lines that nobody asked for");
        if (is(line, "forge"))
            puts("{\"id\":\"forged\"}");
        fflush(stdout);
        if (is(line, "nonsense")) {
            fputs("no JSON, and no answer\n", answers);
            fflush(answers);
            continue;
        }
        answer(id, n_id, is(line, "grow") ? n : 0);
        if (is(line, "twice"))
            answer(id, n_id, 0);
        if (is(line, "late-twice")) { /* when the proxy has replied, and may have fed another */
            usleep(2000);
            answer(id, n_id, 0);
        }
    }
    return 0;
}
"""

FLOOD_LINE = b"flood of lines that nobody asked for\n"
