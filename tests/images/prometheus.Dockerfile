# Stands for prom/prometheus, which no test can pull: Debian's Prometheus, which reads the same files.
FROM whiskloop/native-debian:latest
USER 0:0
RUN install-packages prometheus
USER 1000:1000
ENTRYPOINT ["/usr/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/data"]
