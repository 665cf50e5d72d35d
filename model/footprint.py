"""How much memory a run will need, by arithmetic alone: the porch of the scheduler, free of NumPy and TensorFlow.

Training holds, at its peak, the imported stack, the weights with their gradients and the optimiser's slots, every
activation that the way back will ask for, and the scenes that are being simulated. Prediction after it keeps far less
of each pixel, but a large movie has large frames; the larger of the two decides. Counts follow from the network's plan;
the few constants were fitted to measured peaks of forked children on a CPU, whose allocator is `worker.memory`'s.
"""

from __future__ import annotations

import hashlib
import json
import math

from model.config import CLASSES, TrainConfig
from model.plan import layers_of
from model.units import MIB

FLOAT_BYTES = 4

STACK_MIB, LAYER_MIB = 510, 1.6
"""A forked child that has imported the stack, before the first activation; and the graphs of each convolution."""

WEIGHT_COPIES, SLOT_COPIES = 3.0, 1.25
"""Weights, their gradient and the clipped one; what each slot of the optimiser takes, with its share of a new value."""

ACTIVATION_COPIES = 1.35
"""What training keeps for the way back, and a third more in gradients and copies in another layout."""

PREDICTION_BATCHES = 2
"""Pixels that `model.prediction` takes at once, in training batches; at least one window."""

PREDICTION_TENSORS = 6.7
"""Tensors as wide as the first level that live at once in prediction: skip, concatenation, convolution, Swish."""

BLOCK_PIXEL_BYTES = 12
"""Of a block of scenes and of the batches held ready: intensities, targets and weights."""

RENDERED_PIXEL_BYTES = 18
"""Of the light of one emitter, before the emitters are summed: a share, a place and a half."""

JUDGED_PIXEL_BYTES = 72
"""Of a movie that is being judged: counts, probabilities and expected counts, and each a few times."""

BLOCK_PIXELS, SCENES, SCENE_FRAMES, SCENE_PX = 4_000_000, 16, 100, 32
"""How `model.patches` simulates: at most so many pixels and scenes in a block, each so long and at least so wide."""

BLOB_WIDENING, BLOB_PIXEL_BYTES = 6.0, 20
"""How much wider than in focus `model.background` makes them at most, and what a pixel of their images takes."""

PROCESS_MIB = 120
"""Of a process that simulates ahead: interpreter, NumPy and SciPy."""

SHARES_AT_ONCE, REACH_SIGMA = 1 << 22, 4.0
"""How `model.psf` renders: so many pixels of emitters at once, each emitter so far to either side."""

GPU_BASE_MIB, GPU_WORKSPACE_MIB, GPU_SCRATCH_TENSORS, GPU_FRAGMENTS = 64, 1024, 4, 1.15
"""On a GPU: small buffers, the most that cuDNN may take (`TF_CUDNN_WORKSPACE_LIMIT_IN_MB`), tensors as wide as the
widest that live while its gradient is made, and what the allocator loses between blocks."""

MEMORY_FIELDS = {
    "data": {"patch_px", "pixel_nm", "processes", "source"},
    "evaluation": {"density_per_um2", "frames", "size_px"},
    "model": {"base_filters", "convolutions_per_block", "depth", "frames", "kernel", "normalisation"},
    "simulation": {
        "blobs_per_um2",
        "density_max_per_um2",
        "halo_max",
        "psf",
        "psf_sigma_max_px",
        "psf_sigma_min_px",
        "z_range_nm",
    },
    "training": {"batch_size", "precision", "xla"},
}
"""What memory depends on, beside the optimiser's slots."""

MOVIE_FIELDS = {"data": {"bin_offsets", "binning", "movie", "table", "validation_fraction"}}
"""What it depends on besides where a movie is given."""


def footprint_mib(config: TrainConfig) -> int:
    """Predicted peak resident memory of a training process on a CPU, MiB; was within 8 % of 21 measured ones.

    An experimental movie is not counted, since its size does not stand in the config, and half precision is taken to
    save nothing.
    """
    training = FLOAT_BYTES * ACTIVATION_COPIES * _kept_floats(config) + _supply_bytes(config)
    predicting = FLOAT_BYTES * _predicting_floats(config) + _judged_bytes(config)
    weights = FLOAT_BYTES * (WEIGHT_COPIES + SLOT_COPIES * _slots(config)) * _weights(config)
    graphs = LAYER_MIB * sum(layer.weights > 0 for layer in layers_of(config.model))
    return STACK_MIB + math.ceil(graphs + (weights + max(training, predicting)) / MIB)


def gpu_footprint_mib(config: TrainConfig) -> int:
    """Predicted peak of TensorFlow's allocator on a GPU, MiB: what a cap must grant; context and libraries come on top.

    By arithmetic alone, unproven on a GPU. Simulation and judgement stay in the host's memory.
    """
    floats = max(_kept_floats(config) + _scratch_floats(config), _predicting_floats(config))
    floats += (WEIGHT_COPIES + _slots(config)) * _weights(config)
    held = GPU_FRAGMENTS * FLOAT_BYTES * floats / MIB
    return GPU_BASE_MIB + math.ceil(held + min(GPU_WORKSPACE_MIB, _unfolded_mib(config)))


def memory_signature(config: TrainConfig) -> str:
    """12 hex digits that are equal where memory is: after its first run, a signature's measured peak is known."""
    counted = [config.model_dump(include=MEMORY_FIELDS), _slots(config)]
    if config.data.source != "simulated":
        counted.append(config.model_dump(include=MOVIE_FIELDS))
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:12]


def work_gflop(config: TrainConfig) -> float:
    """Arithmetic of a whole training, GFLOP: forward and twice as much back, two for each multiplication and sum.

    Approximate, and without simulation and judgement: it orders runs by the time that they will take.
    """
    each = sum(layer.weights / (1 << 2 * layer.level_in) for layer in layers_of(config.model))
    steps = config.training.epochs * config.training.steps_per_epoch
    return 3 * 2 * each * _batch_pixels(config) * steps / 1e9


def _weights(config: TrainConfig) -> int:
    return sum(layer.weights for layer in layers_of(config.model))


def _slots(config: TrainConfig) -> int:
    """Numbers that the optimiser keeps for each weight: two of Adam, one of SGD with momentum, one for its mean."""
    moments = int(config.optimizer.momentum > 0) if config.optimizer.name == "sgd" else 2
    return moments + int(config.optimizer.ema > 0)


def _kept_floats(config: TrainConfig) -> float:
    return _batch_pixels(config) * sum(layer.kept / (1 << 2 * layer.level) for layer in layers_of(config.model))


def _batch_pixels(config: TrainConfig) -> int:
    edge = _padded_px(config.data.patch_px, config.model.depth)
    return config.training.batch_size * config.model.frames * edge**2


def _scratch_floats(config: TrainConfig) -> float:
    """The widest tensor is the concatenation of the first level; its gradient needs it in both layouts."""
    return GPU_SCRATCH_TENSORS * 2 * config.model.base_filters * _batch_pixels(config)


def _unfolded_mib(config: TrainConfig) -> float:
    """What a convolution of that tensor by matrix multiplication takes: each pixel with all its neighbours."""
    voxels = config.model.kernel ** (3 if config.model.frames > 1 else 2)
    return FLOAT_BYTES * voxels * 2 * config.model.base_filters * _batch_pixels(config) / MIB


def _predicting_floats(config: TrainConfig) -> float:
    edge = _padded_px(config.evaluation.size_px, config.model.depth)
    pixels = config.model.frames * max(
        edge**2, PREDICTION_BATCHES * config.training.batch_size * config.data.patch_px**2
    )
    return pixels * (PREDICTION_TENSORS * config.model.base_filters + 3 * CLASSES)


def _supply_bytes(config: TrainConfig) -> float:
    """Of simulation in this process, or in others that hold what it needs and a block that waits for each."""
    return _simulated_bytes(config) * (1 + 2 * config.data.processes) + MIB * PROCESS_MIB * config.data.processes


def _simulated_bytes(config: TrainConfig) -> float:
    edge, light = max(SCENE_PX, config.data.patch_px), config.simulation
    scene = SCENE_FRAMES * edge**2
    block = scene * min(max(BLOCK_PIXELS // scene, 1), SCENES)
    rendered = _rendered_bytes(config, SCENE_FRAMES, edge, light.density_max_per_um2, light.psf_sigma_max_px)
    return BLOCK_PIXEL_BYTES * block + rendered + _blob_bytes(config, edge)


def _blob_bytes(config: TrainConfig, edge_px: int) -> float:
    """Of the images into which molecules far out of focus are drawn, with margins as wide as they are."""
    reach = math.ceil(REACH_SIGMA * BLOB_WIDENING * config.simulation.psf_sigma_max_px)
    lit = SCENE_FRAMES * (edge_px + 4 * reach) ** 2
    return BLOB_PIXEL_BYTES * lit if config.simulation.blobs_per_um2 else 0.0


def _judged_bytes(config: TrainConfig) -> float:
    judged, light = config.evaluation, config.simulation
    sigma_px = (light.psf_sigma_min_px + light.psf_sigma_max_px) / 2
    rendered = _rendered_bytes(config, judged.frames, judged.size_px, judged.density_per_um2, sigma_px)
    return JUDGED_PIXEL_BYTES * judged.frames * judged.size_px**2 + rendered


def _rendered_bytes(config: TrainConfig, frames: int, edge_px: int, density_per_um2: float, sigma_px: float) -> float:
    reach = math.ceil(REACH_SIGMA * sigma_px)
    lit_um2 = ((edge_px + 2 * reach) * config.data.pixel_nm / 1000) ** 2
    return RENDERED_PIXEL_BYTES * min(SHARES_AT_ONCE, density_per_um2 * lit_um2 * frames * (2 * reach + 1) ** 2)


def _padded_px(edge_px: int, depth: int) -> int:
    return math.ceil(edge_px / (1 << depth)) << depth
