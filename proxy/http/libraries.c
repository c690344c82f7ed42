#include "http/libraries.h"

#include <archive.h>
#include <h2o/version.h>
#include <openssl/crypto.h>
#include <string.h>
#include <zlib.h>

/* Returns the number in a text such as "libarchive 3.6.2", which archive_version_string()
 * returns. */
static const char *number_of(const char *text)
{
    const char *space = strchr(text, ' ');

    return space != NULL ? space + 1 : text;
}

void libraries_read(struct library libraries[N_LIBRARIES])
{
    libraries[0] = (struct library){"libh2o", H2O_VERSION};
    libraries[1] = (struct library){"libarchive", number_of(archive_version_string())};
    libraries[2] = (struct library){"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)};
    libraries[3] = (struct library){"zlib", zlibVersion()};
}

void libraries_print(FILE *file, const char *program_version)
{
    struct library libraries[N_LIBRARIES];

    libraries_read(libraries);
    (void)fprintf(file, "whiskloop %s\n", program_version);
    for (unsigned i = 0; i < N_LIBRARIES; i++)
        (void)fprintf(file, "%s %s\n", libraries[i].name, libraries[i].version);
}
