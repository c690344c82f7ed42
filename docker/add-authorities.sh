#!/bin/sh
#
# add-authorities.sh ROOT - install the certificate authorities for outgoing TLS in one file, where
# OpenSSL, Python, Node.js, Go and curl look for them. A user may replace the file.

set -eu

mkdir -p "$1/etc/ssl/certs" "$1/usr/lib/ssl"
cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
[ -e "$1/usr/lib/ssl/certs" ] || ln -s /etc/ssl/certs "$1/usr/lib/ssl/certs"
ln -sf ../../../etc/ssl/certs/ca-certificates.crt "$1/usr/lib/ssl/cert.pem"
"$(dirname "$0")/record-packages.sh" "$1" ca-certificates
