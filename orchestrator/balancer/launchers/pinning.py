"""What tells a worker its device and how many threads it has, in its environment."""

from __future__ import annotations

from orchestrator.records import Worker
from worker.spec import CPU_DEVICE


def pinned(worker: Worker) -> dict[str, str]:
    """Show the worker its device alone, by UUID."""
    visible = "-1" if worker.device == CPU_DEVICE else worker.device
    return {
        "CUDA_VISIBLE_DEVICES": visible,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "HDSMLM_DEVICE": worker.device,
    }


def threaded(threads: int) -> dict[str, str]:
    """Let every library compute with so many threads."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
