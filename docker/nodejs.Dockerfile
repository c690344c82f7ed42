# nodejs: JavaScript actions on a Debian base, with Debian's Node.js.
ARG BUILDER=whiskloop/builder:latest
ARG DEBIAN=whiskloop/native-debian:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${DEBIAN}
USER 0:0
RUN install-packages nodejs
COPY --from=builder /out/runtime/nodejs /usr/share/whiskloop/runtime/nodejs
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop nodejs" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: JavaScript, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV WHISKLOOP_RUNTIME=nodejs
USER 1000:1000
