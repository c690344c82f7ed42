# Stands for one of Apache's images, which no test can pull, as the base of docker/actionloop/: a shell, jq, and a proxy
# of its own, which must not run any more.
FROM whiskloop/native-debian:latest
USER 0:0
RUN install-packages jq && rm -rf /usr/bin/whiskloop /usr/share/whiskloop \
 && printf '#!/bin/sh\necho "the proxy of the base runs" >&2\nexit 1\n' >/bin/proxy && chmod +x /bin/proxy
ENV OW_WAIT_FOR_ACK=1
