/*
 * hello - a C action: {"name":"Mike"} in, {"greeting":"Hello, Mike!"} out, one line each.
 *
 * Started once, it answers line by line until its input ends. Try it without a proxy:
 *
 *     bin/build.sh actions/hello-c/hello.c
 *     echo '{"value":{"name":"Mike"}}' | ./exec
 *
 * It does not parse JSON, it looks for the text "name": and copies the string behind it, escapes
 * and all, into its answer. That is valid JSON whatever the name is, since the proxy hands on only
 * lines that are, and a quote inside a string is escaped and so cannot be taken for the key. But
 * the first "name" in the line wins, however deep it stands, and one that is no string is none.
 */

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A string inside the line, without its quotes. */
struct text {
    const char *at;
    size_t n;
};

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* The string that follows `"key":` in line; `otherwise` when there is none. */
static struct text find_string(const char *line, const char *quoted_key, const char *otherwise)
{
    struct text text = {otherwise, strlen(otherwise)};
    const char *at = line;

    assert(quoted_key[0] == '"');
    while ((at = strstr(at, quoted_key)) != NULL) {
        at = skip_space(at + strlen(quoted_key));
        if (*at != ':')
            continue; /* the word was a value */
        at = skip_space(at + 1);
        if (*at != '"')
            continue;
        text.at = ++at;
        while (*at != '\0' && *at != '"')
            at += (at[0] == '\\' && at[1] != '\0') ? 2 : 1;
        text.n = (size_t)(at - text.at);
        break;
    }
    return text;
}

/*
 * Where answers go. The ActionLoop protocol asks for descriptor 3 and, when the variable is set,
 * for a line that says the action is ready; otherwise whiskloop takes answers from stdout.
 */
static FILE *open_answers(void)
{
    FILE *answers;

    if (getenv("__OW_WAIT_FOR_ACK") == NULL)
        return stdout;
    answers = fdopen(3, "w");
    if (answers == NULL) {
        perror("hello: cannot answer on descriptor 3");
        exit(1);
    }
    /* 64: it reads its lines strictly in order, so so many may be written ahead. */
    fputs("{\"ok\":true,\"pipeline\":64}\n", answers);
    fflush(answers);
    return answers;
}

int main(void)
{
    FILE *answers = open_answers();
    char *line = NULL;
    size_t size = 0;

    /* getline has no bound of its own; the proxy bounds what it writes (--run-max-bytes). */
    while (getline(&line, &size, stdin) > 0) {
        struct text name = find_string(line, "\"name\"", "World");

        fputs("{\"greeting\":\"Hello, ", answers);
        fwrite(name.at, 1, name.n, answers);
        fputs("!\"}\n", answers);
        /* Without this the answer would stay in our buffer while the caller waits for it. */
        if (fflush(answers) != 0)
            break;
    }
    free(line);
    return 0;
}
