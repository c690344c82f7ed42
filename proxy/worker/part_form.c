#include "worker/part_form.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "worker/contract.h"
#include "worker/job.h"
#include "worker/parts.h"

const struct part_form part_lines = {"{\"part\":", "}\n", "{\"result\":", "}\n", "", "\n"};

/* Append a document, and replace its carriage returns by blanks. Both are white space in JSON, but
 * some readers take a carriage return for the end of a line. */
static void add_document(struct buf *out, const char *text, size_t n)
{
    char *at = buf_room(out, n);

    if (n > 0)
        memcpy(at, text, n);
    bytes_replace(at, n, '\r', ' ');
    buf_added(out, n);
}

void part_form_parts(const struct part_form *form, struct buf *out, struct job *job)
{
    const char *text;
    size_t at = 0, n;

    while (parts_next(job, &at, &text, &n)) {
        buf_add_text(out, form->part);
        add_document(out, text, n);
        buf_add_text(out, form->part_end);
    }
    if (at > 0)
        parts_took(job, at);
}

void part_form_end(const struct part_form *form, struct buf *out, const struct job *job,
                   size_t answer_max_bytes)
{
    struct json_slice error;
    bool is_answered = contract_read_answer(job, &error);
    bool is_result = is_answered && error.kind == JSON_BAD;
    char why[sizeof(job->reason) + 128];

    assert(job->outcome != JOB_PENDING);
    buf_add_text(out, is_result ? form->result : form->error);
    if (is_result) {
        add_document(out, job->answer, job->answer_len);
    } else if (is_answered) {
        auto_buf struct buf text = {0};

        contract_add_answer(&text, job, error);
        add_document(out, buf_at(&text), buf_len(&text));
    } else {
        contract_explain(job, answer_max_bytes, why, sizeof(why));
        contract_add_error(out, outcome_of(job->outcome)->kind, why);
    }
    buf_add_text(out, is_result ? form->result_end : form->error_end);
}
