/* hello_sdk - greets who the value names, by the SDK: what the proxy compiles at /init. */
#include <whisk_action.h>

int whisk_main(struct whisk *w)
{
    return whisk_addf(w, "greeting", "Hello, %s!", whisk_get_text(w, "name", "World"));
}
