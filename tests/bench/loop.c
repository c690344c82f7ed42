/* loop - README's program in C: reads lines, answers lines, announces nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        const char *name = strstr(line, "\"name\":\"");
        int n = name == NULL ? 0 : (int)strcspn(name + 8, "\"");

        printf("{\"greeting\":\"Hello, %.*s!\"}\n", n, name == NULL ? "" : name + 8);
        fflush(stdout);
    }
    free(line);
    return 0;
}
