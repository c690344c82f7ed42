/*
 * main - the main() of an action whose source has none; compiled together with it, with the name of
 * its function in WHISK_FUNCTION.
 *
 * Weak on both sides: a source with a main() of its own is a program, and that one counts.
 */

#include <stdio.h>

#include "whisk_action.h"

#define TEXT_OF(name)   #name
#define NAME_TEXT(name) TEXT_OF(name)

extern int WHISK_FUNCTION(struct whisk *w) __attribute__((weak));

__attribute__((weak)) int main(void)
{
    int (*handler)(struct whisk * w) = WHISK_FUNCTION;

    if (handler != NULL)
        return whisk_serve(handler);
    (void)fputs("the action has neither int " NAME_TEXT(WHISK_FUNCTION) "(struct whisk *) nor int "
                                                                        "main(void)\n",
                stderr);
    return 1;
}
