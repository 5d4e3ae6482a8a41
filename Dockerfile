# privlink in an image with nothing else in it: a static binary, certificates, a user without rights.
#
#   docker build -t privlink .
#   docker run --rm -v "$PWD/deploy:/deploy:ro" privlink validate -f /deploy
#
# Identities in it: workload identity, managed identity, a secret or a certificate. The Azure CLI and kubeconfig's exec
# plugins (kubelogin) are programs of their own, and not in it.
FROM rust:1-alpine AS build
# Alpine keeps one version of a package only; which one goes with the image.
# hadolint ignore=DL3018
RUN apk add --no-cache musl-dev ca-certificates
WORKDIR /source
COPY . .
RUN cargo build --profile dist --locked && install -D target/dist/privlink /image/bin/privlink \
    && mkdir -p /image/etc/ssl/certs /image/work \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && ln -s privlink /image/bin/kubectl-privlink

FROM scratch
COPY --from=build --chown=65532:65532 /image/work /work
COPY --from=build /image/bin /bin
COPY --from=build /image/etc /etc
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Numeric, so that runAsNonRoot can see that it is not root.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/bin/privlink"]
