# nodejs-modules: nodejs with the modules that Apache's Node.js images have, from npm. An action finds them
# as it finds its own; a module of its own comes first.
ARG BUILDER=whiskloop/builder:latest
ARG NODEJS=whiskloop/nodejs:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${NODEJS} AS modules
USER 0:0
# Behind a proxy that signs TLS itself, build-images/ca.crt has its authority; scripts/images.sh puts it there.
COPY docker/npm build-images/ca.cr[t] /modules/
ARG NPM=10.8.2
ARG NPM_SHA512=x/AIjFIKRllrhcb48dqUNAAZl0ig9+qMuN91RpZo3Cb2+zuibfh+KISl6+kVVyktDz230JKc208UkQwwMqyB+w==
RUN cd /modules && if [ -e ca.crt ]; then export NODE_EXTRA_CA_CERTS=/modules/ca.crt; fi \
 && node fetch.js "https://registry.npmjs.org/npm/-/npm-${NPM}.tgz" "${NPM_SHA512}" /tmp/npm.tgz \
 && mkdir /npm && tar -xzf /tmp/npm.tgz -C /npm \
 && node /npm/package/bin/npm-cli.js install --omit=dev --no-audit --no-fund --ignore-scripts --no-package-lock \
      --cache /tmp/npm \
 && rm -f node_modules/.package-lock.json

FROM ${NODEJS}
COPY --from=modules /modules/node_modules /usr/lib/whiskloop/node_modules
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop nodejs-modules" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: JavaScript with the usual modules, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_PATH=/usr/lib/whiskloop/node_modules
