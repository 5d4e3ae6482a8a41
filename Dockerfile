# privlink in an image with nothing else in it: a static binary, certificates, a user without rights. The target `ci` has a
# shell and kubelogin as well.
#
#   docker build -t privlink --build-arg COMMIT=$(git rev-parse HEAD) .
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
# The repository is not in the context: what `privlink version` says of the commit comes from here.
ARG COMMIT=
ENV PRIVLINK_COMMIT=$COMMIT
RUN cargo build --profile dist --locked && install -D target/dist/privlink /image/bin/privlink \
    && mkdir -p /image/etc/ssl/certs /image/work \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && ln -s privlink /image/bin/kubectl-privlink

# For pipelines whose jobs run in an image: with a shell, and with kubelogin for kubeconfigs of Entra.
#
#   docker build --target ci -t REGISTRY/privlink:ci .
FROM alpine:3 AS ci
ARG TARGETARCH=amd64
ARG KUBELOGIN=v0.2.10
# hadolint ignore=DL3018
RUN apk add --no-cache ca-certificates curl git unzip && cd /tmp \
    && base=https://github.com/Azure/kubelogin/releases/download/$KUBELOGIN/kubelogin-linux-$TARGETARCH.zip \
    && curl --fail --silent --show-error --location --output kubelogin.zip "$base" \
    && curl --fail --silent --show-error --location --output kubelogin.sha256 "$base.sha256" \
    && echo "$(cut -c 1-64 kubelogin.sha256)  kubelogin.zip" | sha256sum -c - \
    && unzip -q kubelogin.zip && install "bin/linux_$TARGETARCH/kubelogin" /usr/local/bin/ && rm -r /tmp/*
COPY --from=build /image/bin /usr/local/bin
USER 65532:65532
WORKDIR /work

FROM scratch
COPY --from=build --chown=65532:65532 /image/work /work
COPY --from=build /image/bin /bin
COPY --from=build /image/etc /etc
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Numeric, so that runAsNonRoot can see that it is not root.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/bin/privlink"]
