"""How far each emitter stands out of the noise: the signal-to-noise ratio that decides which labels are trusted.

Simulated rows get it from what is known of them, localisation tables from their photons, background and sigma, and
rows of which only the position is known from the movie itself. An emitter at or above `data.snr_threshold` is reliable
and has weight 1 whatever its brightness; what becomes of weaker ones is decided in `model.targets`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erf

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


def signal_to_noise(
    photons: Floats, background: float | Floats, share: float | Floats, camera: Camera, sums: int = 1
) -> Floats:
    """`SNR = S / sqrt(F² (S + QE b + n c) + n read²)` with `S = QE N f0`, from the camera model of `model.camera`.

    Args:
        photons: N, photons of each emitter in its frame, (N,).
        background: b, photons per px that are not the emitter's own, its neighbours' light included.
        share: f0, see `model.optics.central_share`.
        camera: quantum efficiency, spurious charge c, excess factor F² and read noise before the gain.
        sums: n, exposures that were added up to the frame; `background` is that of all of them.

    Returns:
        (N,).
    """
    signal = camera.quantum_efficiency * photons * share
    stray = camera.quantum_efficiency * np.asarray(background) + sums * camera.spurious_charge
    return np.asarray(signal / np.sqrt(camera.excess * (signal + stray) + sums * camera.input_read_noise**2))


def neighbours_light(emitters: Emitters, widths: Widths) -> Floats:
    """Photons that the other emitters of its frame throw on each emitter's pixel, (N,).

    Emitters beyond four times the widest image are too far; those of unknown photons give none.
    """
    reach = 4.0 * float(np.max([*widths.x_px, *widths.y_px], initial=0.0)) + 1.0
    space = np.column_stack([emitters.x_px, emitters.y_px, emitters.frame * 3.0 * reach])  # (N, 3), frames far apart
    near = cKDTree(space).query_pairs(reach, output_type="ndarray")  # (K, 2)
    pixel, source = np.concatenate([near, near[:, ::-1]]).T  # (2 K,) each
    light = np.nan_to_num(emitters.photons[source])
    for at, sigma in ((emitters.x_px, widths.x_px), (emitters.y_px, widths.y_px)):
        edge = np.floor(at[pixel]) - at[source]
        scale = np.sqrt(2.0) * sigma[source]
        light = light * 0.5 * (erf((edge + 1.0) / scale) - erf(edge / scale))
    return np.asarray(np.bincount(pixel, light, emitters.rows), np.float64)


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


def windows(frames: NDArray[Any], emitters: Emitters, reach: int) -> Floats:
    """Pixels up to `reach` around that of each emitter, (N, W, W); the movie is reflected at its borders."""
    around = np.arange(-reach, reach + 1)
    lines = reflected(np.floor(emitters.y_px).astype(np.int64)[:, None] + around, frames.shape[1])  # (N, W)
    columns = reflected(np.floor(emitters.x_px).astype(np.int64)[:, None] + around, frames.shape[2])  # (N, W)
    window = frames[emitters.frame[:, None, None], lines[:, :, None], columns[:, None, :]]
    return np.asarray(window, np.float64)


def ring(frames: NDArray[Any], emitters: Emitters) -> tuple[Floats, Floats]:
    """Median and robust standard deviation of the pixels around each emitter at the distances `RING_PX`, (N,) each."""
    seen = windows(frames, emitters, RING_PX[1])
    along = np.arange(seen.shape[1]) - seen.shape[1] // 2
    distance = np.hypot(along[:, None], along)
    chosen = seen[:, (distance >= RING_PX[0]) & (distance <= RING_PX[1])]  # (N, pixels)
    background = np.median(chosen, axis=1)
    return background, _MAD_TO_SIGMA * np.median(np.abs(chosen - background[:, None]), axis=1)


def reflected(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices brought into 0 … `length` − 1 by reflection at the ends, which are not repeated."""
    period = max(2 * (length - 1), 1)
    folded = index % period
    return np.asarray(np.minimum(folded, period - folded)) if length > 1 else np.zeros_like(index)


def _matched_filter(frames: NDArray[Any], emitters: Emitters, sigma_px: float) -> Floats:
    background, noise = ring(frames, emitters)
    window = windows(frames, emitters, TEMPLATE_PX) - background[:, None, None]  # (N, W, W)
    columns = pixel_shares(emitters.x_px, sigma_px, TEMPLATE_PX)  # (N, W)
    lines = pixel_shares(emitters.y_px, sigma_px, TEMPLATE_PX)  # (N, W)
    template = lines[:, :, None] * columns[:, None, :]  # (N, W, W)
    light = (window * template).sum(axis=(1, 2)) / (template**2).sum(axis=(1, 2))  # (N,)
    signal = np.maximum(light, 0.0) * central_share(sigma_px, sigma_px)
    quiet = np.where(signal > 0, np.inf, 0.0)
    return np.asarray(np.divide(signal, noise, out=quiet, where=noise > 0))
