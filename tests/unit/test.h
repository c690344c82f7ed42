#pragma once

/* test - cmocka behind the four headers that it needs first; only tests include this. */

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
