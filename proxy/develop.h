#pragma once

/*
 * develop - what the settings mean for the command dev.
 */

struct config;
struct dev_opts;

/* opts: filled, but for what only the program that serves knows. */
void develop_options(const struct config *config, struct dev_opts *opts);
