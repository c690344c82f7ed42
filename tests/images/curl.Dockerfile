# native-debian with what docs/images.md names for scripts that call out.
FROM whiskloop/native-debian:latest
USER 0:0
RUN install-packages curl jq
USER 1000:1000
