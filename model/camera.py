"""Cameras: from expected photons to the counts that a file holds.

`n = Poisson(QE I + c)`; on an EMCCD `Gamma(n, gain)` electrons leave the gain register; plus `Normal(0, read)`;
`floor(electrons / electrons per ADU + baseline)`, clipped to 0..65535 (Sage et al. 2019, SMLM Challenge 2016; Hirsch et
al. 2013 for the gamma model of the gain). The background is part of I. On an sCMOS sensor every pixel has an amplifier
of its own, so gain, read noise and baseline may be maps (Y, X); where only some pixels are asked for, vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Camera(NamedTuple):
    """The constants of one camera."""

    quantum_efficiency: float
    """Electrons per photon."""
    spurious_charge: float
    """Electrons per px and frame that no photon made."""
    em_gain: float | None
    """Mean gain of the electron multiplication; none on a camera without it."""
    electrons_per_adu: float | Floats
    """Electrons, after the gain, per count; one for all or (Y, X)."""
    read_noise: float | Floats
    """Standard deviation of the read-out, electrons after the gain; one for all or (Y, X)."""
    baseline: float | Floats
    """Counts of a dark pixel; one for all or (Y, X)."""

    @property
    def excess(self) -> float:
        """Factor F² by which the gain raises the variance: 2 with electron multiplication, else 1."""
        return 1.0 if self.em_gain is None else 2.0

    @property
    def input_read_noise(self) -> float | Floats:
        """Standard deviation of the read-out, electrons before the gain."""
        return self.read_noise / (self.em_gain or 1.0)

    def at(self, line: NDArray[np.int64], column: NDArray[np.int64]) -> Camera:
        """The camera of N pixels: maps become vectors (N,)."""
        return self._replace(
            electrons_per_adu=_at(self.electrons_per_adu, line, column),
            read_noise=_at(self.read_noise, line, column),
            baseline=_at(self.baseline, line, column),
        )


CAMERAS = {
    "emccd": Camera(0.9, 0.002, 300.0, 45.0, 74.4, 100),
    "scmos": Camera(0.95, 0.0, None, 0.7471, 1.535, 100),
}
"""Presets, named as in `SimulationConfig.camera`: the EMCCD of the SMLM Challenge 2016 and a typical sCMOS."""

GAIN_SPREAD, READ_NOISE_SPREAD, BASELINE_SPREAD = 0.02, 0.3, 1.0
"""Between the pixels of an sCMOS sensor: relative standard deviation of the gain, standard deviation of the logarithm
of the read noise, and of the baseline in counts; chosen like those that calibrations of such cameras find (Huang et al.
2013: read noise with a long tail)."""
_PIXELS_AT_ONCE = 1 << 18


def altered(camera: Camera, factor: float, rng: np.random.Generator) -> Camera:
    """Another camera of the kind: gain, electrons per count, read noise and baseline up to `factor` times as high or
    low, each drawn log-uniformly.
    """
    gain, adu, read, baseline = (float(each) for each in factor ** rng.uniform(-1.0, 1.0, 4))
    return camera._replace(
        em_gain=camera.em_gain and camera.em_gain * gain,
        electrons_per_adu=camera.electrons_per_adu * adu,
        read_noise=camera.read_noise * read,
        baseline=np.rint(camera.baseline * baseline),
    )


def with_pixel_maps(camera: Camera, shape: tuple[int, int], rng: np.random.Generator) -> Camera:
    """The camera with an amplifier for each pixel of a field (Y, X)."""
    return camera._replace(
        electrons_per_adu=camera.electrons_per_adu * np.maximum(rng.normal(1.0, GAIN_SPREAD, shape), 0.5),
        read_noise=camera.read_noise * rng.lognormal(0.0, READ_NOISE_SPREAD, shape),
        baseline=camera.baseline + rng.normal(0.0, BASELINE_SPREAD, shape),
    )


def expose(photons: Floats, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Counts that a camera makes of expected photons.

    Args:
        photons: expected photons per px and frame with the background, (T, Y, X).
        camera: its constants.
        rng: source of the shot, gain and read noise.

    Returns:
        Counts, (T, Y, X).
    """
    counts = np.empty(photons.shape, np.uint16)  # (T, Y, X)
    step = max(1, _PIXELS_AT_ONCE // max(1, photons[:1].size))
    for start in range(0, len(photons), step):
        counts[start : start + step] = _expose(photons[start : start + step], camera, rng)
    return counts


def _expose(photons: Floats, camera: Camera, rng: np.random.Generator) -> Floats:
    electrons = rng.poisson(camera.quantum_efficiency * photons + camera.spurious_charge).astype(np.float64)
    if camera.em_gain is not None:
        rng.standard_gamma(electrons, out=electrons)
        electrons *= camera.em_gain
    noise = rng.standard_normal(electrons.shape)
    noise *= camera.read_noise
    electrons += noise
    electrons /= camera.electrons_per_adu
    electrons += camera.baseline
    np.floor(electrons, out=electrons)
    return np.clip(electrons, 0, 65535, out=electrons)


def _at(value: float | Floats, line: NDArray[np.int64], column: NDArray[np.int64]) -> float | Floats:
    return value[line, column] if isinstance(value, np.ndarray) else value
