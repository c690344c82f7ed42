# python3: Python actions on a Debian base, to be extended with apt and pip.
ARG BUILDER=whiskloop/builder:latest
ARG DEBIAN=whiskloop/native-debian:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${DEBIAN}
USER 0:0
RUN install-packages python3
COPY --from=builder /out/runtime/python /usr/share/whiskloop/runtime/python
COPY --from=builder /out/launchers/usr/libexec/whiskloop/python /usr/libexec/whiskloop/python
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop python3" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: Python, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The whole image is the action's environment: pip may install into Debian's Python.
ENV WHISKLOOP_RUNTIME=python \
    PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_NO_CACHE_DIR=1
USER 1000:1000
