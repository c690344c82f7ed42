# native: the proxy, the libraries it needs, and nothing else. For actions that are executables.
ARG BUILDER=whiskloop/builder:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM scratch
COPY --from=builder /out/closed/ /
COPY --from=builder /out/runtime/native /usr/share/whiskloop/runtime/native
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop native" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: executables" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A socket and no port: it clashes with nothing in any network, and only this container reaches it.
ENV WHISKLOOP_RUNTIME=native \
    WHISKLOOP_ADMIN=unix:/tmp/.whiskloop-admin
EXPOSE 8080
STOPSIGNAL SIGTERM
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["/usr/bin/whiskloop"]
