#!/bin/sh
#
# without-tls.sh LIBRARY FOLDER - make a libssl.a of stubs in FOLDER, and its libssl.pc in
# FOLDER/pkgconfig.
#
# The stubs stand for the functions of OpenSSL that LIBRARY (libh2o) calls for TLS. The proxy speaks
# no TLS, so none of them is ever called. The real functions would bring all of libcrypto into a
# static program.

set -eu

library=$1 folder=$2
libraries=$(pkg-config --variable=libdir libssl)
work=$(mktemp -d)

functions() {
    nm "$@" 2>/dev/null | sed -nE 's/^.* [UT] ([A-Za-z_0-9]+)$/\1/p' | sort -u
}

functions --undefined-only "$library" >"$work/called"
functions --defined-only "$libraries/libssl.a" "$libraries/libcrypto.a" >"$work/offered"
{
    echo '#include <stdlib.h>'
    # The hashes need nothing else.
    comm -12 "$work/called" "$work/offered" | grep -v '^SHA' | sed 's/.*/void &(void);\nvoid &(void) { abort(); }/'
} >"$work/without-tls.c"
grep -q 'void SSL_read(void)' "$work/without-tls.c" || {
    echo "without-tls.sh: '$library' calls no SSL_read: is it libh2o?" >&2
    exit 1
}
# The real one tells of the processor, too, and brings for that what TLS brings.
cat >"$work/version.c" <<'END'
#include <openssl/crypto.h>

const char *OpenSSL_version(int what)
{
    return what == OPENSSL_VERSION_STRING ? OPENSSL_VERSION_STR : OPENSSL_VERSION_TEXT;
}
END
for name in without-tls version; do
    cc -O2 -Wall -Werror -c -o "$work/$name.o" "$work/$name.c"
done
ar rcs "$folder/libssl.a" "$work/without-tls.o" "$work/version.o"
sed "s|^Libs:.*|Libs: $folder/libssl.a|" "$(pkg-config --variable=pcfiledir libssl)/libssl.pc" >"$folder/pkgconfig/libssl.pc"
rm -rf "$work"
