# A worker without a training stack: the control image and the tests' ghost.
ARG CONTROL_IMAGE
# hadolint ignore=DL3006
FROM ${CONTROL_IMAGE}
COPY tests /ghost/tests
# Where the stand-in driver keeps its state.
ARG NVML_STAND_IN_STATE
ENV PYTHONPATH=/ghost \
    NVML_STAND_IN_STATE=${NVML_STAND_IN_STATE}
ENTRYPOINT ["python3", "-m", "tests.chaos.ghost_worker"]
