/*
 * main - a main() for an action whose source has none; both are compiled together. WHISK_FUNCTIONS
 * lists the action's functions as FUNCTION(name, symbol); the first is the default.
 *
 * This main() and the functions are weak symbols: if the source has a main() of its own, that is
 * used, and the functions may be missing.
 */

#include <stdio.h>

#include "whisk_action.h"

#define FUNCTION(name, symbol) extern int symbol(struct whisk *w) __attribute__((weak));
WHISK_FUNCTIONS
#undef FUNCTION

__attribute__((weak)) int main(void)
{
#define FUNCTION(name, symbol) {#name, symbol},
    static const struct whisk_function functions[] = {WHISK_FUNCTIONS};
#undef FUNCTION
#define FUNCTION(name, symbol) #symbol,
    static const char *const symbols[] = {WHISK_FUNCTIONS};
#undef FUNCTION
    const size_t n = sizeof(functions) / sizeof(functions[0]);

    for (size_t i = 0; i < n; i++) {
        if (functions[i].handler == NULL) {
            (void)fprintf(stderr,
                          "the action has neither int %s(struct whisk *) nor int main(void)\n",
                          symbols[i]);
            return 1;
        }
    }
    return whisk_serve_functions(functions, n);
}
