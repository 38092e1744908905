# Three images from one file: operator (no torch), trainer, and eval on top of the trainer's torch layer.
#
#   docker build --target trainer -t webssl/trainer .
#
# Order: base, then locked dependencies (a layer that changes with a lock only), then the project's own code (small).
ARG BASE_IMAGE=python:3.12-slim-bookworm
ARG UV_IMAGE=astral/uv:latest

FROM ${UV_IMAGE} AS uv

FROM ${BASE_IMAGE} AS base
RUN groupadd --gid 65532 webssl \
 && useradd --uid 65532 --gid 65532 --create-home --home-dir /home/webssl --shell /usr/sbin/nologin webssl
ENV VIRTUAL_ENV=/opt/webssl \
    PATH=/opt/webssl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/webssl/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

# What builds install with. A build that needs its own index or certificate authority mounts a uv.toml and a bundle
# and names them by the arguments UV_CONFIG_FILE and SSL_CERT_FILE; neither ends up in an image.
FROM base AS installer
COPY --from=uv /uv /usr/local/bin/uv

FROM base AS operator-deps
ARG UV_CONFIG_FILE
ARG SSL_CERT_FILE
ARG UV_CACHE_DIR=/var/cache/uv
COPY locks/operator.txt /opt/locks/
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv venv --python python3 /opt/webssl && uv pip sync --require-hashes --compile-bytecode --link-mode copy /opt/locks/operator.txt

# torch.compile builds its launchers with a C compiler on the GPU machine (spec.compute.compile); empty leaves it out, as
# for clusters of CPUs, where nothing is compiled unless asked.
FROM base AS trainer-base
ARG COMPILER_PACKAGES="gcc libc6-dev"
RUN if [ -n "$COMPILER_PACKAGES" ]; then \
      apt-get update && apt-get install -y --no-install-recommends $COMPILER_PACKAGES && rm -rf /var/lib/apt/lists/*; fi

FROM trainer-base AS trainer-deps
ARG UV_CONFIG_FILE
ARG SSL_CERT_FILE
ARG UV_CACHE_DIR=/var/cache/uv
COPY locks/trainer.txt /opt/locks/
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv venv --python python3 /opt/webssl && uv pip sync --require-hashes --compile-bytecode --link-mode copy /opt/locks/trainer.txt

FROM trainer-deps AS eval-deps
ARG UV_CONFIG_FILE
ARG SSL_CERT_FILE
ARG UV_CACHE_DIR=/var/cache/uv
COPY locks/eval.txt /opt/locks/
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv pip sync --require-hashes --compile-bytecode --link-mode copy /opt/locks/eval.txt

FROM installer AS operator-code
ARG UV_CONFIG_FILE
ARG SSL_CERT_FILE
ARG UV_CACHE_DIR=/var/cache/uv
COPY crds /src/crds
COPY operator /src/operator
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --no-deps --no-sources --compile-bytecode --target /app /src/crds /src/operator

FROM installer AS trainer-code
ARG UV_CONFIG_FILE
ARG SSL_CERT_FILE
ARG UV_CACHE_DIR=/var/cache/uv
COPY crds /src/crds
COPY trainer_image /src/trainer_image
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --no-deps --no-sources --compile-bytecode --target /app /src/crds /src/trainer_image

FROM installer AS eval-code
ARG UV_CONFIG_FILE
ARG SSL_CERT_FILE
ARG UV_CACHE_DIR=/var/cache/uv
COPY crds /src/crds
COPY trainer_image /src/trainer_image
COPY eval /src/eval
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --no-deps --no-sources --compile-bytecode --target /app /src/crds /src/trainer_image /src/eval

FROM operator-deps AS operator
COPY --from=operator-code /app /opt/webssl/app
USER 65532:65532
WORKDIR /home/webssl
ENTRYPOINT ["python", "-m", "webssl_operator"]

FROM trainer-deps AS trainer
COPY --from=trainer-code /app /opt/webssl/app
USER 65532:65532
WORKDIR /home/webssl
ENTRYPOINT ["python", "-m", "webssl_trainer.launch"]

FROM eval-deps AS eval
COPY --from=eval-code /app /opt/webssl/app
USER 65532:65532
WORKDIR /home/webssl
ENTRYPOINT ["python", "-m", "webssl_eval"]
