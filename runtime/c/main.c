/*
 * main - the main() of an action whose source has none; compiled together with it. WHISK_FUNCTIONS
 * lists its functions: FUNCTION(name, symbol) for each, the first is the default.
 *
 * Weak on both sides: a source with a main() of its own is a program, and that one counts.
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
