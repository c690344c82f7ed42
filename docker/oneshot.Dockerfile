# oneshot: the old skeleton's contract: a program that is started anew for each activation.
ARG BUILDER=whiskloop/builder:latest
ARG SHELL_IMAGE=whiskloop/native-shell:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${SHELL_IMAGE}
COPY --from=builder /out/launchers/usr/libexec/whiskloop/oneshot /usr/libexec/whiskloop/oneshot
COPY --from=builder /out/runtime/oneshot /usr/share/whiskloop/runtime/oneshot
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop oneshot" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: a program for each activation" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV WHISKLOOP_RUNTIME=oneshot
