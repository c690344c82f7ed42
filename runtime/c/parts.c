/* parts - answers in parts. To a proxy each part is sent at once; in a shell all are kept. */

#include <string.h>

#include "inside.h"

/* Add the part in w->answer to the kept ones, which become a list. 0, or -1: they are too long. */
static int keep(struct whisk *w)
{
    if (buf_len(&w->parts) + buf_len(&w->answer) > ANSWER_MAX_BYTES)
        return answer_refuse(w, "a list of the parts is longer than 64 MiB");
    buf_add(&w->parts, buf_at(&w->answer), buf_len(&w->answer));
    buf_add(&w->parts, ",", 1);
    return 0;
}

static void send_part(struct whisk *w)
{
    buf_reset(&w->parts, KEEP_BYTES);
    buf_add(&w->parts, "+", 1);
    buf_add(&w->parts, buf_at(&w->answer), buf_len(&w->answer));
    buf_add(&w->parts, "\n", 1);
    out_part(buf_at(&w->parts), buf_len(&w->parts));
}

int whisk_part(struct whisk *w, const char *json)
{
    if (json != NULL)
        (void)whisk_add_json(w, NULL, json, strlen(json));
    if (w->error[0] != '\0')
        return -1;
    answer_end(w);
    w->n_parts++;
    if (!w->sends_parts) {
        if (keep(w) < 0)
            return -1;
    } else if (!w->has_left) {
        send_part(w);
        serve_look_ahead(w);
    }
    answer_restart(w);
    return w->has_left ? 1 : 0;
}

void parts_close(struct whisk *w)
{
    w->begun = true;
    if (w->sends_parts) {
        buf_add(&w->answer, "+", 1);
        return;
    }
    buf_add(&w->answer, "[", 1);
    buf_add(&w->answer, buf_at(&w->parts), buf_len(&w->parts) - 1); /* without the last comma */
    buf_add(&w->answer, "]", 1);
}
