/* greet - a C program that calls a Python function: a name a line in, a greeting a line out. */

#include <stdio.h>
#include <string.h>
#include <whisk_call.h>

int main(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : "actions/hello-python/hello.py";
    struct whisk_caller *hello = whisk_call_open(action, NULL);
    struct whisk_answer answer;
    char name[64];
    char argument[128];

    if (hello == NULL) {
        perror("cannot start whiskloop");
        return 1;
    }
    if (whisk_call_ready(hello, 10000) < 0) {
        fprintf(stderr, "%s: %s\n", action, whisk_call_error(hello));
        return 1;
    }
    while (fgets(name, sizeof(name), stdin) != NULL) {
        name[strcspn(name, "\n\"\\")] = '\0';
        snprintf(argument, sizeof(argument), "{\"name\":\"%s\"}", name);
        if (whisk_call_run(hello, argument, 1000, &answer) < 0)
            fprintf(stderr, "%s: %s\n", whisk_call_error(hello), answer.text);
        else
            puts(answer.text);
    }
    whisk_call_close(&hello);
    return 0;
}
