#include <whisk_action.h>

int whisk_main(struct whisk *w)
{
    const char *name = whisk_get_text(w, "name", "World");

    whisk_log("greeting %s", name);
    return whisk_addf(w, "greeting", "Hello, %s!", name);
}
