"""How far each emitter stands out of the noise: the signal-to-noise ratio that decides which labels are trusted.

Simulated rows get it from what is known of them, localisation tables from their photons, background and sigma, and
rows of which only the position is known from the movie itself. An emitter at or above `data.snr_threshold` is reliable
and has weight 1 whatever its brightness; what becomes of weaker ones is decided in `model.targets`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.camera import Camera
from model.emitters import Emitters
from model.optics import Optics, Widths, central_share
from model.psf import own_pixel_share, pixel_shares

Floats = NDArray[np.float64]

TEMPLATE_PX = 3
"""Half width of the window in which a matched filter looks for light, px."""
RING_PX = (5, 7)
"""Distances between which the local background and its noise are measured, px."""
_MAD_TO_SIGMA = 1.4826
_ROWS_AT_ONCE = 1 << 12


def signal_to_noise(photons: Floats, background: float | Floats, share: float | Floats, camera: Camera) -> Floats:
    """`SNR = S / sqrt(F² (S + QE b + c) + read²)` with `S = QE N f0`, from the camera model of `model.camera`.

    Args:
        photons: N, photons of each emitter in its frame, (N,).
        background: b, photons per px that are not the emitter's own, its neighbours' light included.
        share: f0, see `central_share`.
        camera: quantum efficiency, spurious charge c, excess factor F² and read noise before the gain.

    Returns:
        (N,).
    """
    signal = camera.quantum_efficiency * photons * share
    stray = camera.quantum_efficiency * np.asarray(background) + camera.spurious_charge
    return np.asarray(signal / np.sqrt(camera.excess * (signal + stray) + camera.input_read_noise**2))


def simulated_snr(emitters: Emitters, expected: Floats, widths: Widths, optics: Optics, camera: Camera) -> Floats:
    """SNR of emitters within the field whose movie is known before noise.

    Args:
        emitters: rows within the field.
        expected: photons per px and frame of all light, background included, (T, Y, X).
        widths: of their images.
        optics: the microscope's point spread function.
        camera: the camera that will see it.

    Returns:
        (N,); the light of the neighbours on the emitter's pixel counts as background.
    """
    lines, columns = np.floor(emitters.y_px).astype(int), np.floor(emitters.x_px).astype(int)
    own = (1.0 - optics.halo) * own_pixel_share(emitters, widths)
    if optics.halo:
        own += optics.halo * own_pixel_share(emitters, optics.blurred(widths))
    background = np.maximum(expected[emitters.frame, lines, columns] - own * emitters.photons, 0.0)
    share = optics.central_share(widths)
    return signal_to_noise(emitters.photons, background, share, camera.at(lines, columns))


def measured_snr(frames: NDArray[Any], emitters: Emitters, sigma_px: float) -> Floats:
    """SNR of emitters of which only the position is known: matched filter over the noise around them.

    The amplitude is the least-squares fit of an integrated Gaussian at the known position in 7×7 px, which empty
    places pass far more rarely than the brightest of their nine pixels would (at sigma 1.1 px its own noise is 0.5).
    Background and noise are the median and the scaled median deviation of the pixels 5 to 7 px away; the movie is
    reflected at its borders. The emitter's own shot noise is not counted, so bright ones come out too high, weak ones
    do not.

    Args:
        frames: the movie, (T, Y, X).
        emitters: rows within it.
        sigma_px: standard deviation of the point spread function.

    Returns:
        (N,); infinite where a positive signal stands on a ring without any noise.
    """
    starts = range(0, emitters.rows, _ROWS_AT_ONCE)
    parts = [_matched_filter(frames, emitters.select(slice(at, at + _ROWS_AT_ONCE)), sigma_px) for at in starts]
    return np.concatenate([*parts, np.zeros(0)])


def reflected(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices brought into 0 … `length` − 1 by reflection at the ends, which are not repeated."""
    period = max(2 * (length - 1), 1)
    folded = index % period
    return np.asarray(np.minimum(folded, period - folded)) if length > 1 else np.zeros_like(index)


def _matched_filter(frames: NDArray[Any], emitters: Emitters, sigma_px: float) -> Floats:
    background, noise = _ring(_windows(frames, emitters, RING_PX[1]))
    window = _windows(frames, emitters, TEMPLATE_PX) - background[:, None, None]  # (N, W, W)
    columns = pixel_shares(emitters.x_px, sigma_px, TEMPLATE_PX)  # (N, W)
    lines = pixel_shares(emitters.y_px, sigma_px, TEMPLATE_PX)  # (N, W)
    template = lines[:, :, None] * columns[:, None, :]  # (N, W, W)
    light = (window * template).sum(axis=(1, 2)) / (template**2).sum(axis=(1, 2))  # (N,)
    signal = np.maximum(light, 0.0) * central_share(sigma_px, sigma_px)
    quiet = np.where(signal > 0, np.inf, 0.0)
    return np.asarray(np.divide(signal, noise, out=quiet, where=noise > 0))


def _windows(frames: NDArray[Any], emitters: Emitters, reach: int) -> Floats:
    around = np.arange(-reach, reach + 1)
    lines = reflected(np.floor(emitters.y_px).astype(np.int64)[:, None] + around, frames.shape[1])  # (N, W)
    columns = reflected(np.floor(emitters.x_px).astype(np.int64)[:, None] + around, frames.shape[2])  # (N, W)
    window = frames[emitters.frame[:, None, None], lines[:, :, None], columns[:, None, :]]
    return np.asarray(window, np.float64)  # (N, W, W)


def _ring(windows: Floats) -> tuple[Floats, Floats]:
    along = np.arange(windows.shape[1]) - windows.shape[1] // 2
    distance = np.hypot(along[:, None], along)
    ring = windows[:, (distance >= RING_PX[0]) & (distance <= RING_PX[1])]  # (N, pixels)
    background = np.median(ring, axis=1)
    return background, _MAD_TO_SIGMA * np.median(np.abs(ring - background[:, None]), axis=1)
