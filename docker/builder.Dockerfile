# The shared stage of all images: the program, linked in two ways, and every runtime, below /out.
# scripts/images.sh builds it first; alone:
#   docker build --network=host -t whiskloop/builder -f docker/builder.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS tools
COPY scripts/setup.sh /src/scripts/
RUN /src/scripts/setup.sh && rm -rf /var/lib/apt/lists/*

# Debian has no static libh2o, so it is built from Debian's source.
FROM tools AS h2o
RUN sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/*.sources \
      >/etc/apt/sources.list.d/src.sources \
 && apt-get update \
 && apt-get install -y --no-install-recommends cmake dpkg-dev g++ libwslay-dev libyaml-dev make \
 && mkdir /h2o && cd /h2o \
 && apt-get source -q h2o \
 && rm -rf /var/lib/apt/lists/*
RUN mkdir /h2o/build && cd /h2o/build \
 && cmake ../h2o-*/ -DWITH_MRUBY=OFF -DDISABLE_LIBUV=ON -DBUILD_SHARED_LIBS=OFF \
      -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS='-O2 -g0 -ffunction-sections -fdata-sections' \
 && make -j"$(nproc)" libh2o-evloop
# The websocket half, which wants wslay, is not used and not linked.
RUN mkdir -p /h2o/lib/pkgconfig && cp /h2o/build/libh2o-evloop.a /h2o/lib/ \
 && sed -e 's|^Libs:.*|Libs: /h2o/lib/libh2o-evloop.a|' -e '/^Requires/d' \
      "$(pkg-config --variable=pcfiledir libh2o-evloop)/libh2o-evloop.pc" \
      >/h2o/lib/pkgconfig/libh2o-evloop.pc

# What both ways of linking start from.
FROM tools AS dynamic
COPY . /src
# Apart: the program, the runtimes, and launchers in C. __pycache__ saves each start of a Python
# action 3 ms, and in the images nobody could write it.
RUN meson setup /build /src --prefix=/usr --libdir=lib --buildtype=release -Dtests=false \
 && meson compile -C /build \
 && DESTDIR=/out/dynamic meson install -C /build --strip \
 && mv /out/dynamic/usr/share/whiskloop/runtime /out/runtime \
 && mkdir -p /out/launchers/usr && mv /out/dynamic/usr/libexec /out/launchers/usr/ \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /out/runtime/python
# With the libraries it needs, for images without a base; ld.so's line of ldd has no arrow.
RUN mkdir -p /out/closed \
 && cp -a /out/dynamic/. /out/closed/ \
 && /src/docker/closure.sh /out/closed /out/closed/usr/bin/whiskloop \
 && /src/docker/skeleton.sh /out/closed \
 && /src/docker/skeleton.sh /out/skeleton

FROM h2o AS static
COPY . /src
RUN PKG_CONFIG_PATH=/h2o/lib/pkgconfig meson setup /build /src --prefix=/usr --libdir=lib \
      --buildtype=release -Dtests=false -Dprefer_static=true -Db_pie=false \
      -Dc_args='-ffunction-sections -fdata-sections' -Dc_link_args=-static \
 && meson compile -C /build \
 && DESTDIR=/out/static meson install -C /build --strip \
 && rm -rf /out/static/usr/share /out/static/usr/libexec \
 && ! ldd /out/static/usr/bin/whiskloop

# Together; the tools stay for images that compile or collect something themselves.
FROM dynamic
COPY --from=static /out/static /out/static
COPY docker/check-version.sh /usr/bin/check-version
ARG VERSION
RUN check-version "${VERSION}"
