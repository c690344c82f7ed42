#include "develop.h"

#include <string.h>

#include "base/util.h"
#include "config.h"
#include "dev/dev.h"
#include "dev/starter.h"
#include "dev/target.h"

void develop_options(const struct config *config, struct dev_opts *opts)
{
    *opts = (struct dev_opts){
        .path = config->file,
        .main = config->functions[0] != '\0' ? config->functions : config->main,
        .env = config->env,
        .listen = config->listen,
        .argument = config->invoke,
        .port_wanted = config->port,
        .run_max_bytes = config->run_max_bytes,
        .init_max_bytes = config->init_max_bytes,
        .inspect = config->inspect,
        .runtime_is_named = strcmp(config->runtime, "auto") != 0,
        .opens = config->open != 0,
        .has_page = config->no_page == 0,
        .is_json = strcmp(config->log_format, "json") == 0,
    };
}

int develop_new(const struct config *config, const struct runtimes *runtimes, struct err *err)
{
    return starter_write(runtimes, config->file,
                         config->argument != NULL ? config->argument : "hello", err);
}

int develop_test(struct config *config, const struct runtimes *runtimes,
                 const struct runtime *fallback, struct err *err)
{
    struct target target = {.path = NULL};
    int result = target_open(&target, "test", config->file != NULL ? config->file : ".", err);

    if (result == 0) {
        target_look(&target, runtimes, fallback);
        config->code = TAKE(target.code);
        config->folder = TAKE(target.folder);
        config->file = config->code;
    }
    target_done(&target);
    return result;
}
