# A worker without a training stack: the control image and the tests' ghost.
ARG CONTROL_IMAGE
# hadolint ignore=DL3006
FROM ${CONTROL_IMAGE}
COPY tests /ghost/tests
ENV PYTHONPATH=/ghost
ENTRYPOINT ["python3", "-m", "tests.chaos.ghost_worker"]
