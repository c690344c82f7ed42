#include "filter/argument.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/util.h"
#include "worker/contract.h"

#define EXAMPLE "{\"name\":\"Test\"}"

static int read_from(const char *word, uint64_t bytes_max, int stop_fd, struct buf *text,
                     struct err *err)
{
    const char *path = word[0] == '@' ? word + 1 : NULL;
    const char *name = path != NULL ? path : "stdin";
    /* without O_NONBLOCK, open() of a named pipe would wait for a writer, even after stop_fd has
     * become readable */
    int flags = O_RDONLY | O_CLOEXEC | (stop_fd >= 0 ? O_NONBLOCK : 0);
    auto_fd int opened = path != NULL ? open(path, flags) : -1;

    if ((path != NULL && opened < 0) ||
        buf_read_all(text, path != NULL ? opened : STDIN_FILENO, bytes_max, stop_fd) < 0)
        return err_set(err, errno == EINTR ? ERR_SYSTEM : ERR_REQUEST, errno,
                       "cannot read the argument from %s: %s", name,
                       errno == EINTR ? "interrupted" : strerror(errno));
    return 0;
}

static bool begins_with(const char *text, size_t n, const char *start)
{
    return n >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

static int make_line(struct job *job, const char *text, size_t n, const char *members,
                     uint64_t bytes_max, struct err *err)
{
    struct json_fault fault;
    enum json_kind kind;
    auto_buf struct buf body = {0};
    size_t n_mark;
    char why[128];

    assert(members == NULL || members[0] == '\0' || members[strlen(members) - 1] == ',');
    if (n > bytes_max)
        return err_set(err, ERR_REQUEST, 0,
                       "the argument is longer than %" PRIu64 " bytes (--run-max-bytes)",
                       bytes_max);
    n_mark = utf8_mark_length(text, n);
    text += n_mark;
    n -= n_mark;
    kind = json_check(text, n, &fault);
    if (kind == JSON_BAD) {
        json_fault_say(&fault, text, n, why, sizeof(why));
        return err_set(err, ERR_REQUEST, 0, "the argument is no JSON: %s, at byte %zu%s", why,
                       fault.at,
                       begins_with(text, n, "{") || begins_with(text, n, "[")
                           ? ""
                           : "; want an object such as " EXAMPLE);
    }
    if (kind != JSON_OBJECT && kind != JSON_ARRAY && !job->takes_any_result)
        return err_set(err, ERR_REQUEST, 0,
                       "want a JSON object or array as the argument, such as " EXAMPLE);
    buf_add_text(&body, "{\"value\":");
    buf_add(&body, text, n);
    buf_add_text(&body, "}");
    contract_set_line(job, json_top(buf_at(&body), buf_len(&body)), members,
                      members != NULL ? strlen(members) : 0);
    return 0;
}

int argument_read(struct job *job, const char *word, const char *members, uint64_t bytes_max,
                  int stop_fd, struct err *err)
{
    auto_buf struct buf text = {0};

    assert(job->line == NULL);
    if (word != NULL && strcmp(word, "@") == 0)
        return err_set(err, ERR_REQUEST, 0, "@: the name of a file is missing");
    if (word == NULL)
        word = "{}";
    if (word[0] != '@' && strcmp(word, "-") != 0)
        buf_add_text(&text, word);
    else if (read_from(word, bytes_max, stop_fd, &text, err) < 0)
        return -1;
    return make_line(job, buf_at(&text), buf_len(&text), members, bytes_max, err);
}
