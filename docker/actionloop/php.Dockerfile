# Apache's image for PHP actions with whiskloop as its proxy; its compiler and launcher stay.
#   docker build -t my-php -f docker/actionloop/php.Dockerfile .
ARG BASE=openwhisk/action-php-v8.2:latest
ARG PROXY=whiskloop/proxy:latest

FROM ${PROXY} AS proxy

FROM ${BASE}
COPY --from=proxy /usr/bin/whiskloop /bin/proxy
COPY --from=proxy /usr/share/whiskloop /usr/share/whiskloop
# Its launcher answers line by line, strictly in order, so lines may be written ahead; 0 turns it off.
ENV WHISKLOOP_PIPELINE=64
ENTRYPOINT ["/bin/proxy"]
