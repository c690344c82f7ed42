# c: C actions on a Debian base: source is compiled at /init, by Debian's gcc.
ARG BUILDER=whiskloop/builder:latest
ARG DEBIAN=whiskloop/native-debian:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${DEBIAN}
USER 0:0
RUN install-packages gcc libc6-dev
COPY --from=builder /out/sdk/ /
COPY --from=builder /out/launchers/usr/libexec/whiskloop/c /usr/libexec/whiskloop/c
COPY --from=builder /out/runtime/c /usr/share/whiskloop/runtime/c
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop c" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: C, compiled at /init, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV WHISKLOOP_RUNTIME=c
USER 1000:1000
