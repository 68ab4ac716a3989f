# syntax=docker/dockerfile:1
# The images of the workload and of the local cloud: one static program each, on
# nothing. No shell, no package, no user but 10001.
#
#   docker build --target frontend .        builds from source (BuildKit, pulls rust)
#   bash images/build                       packs programs that are built already
#
# The classic builder makes every stage up to its target, in this order, so those
# that need no base image come first.

# What `images/build` packs: its context has one program and the CA certificates.
FROM scratch AS prebuilt-service
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY program /program
USER 10001:10001
ENTRYPOINT ["/program"]

FROM prebuilt-service AS prebuilt-local-cloud
COPY access.json /etc/local-cloud/access.json
COPY --chown=10001:10001 state /state
CMD ["--state", "/state", "--names-on", "0.0.0.0"]

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The local cloud apart, so that nothing of it is compiled into what ships.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    bash images/compile /out && mkdir /state

FROM scratch AS frontend
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/frontend /program
USER 10001:10001
ENTRYPOINT ["/program"]

FROM scratch AS backend
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/backend /program
USER 10001:10001
ENTRYPOINT ["/program"]

FROM scratch AS local-cloud
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/local-cloud /program
COPY infra/access.json /etc/local-cloud/access.json
COPY --from=build --chown=10001:10001 /state /state
USER 10001:10001
ENTRYPOINT ["/program"]
CMD ["--state", "/state", "--names-on", "0.0.0.0"]
