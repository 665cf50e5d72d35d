# The images of one installation, from one file:
#
#   control   orchestrator, API and balancer; no TensorFlow, no MLflow
#   mlflow    the MLflow server
#   worker    trains; ACCELERATOR=cpu or gpu
#
# Packages come first and change seldom; the project's own code is the last layer of each image.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG ACCELERATOR=cpu

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/hdsmlm/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 hdsmlm \
 && useradd --uid 10001 --gid hdsmlm --home-dir /var/lib/hdsmlm --no-create-home --shell /usr/sbin/nologin hdsmlm
WORKDIR /var/lib/hdsmlm

FROM base AS builder
COPY locks/build.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --disable-pip-version-check --require-hashes -r /tmp/build.lock
ENV UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
RUN python3 -m venv --without-pip /opt/hdsmlm

FROM builder AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY model model
COPY worker worker
COPY orchestrator orchestrator
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /wheel

FROM builder AS control-packages
COPY locks/control.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/build/bin/uv pip install --quiet --python /opt/hdsmlm/bin/python --require-hashes -r /tmp/control.lock

FROM builder AS mlflow-packages
COPY locks/mlflow.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/build/bin/uv pip install --quiet --python /opt/hdsmlm/bin/python --require-hashes -r /tmp/mlflow.lock

FROM builder AS worker-packages
ARG ACCELERATOR
COPY locks/worker-${ACCELERATOR}.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/build/bin/uv pip install --quiet --python /opt/hdsmlm/bin/python --require-hashes \
      -r /tmp/worker-${ACCELERATOR}.lock

FROM base AS control
COPY --from=control-packages /opt/hdsmlm /opt/hdsmlm
RUN --mount=type=bind,from=builder,source=/opt/build,target=/opt/build \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    /opt/build/bin/uv pip install --quiet --python /opt/hdsmlm/bin/python --no-deps --offline --compile-bytecode /wheel/*.whl \
 && install --directory --owner hdsmlm --group hdsmlm \
      /var/lib/hdsmlm /var/lib/hdsmlm/checkpoints /var/lib/hdsmlm/logs /secrets /worker-secrets /database-secrets
ARG REVISION=""
LABEL org.opencontainers.image.title="HD-SMLM control plane" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV HDSMLM_HOME=/var/lib/hdsmlm \
    HDSMLM_REVISION="${REVISION}"
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["orchestrator", "doctor", "redis"]
ENTRYPOINT ["orchestrator"]
CMD ["--help"]

FROM base AS mlflow
COPY --from=mlflow-packages /opt/hdsmlm /opt/hdsmlm
RUN install --directory --owner hdsmlm --group hdsmlm /artifacts
LABEL org.opencontainers.image.title="MLflow server of HD-SMLM" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    MLFLOW_DISABLE_TELEMETRY=true
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=10s --start-period=300s \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=9)"]
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0", "--port", "5000", "--artifacts-destination", "/artifacts", "--workers", "1"]

# A worker is watched by the balancer, through its heartbeat, so it has no health check of its own.
FROM base AS worker
COPY --from=worker-packages /opt/hdsmlm /opt/hdsmlm
RUN --mount=type=bind,from=builder,source=/opt/build,target=/opt/build \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    /opt/build/bin/uv pip install --quiet --python /opt/hdsmlm/bin/python --no-deps --offline --compile-bytecode /wheel/*.whl \
 && install --directory --owner hdsmlm --group hdsmlm \
      /var/lib/hdsmlm /var/lib/hdsmlm/checkpoints /var/lib/hdsmlm/logs /cache
ARG REVISION=""
LABEL org.opencontainers.image.title="HD-SMLM worker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV HDSMLM_HOME=/var/lib/hdsmlm \
    XDG_CACHE_HOME=/cache \
    CUDA_CACHE_PATH=/cache/cuda \
    MPLCONFIGDIR=/cache/matplotlib \
    HDSMLM_CACHE=/cache/movies
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["worker"]
