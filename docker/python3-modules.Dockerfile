# python3-modules: python3 with the modules that Apache's Python images have, from Debian's packages.
ARG BUILDER=whiskloop/builder:latest
ARG PYTHON=whiskloop/python3:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${PYTHON}
USER 0:0
RUN install-packages python3-bs4 python3-dateutil python3-httplib2 python3-jinja2 python3-jsonschema \
      python3-lxml python3-redis python3-requests python3-simplejson python3-yaml
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop python3-modules" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: Python with the usual modules, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 1000:1000
