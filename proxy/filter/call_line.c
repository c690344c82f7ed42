#include "filter/call_line.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"

static size_t n_blanks(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r'))
        i++;
    return i;
}

/* Length of the JSON string or number at the start of the text; 0: there is none, or it is longer
 * than CALL_ID_MAX. */
static size_t id_length(const char *text, size_t n)
{
    size_t i = 0;
    enum json_kind kind;

    if (n > 0 && text[0] == '"') {
        for (i = 1; i < n && text[i] != '"'; i++)
            if (text[i] == '\\')
                i++;
        i++;
    } else {
        while (i < n && strchr("+-.0123456789eE", text[i]) != NULL && text[i] != '\0')
            i++;
    }
    if (i == 0 || i > n || i > CALL_ID_MAX)
        return 0;
    kind = json_check(text, i, NULL);
    return kind == JSON_STRING || kind == JSON_NUMBER ? i : 0;
}

/* If the text begins with "[ID,", set the id and step past the comma. */
static bool take_id(struct call_line *line, const char **text, size_t *n)
{
    const char *at = *text + n_blanks(*text, *n);
    const char *end = *text + *n;
    const char *id;
    size_t n_id;

    if (at == end || *at != '[')
        return false;
    at++;
    id = at + n_blanks(at, (size_t)(end - at));
    n_id = id_length(id, (size_t)(end - id));
    if (n_id == 0)
        return false;
    assert(n_id <= CALL_ID_MAX);
    assert(n_id <= (size_t)(end - id));
    at = id + n_id + n_blanks(id + n_id, (size_t)(end - id) - n_id);
    if (at == end || *at != ',')
        return false;
    line->id = id;
    line->n_id = n_id;
    *text = at + 1;
    *n = (size_t)(end - *text);
    return true;
}

/* Cut the closing "]" off the end of the text. If there is none, make the text empty: the later
 * JSON check then reports an error. */
static void take_bracket(const char *text, size_t *n)
{
    size_t n_left = *n;

    while (n_left > 0 && n_blanks(text + n_left - 1, 1) == 1)
        n_left--;
    *n = n_left > 0 && text[n_left - 1] == ']' ? n_left - 1 : 0;
}

/* Append the closing brackets to the body in line->made, and make line->body point to it. */
static void end_body(struct call_line *line, const char *brackets)
{
    buf_add_text(&line->made, brackets);
    line->body.top = json_top(buf_at(&line->made), buf_len(&line->made));
    assert(line->body.top.kind == JSON_OBJECT);
}

bool call_line_read(struct call_line *line, enum call_form form, const char *text, size_t n,
                    char *why, size_t size)
{
    size_t n_before;

    memset(line, 0, sizeof(*line));
    if (form == CALL_TEXT) {
        buf_add_text(&line->made, "{\"value\":{\"line\":");
        json_quote(&line->made, text, n);
        end_body(line, "}}");
        return true;
    }
    if (take_id(line, &text, &n))
        take_bracket(text, &n);
    n_before = n_blanks(text, n);
    if (form == CALL_ANY && n_before < n && text[n_before] != '{' && text[n_before] != '[') {
        enum json_kind kind = json_check(text, n, NULL);

        if (kind == JSON_STRING || kind == JSON_NUMBER || kind == JSON_TRUE || kind == JSON_FALSE) {
            struct json_slice value = json_top(text, n);

            buf_add_text(&line->made, "{\"value\":");
            buf_add(&line->made, value.text, value.n);
            end_body(line, "}");
            return true;
        }
    }
    return contract_check(text, n, &line->body, why, size);
}

void call_line_done(struct call_line *line)
{
    buf_done(&line->made);
}

bool call_line_result(struct buf *out, const char *answer, size_t n)
{
    struct json_slice top = json_top(answer, n);
    char *room;
    size_t n_text;

    if (top.kind == JSON_NULL)
        return false;
    if (top.kind != JSON_STRING) {
        buf_add(out, top.text, top.n);
        return true;
    }
    room = buf_room(out, top.n);
    n_text = json_unescape(top, room);
    assert(n_text < top.n);
    if (n_text > 0 && room[n_text - 1] == '\n')
        n_text--; /* the caller writes a newline after each answer */
    for (size_t i = 0; i < n_text; i++)
        if (room[i] == '\n')
            room[i] = ' ';
    buf_added(out, n_text);
    return true;
}
