/*
 * fuzz_options - any words as the command line, separated by NUL.
 *
 * No word names a file in a folder: what the command line makes the program read is its own.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "base/err.h"
#include "base/util.h"

#define WORDS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_numbers(const struct config *config)
{
    for (size_t i = 0; i < n_settings; i++) {
        const struct setting *setting = &settings[i];
        uint64_t number;

        if (setting->kind != SETTING_NUMBER)
            continue;
        memcpy(&number, (const char *)config + setting->offset, sizeof(number));
        assert(number >= setting->min && number <= setting->max);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    auto_free char *text = xmalloc(n + 1);
    static char program[] = "whiskloop";
    char *words[WORDS_MAX + 2] = {program};
    int n_words = 1;
    struct config config;
    struct err err = {0};
    enum config_result result;

    memcpy(text, data, n);
    text[n] = '\0';
    for (char *c = text; c < text + n; c++)
        if (*c == '/')
            *c = '_';
    for (char *word = text; word < text + n && n_words <= WORDS_MAX; word += strlen(word) + 1)
        words[n_words++] = word;
    memset(&config, 0, sizeof(config));
    result = config_read(&config, n_words, words, &err);
    if (result == CONFIG_WRONG)
        assert(err.text[0] != '\0' && strlen(err.text) < sizeof(err.text));
    if (result == CONFIG_RUN)
        check_numbers(&config);
    config_done(&config);
    return 0;
}
