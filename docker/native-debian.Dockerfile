# native-debian: the proxy on a Debian base, to be extended with apt: what interpreters' images are
# made from, and for executables that need more libraries.
ARG BUILDER=whiskloop/builder:latest
ARG BASE=debian:bookworm-slim

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${BASE}
COPY docker/install-packages.sh /usr/sbin/install-packages
COPY docker/drop-setuid.sh /usr/sbin/drop-setuid
RUN install-packages libh2o-evloop0.13 libjansson4 \
 && groupadd --gid 1000 action \
 && useradd --no-log-init --uid 1000 --gid 1000 --home-dir /tmp --no-create-home action \
 && rm -f /etc/*- \
 && drop-setuid
COPY --from=builder /out/authorities/ /
COPY --from=builder /out/dynamic/ /
COPY --from=builder /out/runtime/native /usr/share/whiskloop/runtime/native
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop native-debian" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: executables, on Debian" \
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
