# The shared stage of all images: the program with its libraries, and every runtime, below /out.
# scripts/images.sh builds it first; alone:
#   docker build --network=host -t whiskloop/builder -f docker/builder.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE}
COPY scripts/setup.sh /src/scripts/
# As in builder-static.Dockerfile, so that engines make this layer once.
RUN /src/scripts/setup.sh --static && rm -rf /var/lib/apt/lists/*
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*

# The tools stay for images that compile or collect something themselves.
COPY meson.build meson_options.txt LICENSE /src/
COPY proxy /src/proxy
COPY runtime /src/runtime
# Apart: the program, the runtimes, launchers in C, and what programs that use the C library are built
# with. __pycache__ saves each start of a Python action 3 ms, and in the images nobody could write it.
RUN meson setup /build /src --prefix=/usr --libdir=lib --buildtype=release -Dtests=disabled -Dstatic_libarchive=true \
 && meson compile -C /build \
 && DESTDIR=/out/dynamic meson install -C /build --strip \
 && mv /out/dynamic/usr/share/whiskloop/runtime /out/runtime \
 && mkdir -p /out/launchers/usr /out/sdk/usr/lib && mv /out/dynamic/usr/libexec /out/launchers/usr/ \
 && mv /out/dynamic/usr/include /out/sdk/usr/ && mv /out/dynamic/usr/lib/pkgconfig /out/dynamic/usr/lib/libwhisk_action.a /out/sdk/usr/lib/ \
 && rm -rf /out/dynamic/usr/share /out/dynamic/usr/lib \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /out/runtime/python
COPY docker /src/docker
# What is linked into the program is recorded with it. With the libraries it needs, for images without a base.
RUN mkdir -p /out/closed \
 && /src/docker/record-packages.sh /out/dynamic libarchive-dev libbz2-dev liblzma-dev libzstd-dev nettle-dev zlib1g-dev \
 && cp -a /out/dynamic/. /out/closed/ \
 && /src/docker/closure.sh /out/closed /out/closed/usr/bin/whiskloop \
 && /src/docker/skeleton.sh /out/closed \
 && /src/docker/add-authorities.sh /out/closed \
 && /src/docker/skeleton.sh /out/skeleton \
 && /src/docker/add-authorities.sh /out/skeleton \
 && /src/docker/add-authorities.sh /out/authorities
ARG VERSION
RUN cp /src/docker/check-version.sh /usr/bin/check-version && check-version "${VERSION}"
