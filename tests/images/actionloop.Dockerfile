# Stands for one of Apache's images, which no test can pull: docker/actionloop's lines on a base that
# has a shell, an unprivileged user of its own, and the variables of such an image.
ARG PROXY=whiskloop/proxy:latest

FROM ${PROXY} AS proxy

FROM whiskloop/native-debian:latest
USER 0:0
RUN install-packages jq && rm -rf /usr/bin/whiskloop /usr/share/whiskloop
COPY --from=proxy /usr/bin/whiskloop /bin/proxy
COPY --from=proxy /usr/share/whiskloop /usr/share/whiskloop
ENV OW_WAIT_FOR_ACK=1
ENTRYPOINT ["/bin/proxy"]
