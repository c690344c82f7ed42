# go: Go actions on a Debian base: source is compiled at /init, by Debian's Go.
ARG BUILDER=whiskloop/builder:latest
ARG DEBIAN=whiskloop/native-debian:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${DEBIAN}
USER 0:0
RUN install-packages golang-go
COPY --from=builder /out/runtime/go /usr/share/whiskloop/runtime/go
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop go" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: Go, compiled at /init, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV WHISKLOOP_RUNTIME=go
USER 1000:1000
