# The shared stage of the images whose program is linked statically: /out/static.
# scripts/images.sh builds it first; alone:
#   docker build --network=host -t whiskloop/builder-static -f docker/builder-static.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE}
COPY scripts/setup.sh /src/scripts/
RUN /src/scripts/setup.sh --static && rm -rf /var/lib/apt/lists/*
# Debian has no static libh2o, so it is built from Debian's source; first, as it never changes.
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
# libh2o calls OpenSSL for connections with TLS, of which the proxy has none.
COPY docker/without-tls.sh /usr/bin/
RUN without-tls.sh /h2o/lib/libh2o-evloop.a /h2o/lib
COPY meson.build meson_options.txt LICENSE /src/
COPY proxy /src/proxy
COPY runtime /src/runtime
RUN PKG_CONFIG_PATH=/h2o/lib/pkgconfig meson setup /build /src --prefix=/usr --libdir=lib \
      --buildtype=release -Dtests=disabled -Dprefer_static=true -Dstatic_libarchive=true -Db_pie=false \
      -Dc_args='-ffunction-sections -fdata-sections' -Dc_link_args=-static \
 && meson compile -C /build proxy/whiskloop:executable \
 && ! ldd /build/proxy/whiskloop \
 && mkdir -p /out/static/usr/bin \
 && strip -o /out/static/usr/bin/whiskloop /build/proxy/whiskloop
COPY docker/record-packages.sh /usr/bin/
RUN record-packages.sh /out/static libh2o-evloop-dev libssl-dev libarchive-dev libbz2-dev liblzma-dev libzstd-dev \
      nettle-dev libjansson-dev zlib1g-dev libc6-dev
