#pragma once

/*
 * develop - apply the settings to the commands dev, new and test.
 */

struct config;
struct dev_opts;
struct err;
struct runtime;
struct runtimes;

/* Fill opts, except for what only the running program knows. */
void develop_options(const struct config *config, struct dev_opts *opts);

/* The command new. 0, or -1. */
int develop_new(const struct config *config, const struct runtimes *runtimes, struct err *err);
/* The command test: config->file becomes the action in the folder. 0, or -1. */
int develop_test(struct config *config, const struct runtimes *runtimes,
                 const struct runtime *fallback, struct err *err);
