#!/bin/sh
#
# add-authorities.sh ROOT - the authorities that outgoing TLS trusts, where OpenSSL, Python, Node.js, Go
# and curl look for them: one file, which a user may replace.

set -eu

mkdir -p "$1/etc/ssl/certs" "$1/usr/lib/ssl"
cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
[ -e "$1/usr/lib/ssl/certs" ] || ln -s /etc/ssl/certs "$1/usr/lib/ssl/certs"
ln -sf ../../../etc/ssl/certs/ca-certificates.crt "$1/usr/lib/ssl/cert.pem"
