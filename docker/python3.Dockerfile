# python3: Python actions on a Debian base, to be extended with apt and pip.
ARG BASE=debian:bookworm-slim
ARG BUILDER=whiskloop/builder:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${BASE}
# What apt and ldconfig write about the day of the build goes again.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libh2o-evloop0.13 libjansson4 python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
      /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
 && groupadd --gid 1000 action \
 && useradd --uid 1000 --gid 1000 --home-dir /tmp --no-create-home action \
 && rm -f /etc/*-
COPY --from=builder /out/dynamic/ /
COPY --from=builder /out/runtime/native /usr/share/whiskloop/runtime/native
COPY --from=builder /out/runtime/python /usr/share/whiskloop/runtime/python
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop python3" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: Python on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The whole image is the action's environment: pip may install into Debian's Python.
ENV WHISKLOOP_RUNTIME=python \
    WHISKLOOP_ADMIN=unix:/tmp/.whiskloop-admin \
    PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_NO_CACHE_DIR=1
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=2s CMD ["/usr/bin/whiskloop", "--health"]
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["/usr/bin/whiskloop"]
