#include "develop.h"

#include <string.h>

#include "config.h"
#include "dev/dev.h"

void develop_options(const struct config *config, struct dev_opts *opts)
{
    *opts = (struct dev_opts){
        .path = config->file,
        .main = config->main,
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
