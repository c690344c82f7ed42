# python3-tiny: Python with its standard library, and no base: no shell, no package manager.
ARG BUILDER=whiskloop/builder:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

# The builder's own Python is the one that goes along.
FROM builder AS python
RUN WITHOUT=/out/closed /src/docker/collect-python.sh /out/python

FROM scratch
COPY --from=builder /out/closed/ /
COPY --from=python /out/python/ /
COPY --from=builder /out/runtime/native /usr/share/whiskloop/runtime/native
COPY --from=builder /out/runtime/python /usr/share/whiskloop/runtime/python
COPY --from=builder /out/launchers/usr/libexec/whiskloop/python /usr/libexec/whiskloop/python
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop python3-tiny" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: Python without a base" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A socket and no port: it clashes with nothing in any network, and only this container reaches it.
ENV WHISKLOOP_RUNTIME=python \
    WHISKLOOP_ADMIN=unix:/tmp/.whiskloop-admin
EXPOSE 8080
STOPSIGNAL SIGTERM
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["/usr/bin/whiskloop"]
