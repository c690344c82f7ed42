# Apache's image for PHP actions with whiskloop as its proxy; its compiler and launcher stay.
#   docker build -t my-php -f docker/actionloop/php.Dockerfile .
ARG BASE=openwhisk/action-php-v8.2:latest
ARG PROXY=whiskloop/proxy:latest

FROM ${PROXY} AS proxy

FROM ${BASE}
COPY --from=proxy /usr/bin/whiskloop /bin/proxy
COPY --from=proxy /usr/share/whiskloop /usr/share/whiskloop
ENTRYPOINT ["/bin/proxy"]
