/* Adds up {"numbers": [...]}, for the SDK in runtime/c: published as source, compiled at /init. */

#include <whisk_action.h>

int whisk_main(struct whisk *w)
{
    struct whisk_value numbers = whisk_get(whisk_argument(w), "numbers");
    struct whisk_value item;
    double sum = 0, number;
    size_t at = 0;
    int n = 0;

    whisk_begin_array(w, "sums"); /* after each number */
    while (whisk_next(numbers, &at, NULL, &item)) {
        if (!whisk_double(item, &number))
            return whisk_fail(w, "no number: %.*s", (int)item.n, item.text);
        sum += number;
        n++;
        whisk_add_double(w, NULL, sum);
    }
    whisk_end(w);
    whisk_log("added %d numbers", n);
    return whisk_add_int(w, "n", n);
}
