# zload in an image, for load tests beside a server in containers. It takes the binaries that a release has built, one in a
# folder for each architecture: scripts/image makes that folder, FOLDER/amd64/zload and so on, and builds from it.
#
# The binary needs glibc 2.35, which this base has.
FROM debian:12-slim
ARG TARGETARCH
COPY --chmod=755 $TARGETARCH/zload /usr/bin/zload
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/zload/
COPY configs /usr/share/zload/configs
# Nobody: nothing that it does needs root.
USER 65534
WORKDIR /tmp
ENTRYPOINT ["zload"]
CMD ["--help"]
