#include "http/framing.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"

/* ---- characters: RFC 9110 5.6.2, 5.5 ---- */

/* The functions of this section check every byte of every head, so they must be fast. */

enum {
    TOKEN = 1,
    HOST = 2,
    TARGET = 4
};

/* One digit for each of the 256 characters: the sum of its kinds (TOKEN, HOST, TARGET). Each line
 * stands for 32 characters. The first four lines begin with NUL, the blank, '@' and '`'; the last
 * four are for bytes beyond ASCII. */
static const char kinds[] = "00000000000000000000000000000000"
                            "07617777667747747777777777666664"
                            "47777777777777777777777777764677"
                            "77777777777777777777777777767670"
                            "66666666666666666666666666666666"
                            "66666666666666666666666666666666"
                            "66666666666666666666666666666666"
                            "66666666666666666666666666666666";

/* Number of characters of this kind at the start of the text. */
static inline size_t count_kind(const char *text, size_t n, int kind)
{
    size_t i = 0;

    while (i < n && kinds[(unsigned char)text[i]] & kind)
        i++;
    return i;
}

static bool is_token_char(char c)
{
    return kinds[(unsigned char)c] & TOKEN;
}

/* Whether a header field's value may contain c: the tab, or any byte that is no control
 * character. */
static bool is_text_char(char c)
{
    return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

bool span_is_value(struct span span)
{
    const char *text = span.text;
    size_t n = span.n;
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = 0x80 * ones;
    uint64_t bytes, del;

    /* Check eight bytes at a time. */
    for (; n >= sizeof(bytes); text += sizeof(bytes), n -= sizeof(bytes)) {
        memcpy(&bytes, text, sizeof(bytes));
        del = bytes ^ 0x7f * ones;
        if ((((bytes - 0x20 * ones) & ~bytes) | ((del - ones) & ~del)) & highs)
            break;
    }
    while (n > 0 && is_text_char(*text))
        text++, n--;
    return n == 0;
}

bool span_is_token(struct span span)
{
    return span.n > 0 && count_kind(span.text, span.n, TOKEN) == span.n;
}

static bool starts_with(struct span span, const char *word)
{
    size_t n = strlen(word);

    return span.n >= n && span_is((struct span){span.text, n}, word);
}

/* Take the next element off a comma-separated list. Empty elements are skipped. false: there is
 * none left. */
static bool next_element(struct span *list, struct span *element)
{
    while (list->n > 0) {
        *element = span_trimmed(span_cut(list, ','));
        if (element->n > 0)
            return true;
    }
    return false;
}

/* ---- the head ---- */

static enum framing bad(struct head *head, int status, const char *why)
{
    assert(status >= 400);
    head->status = status;
    head->why = why;
    return FRAMING_BAD;
}

/* What has been learnt from the header fields so far, to decide where the request ends. */
struct seen {
    unsigned n_hosts;
    unsigned n_fields;
    bool has_coding; /* there is a Transfer-Encoding */
    bool chunked_is_last;
    bool other_coding;
    bool is_rewritten; /* a line must be changed or left out before libh2o gets the head */
};

/* Split an absolute target, "http://host:port/path?query", into its parts. RFC 9112 3.2.2 */
static void split_absolute(struct head *head, size_t n_scheme)
{
    struct span rest = {head->target.text + n_scheme, head->target.n - n_scheme};
    size_t n = 0;

    assert(n_scheme <= head->target.n);
    while (n < rest.n && rest.text[n] != '/' && rest.text[n] != '?')
        n++;
    head->authority = (struct span){rest.text, n};
    head->target = (struct span){rest.text + n, rest.n - n};
}

static bool is_authority(struct span host)
{
    return count_kind(host.text, host.n, HOST) == host.n;
}

static enum framing read_request_line(struct head *head, const char *line, size_t n)
{
    const char *space = memchr(line, ' ', n);
    struct span version;

    if (space == NULL)
        return bad(head, 400, "The request line is not METHOD TARGET VERSION.");
    head->method = (struct span){line, (size_t)(space - line)};
    head->target.text = space + 1;
    space = memchr(space + 1, ' ', n - head->method.n - 1);
    if (!span_is_token(head->method) || space == NULL)
        return bad(head, 400, "The request line is not METHOD TARGET VERSION.");
    head->target.n = (size_t)(space - head->target.text);
    version = (struct span){space + 1, n - (size_t)(space + 1 - line)};
    if (version.n != 8 || memcmp(version.text, "HTTP/", 5) != 0 || version.text[6] != '.' ||
        version.text[5] < '0' || version.text[5] > '9' || version.text[7] < '0' ||
        version.text[7] > '9')
        return bad(head, 400, "The request line does not end in a version of HTTP.");
    if (version.text[5] != '1')
        return bad(head, 505, "The version of HTTP must be 1.0 or 1.1.");
    head->minor = version.text[7] == '0' ? 0 : 1;
    if (head->target.n == 0)
        return bad(head, 400, "The request's target is empty.");
    if (head->target.n > TARGET_MAX_BYTES)
        return bad(head, 414, "The request's target is longer than 16384 bytes.");
    /* A program before us may have read the path up to a '#' only, and have let in another one than
     * we would serve: "/run#/../init". */
    if (count_kind(head->target.text, head->target.n, TARGET) < head->target.n)
        return bad(head, 400, "The request's target holds a control character or a \"#\".");
    if (starts_with(head->target, "http://"))
        split_absolute(head, strlen("http://"));
    else if (starts_with(head->target, "https://"))
        split_absolute(head, strlen("https://"));
    if (head->authority.text != NULL && (head->authority.n == 0 || !is_authority(head->authority)))
        return bad(head, 400, "The request's target names no host.");
    return FRAMING_WHOLE;
}

/* Read a Content-Length: one number, or a list of equal numbers. RFC 9110 8.6 */
static enum framing read_length(struct head *head, struct seen *seen, struct span value)
{
    struct span element, list = value;
    bool any = false;

    /* libh2o accepts only one number, without a blank after it or too many digits. Leading zeros
     * are dropped, too: the length has one form then, and two parsers cannot disagree on it. */
    if (head->has_length || value.text[value.n] != '\r' || value.n > LENGTH_MAX_DIGITS ||
        (value.n > 1 && value.text[0] == '0') || memchr(value.text, ',', value.n) != NULL)
        seen->is_rewritten = true;
    while (next_element(&list, &element)) {
        uint64_t length = 0;

        for (size_t i = 0; i < element.n; i++) {
            unsigned digit = (unsigned char)element.text[i] - (unsigned)'0';

            if (digit > 9)
                return bad(head, 400, "Content-Length is no number.");
            if (length > (UINT64_MAX - digit) / 10)
                return bad(head, 413, "Content-Length is larger than any body may be.");
            length = length * 10 + digit;
        }
        if (head->has_length && head->length != length)
            return bad(head, 400, "There are two Content-Lengths, and they differ.");
        head->length = length;
        head->has_length = any = true;
    }
    return any ? FRAMING_WHOLE : bad(head, 400, "Content-Length is no number.");
}

static enum framing read_coding(struct head *head, struct seen *seen, struct span value)
{
    struct span element;

    seen->has_coding = true;
    while (next_element(&value, &element)) {
        if (seen->chunked_is_last)
            return bad(head, 400, "A transfer coding follows \"chunked\".");
        if (span_is(element, "chunked"))
            seen->chunked_is_last = true;
        else
            seen->other_coding = true;
    }
    return FRAMING_WHOLE;
}

static enum framing read_field(struct head *head, struct seen *seen, struct span name,
                               struct span value)
{
    struct span element;

    if (span_is(name, "host")) {
        seen->n_hosts++;
        return is_authority(value) ? FRAMING_WHOLE : bad(head, 400, "Host is no host.");
    }
    if (span_is(name, "content-length"))
        return read_length(head, seen, value);
    if (span_is(name, "transfer-encoding"))
        return read_coding(head, seen, value);
    if (span_is(name, "expect")) {
        if (!span_is(value, "100-continue"))
            return bad(head, 417, "Expect may be 100-continue only.");
        head->expects_continue = seen->is_rewritten = true;
    } else if (span_is(name, "upgrade")) {
        seen->is_rewritten = true;
    } else if (span_is(name, "connection")) {
        while (next_element(&value, &element))
            head->closes = head->closes || span_is(element, "close");
    }
    return FRAMING_WHOLE;
}

bool head_next_field(struct span fields, size_t *at, struct span *name, struct span *value,
                     struct span *line)
{
    const char *start = fields.text + *at;
    const char *end, *colon;

    if (*at >= fields.n)
        return false;
    end = memchr(start, '\n', fields.n - *at);
    colon = memchr(start, ':', fields.n - *at);
    assert(end != NULL); /* head_read() has checked each line */
    assert(end > start && end[-1] == '\r');
    assert(colon != NULL && colon < end);
    *line = (struct span){start, (size_t)(end + 1 - start)};
    *name = (struct span){start, (size_t)(colon - start)};
    *value = span_trimmed((struct span){colon + 1, (size_t)(end - 1 - (colon + 1))});
    *at += line->n;
    return true;
}

static const char lone_cr[] = "A line of the head holds CR without LF.";

/* Find the end of the line that starts at text[at]. *end: where its CRLF begins. A lone CR inside a
 * complete line is no error here: it is found when the line is parsed. */
static enum framing find_line(struct head *head, const char *text, size_t n, size_t at, size_t *end)
{
    const char *lf = memchr(text + at, '\n', n - at);
    const char *cr;

    if (lf == NULL) {
        cr = memchr(text + at, '\r', n - at);
        return cr == NULL || cr + 1 == text + n ? FRAMING_MORE : bad(head, 400, lone_cr);
    }
    if (lf > text + at && lf[-1] == '\r') {
        *end = (size_t)(lf - 1 - text);
        return FRAMING_WHOLE;
    }
    cr = memchr(text + at, '\r', (size_t)(lf - (text + at)));
    return bad(head, 400, cr == NULL ? "A line of the head ends in LF without CR." : lone_cr);
}

/* If a bad line contains a CR, report the CR instead of the error that was found: the CR has caused
 * that error. */
static enum framing or_lone_cr(struct head *head, enum framing found, const char *line, size_t n)
{
    return found == FRAMING_BAD && memchr(line, '\r', n) != NULL ? bad(head, 400, lone_cr) : found;
}

static enum framing read_line(struct head *head, struct seen *seen, const char *line, size_t n)
{
    struct span name = {line, count_kind(line, n, TOKEN)};
    struct span value;

    assert(n > 0);
    if (line[0] == ' ' || line[0] == '\t')
        return bad(head, 400, "A line of the head is folded.");
    if (name.n == 0 || name.n == n || line[name.n] != ':')
        return bad(head, 400, "A line of the head is not NAME: VALUE.");
    value = (struct span){line + name.n + 1, n - name.n - 1};
    if (!span_is_value(value))
        return bad(head, 400, "A line of the head holds a control character.");
    if (++seen->n_fields > HEAD_MAX_FIELDS)
        return bad(head, 431, "The head has more than 100 fields.");
    return read_field(head, seen, name, span_trimmed(value));
}

/* Decide from all fields how the body is framed. RFC 9112 3.2, 6.1, 6.3 */
static enum framing judge(struct head *head, const struct seen *seen)
{
    if (seen->n_hosts > 1)
        return bad(head, 400, "There is more than one Host.");
    if (seen->n_hosts == 0 && head->minor > 0)
        return bad(head, 400, "HTTP/1.1 needs a Host.");
    head->as_it_is =
        !seen->is_rewritten && !seen->has_coding && !head->closes && head->authority.text == NULL;
    if (!seen->has_coding)
        return FRAMING_WHOLE;
    if (head->has_length)
        return bad(head, 400, "There are both Transfer-Encoding and Content-Length.");
    if (head->minor == 0)
        return bad(head, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (!seen->chunked_is_last)
        return bad(head, 400, "The last transfer coding must be \"chunked\".");
    if (seen->other_coding)
        return bad(head, 501, "The only transfer coding is \"chunked\".");
    head->is_chunked = true;
    return FRAMING_WHOLE;
}

enum framing head_read(struct head *head, const char *text, size_t n)
{
    struct seen seen = {0};
    size_t at = 0, end;
    enum framing found;

    memset(head, 0, sizeof(*head));
    if (n >= 2 && text[0] == '\r' && text[1] == '\n') /* RFC 9112 2.2: skip an empty line */
        at = head->n_skipped = 2;
    if (at < n && text[at] != '\r' && !is_token_char(text[at]))
        return bad(head, 400, "The request line does not begin with a method.");
    found = find_line(head, text, n, at, &end);
    if (found == FRAMING_WHOLE)
        found = or_lone_cr(head, read_request_line(head, text + at, end - at), text + at, end - at);
    while (found == FRAMING_WHOLE) {
        at = end + 2;
        assert(at <= n);
        if (head->fields.text == NULL)
            head->fields.text = text + at;
        found = find_line(head, text, n, at, &end);
        if (found == FRAMING_WHOLE && end == at) {
            head->fields.n = (size_t)(text + at - head->fields.text);
            head->n = end + 2;
            assert(head->n <= n);
            return head->n > HEAD_MAX_BYTES ? bad(head, 431, "The head is larger than 65536 bytes.")
                                            : judge(head, &seen);
        }
        if (found == FRAMING_WHOLE)
            found =
                or_lone_cr(head, read_line(head, &seen, text + at, end - at), text + at, end - at);
    }
    if (found == FRAMING_MORE && n > HEAD_MAX_BYTES)
        return bad(head, 431, "The head is larger than 65536 bytes.");
    return found;
}

/* ---- a chunked body: RFC 9112 7.1 ---- */

/* Parse one character that is not chunk data. Returns what is wrong with it; NULL: nothing. */
static const char *step(struct chunks *chunks, char c)
{
    int digit = hex_value((uint8_t)c);

    assert(chunks->state != CHUNK_DATA);
    assert(chunks->state != CHUNK_END);
    if (chunks->state != CHUNK_DATA_CR && chunks->state != CHUNK_DATA_LF)
        chunks->n_line++;
    switch (chunks->state) {
    case CHUNK_SIZE:
        if (digit >= 0) {
            if (++chunks->n_digits > 15)
                return "A chunk's size has more than 15 digits.";
            chunks->left = chunks->left << 4 | (unsigned)digit;
            return NULL;
        }
        if (chunks->n_digits == 0 || strchr(" \t;\r", c) == NULL || c == '\0')
            return "A chunk's size is no hexadecimal number.";
        chunks->state = c == '\r' ? CHUNK_SIZE_LF : c == ';' ? CHUNK_EXT : CHUNK_BLANK;
        return NULL;
    case CHUNK_BLANK:
        if (c == ';')
            chunks->state = CHUNK_EXT;
        else if (c != ' ' && c != '\t')
            return "A chunk's size is no hexadecimal number.";
        return chunks->n_line > CHUNK_EXT_MAX ? "A chunk's extension is longer than 4096 bytes."
                                              : NULL;
    case CHUNK_EXT:
        if (c == '\r')
            chunks->state = CHUNK_SIZE_LF;
        else if (!is_text_char(c))
            return "A chunk's extension holds a control character.";
        return chunks->n_line > CHUNK_EXT_MAX ? "A chunk's extension is longer than 4096 bytes."
                                              : NULL;
    case CHUNK_SIZE_LF:
        if (c != '\n')
            return "A chunk's size line holds CR without LF.";
        chunks->state = chunks->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START;
        chunks->n_digits = 0;
        chunks->n_line = 0;
        return NULL;
    case CHUNK_DATA_CR:
        chunks->state = CHUNK_DATA_LF;
        return c == '\r' ? NULL : "A chunk is longer than its size.";
    case CHUNK_DATA_LF:
        chunks->state = CHUNK_SIZE;
        return c == '\n' ? NULL : "A chunk is longer than its size.";
    case CHUNK_TRAILER_START:
        chunks->state = c == '\r' ? CHUNK_END_LF : CHUNK_TRAILER_NAME;
        return c == '\r' || is_token_char(c) ? NULL : "A trailer is not NAME: VALUE.";
    case CHUNK_TRAILER_NAME:
        if (c == ':')
            chunks->state = CHUNK_TRAILER_VALUE;
        else if (!is_token_char(c))
            return "A trailer is not NAME: VALUE.";
        break;
    case CHUNK_TRAILER_VALUE:
        if (c == '\r')
            chunks->state = CHUNK_TRAILER_LF;
        else if (!is_text_char(c))
            return "A trailer holds a control character.";
        break;
    case CHUNK_TRAILER_LF:
        chunks->state = CHUNK_TRAILER_START;
        return c == '\n' ? NULL : "A trailer holds CR without LF.";
    case CHUNK_END_LF:
        chunks->state = CHUNK_END;
        return c == '\n' ? NULL : "The end of the chunks holds CR without LF.";
    case CHUNK_DATA:
    case CHUNK_END:
        break;
    }
    return chunks->n_line > TRAILER_MAX_BYTES ? "The trailers are longer than 8192 bytes." : NULL;
}

enum framing chunks_read(struct chunks *chunks, const char *text, size_t n, size_t *n_used,
                         struct span *data)
{
    size_t at = 0;

    *data = (struct span){NULL, 0};
    while (at < n && chunks->state != CHUNK_DATA && chunks->state != CHUNK_END) {
        chunks->why = step(chunks, text[at++]);
        if (chunks->why != NULL) {
            *n_used = at;
            return FRAMING_BAD;
        }
    }
    if (chunks->state == CHUNK_DATA && at < n) {
        size_t n_data = n - at < chunks->left ? n - at : (size_t)chunks->left;

        assert(n_data > 0);
        *data = (struct span){text + at, n_data};
        chunks->left -= n_data;
        at += n_data;
        if (chunks->left == 0)
            chunks->state = CHUNK_DATA_CR;
    }
    assert(at <= n);
    *n_used = at;
    return chunks->state == CHUNK_END ? FRAMING_WHOLE : FRAMING_MORE;
}
