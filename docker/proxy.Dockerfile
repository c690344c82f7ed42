# proxy: just the program, to take into other images by COPY --from; docker/actionloop shows how.
# Linked statically, so it runs on any Linux base of its processor, with glibc, musl or neither.
ARG BUILDER=whiskloop/builder:latest
ARG STATIC=whiskloop/builder-static:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${STATIC} AS static

FROM scratch
COPY --from=static /out/static/ /
COPY --from=builder /out/runtime/native /usr/share/whiskloop/runtime/native
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop proxy" \
      org.opencontainers.image.description="The program alone, for COPY --from" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 1000:1000
ENTRYPOINT ["/usr/bin/whiskloop"]
