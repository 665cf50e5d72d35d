"""A stand-in for NVIDIA's driver library, so that the real `pynvml` runs on machines without a GPU."""
