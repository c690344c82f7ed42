# java: Java actions on a Debian base: source is compiled at /init, by Debian's JDK.
ARG BUILDER=whiskloop/builder:latest
ARG DEBIAN=whiskloop/native-debian:latest

FROM ${BUILDER} AS builder
ARG VERSION
RUN check-version "${VERSION}"

FROM ${DEBIAN} AS jdk
USER 0:0
# The JDK's own set-up makes links to manuals, in a folder that a slim base lacks.
RUN mkdir -p /usr/share/man/man1 && install-packages openjdk-17-jdk-headless libgoogle-gson-java

# The launcher's classes, which the builder cannot make: it has no JDK.
FROM jdk AS launcher
COPY --from=builder /src/runtime/java /java
RUN mkdir -p /out && cd /java \
 && sh build.sh javac jar /usr/share/java/gson.jar /classes /out/launcher.jar whiskloop/*.java

FROM jdk
COPY --from=launcher /out/launcher.jar /usr/libexec/whiskloop/java/launcher.jar
COPY --from=builder /out/runtime/java /usr/share/whiskloop/runtime/java
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whiskloop java" \
      org.opencontainers.image.description="Action proxy for Apache OpenWhisk: Java, compiled at /init, on Debian" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV WHISKLOOP_RUNTIME=java
USER 1000:1000
