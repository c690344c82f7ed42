# native-shell: native, and what scripts need: bash, jq, and busybox for the usual commands.
ARG BUILDER=whiskloop/builder:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM builder AS shell
RUN /src/docker/install-packages.sh busybox-static jq \
 && mkdir -p /out/shell/usr/bin \
 && cp /usr/bin/bash /usr/bin/jq /usr/bin/busybox /out/shell/usr/bin/ \
 && WITHOUT=/out/closed /src/docker/closure.sh /out/shell /usr/bin/bash /usr/bin/jq \
 && WITHOUT=/out/closed /src/docker/record-packages.sh /out/shell /usr/bin/bash /usr/bin/jq busybox-static \
 && for name in $(busybox --list); do \
      [ -e "/out/shell/usr/bin/$name" ] || ln -s busybox "/out/shell/usr/bin/$name"; \
    done

FROM scratch
COPY --from=builder /out/closed/ /
COPY --from=shell /out/shell/ /
COPY --from=builder /out/runtime/native /usr/share/whiskloop/runtime/native
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop native-shell" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: executables and shell scripts" \
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
