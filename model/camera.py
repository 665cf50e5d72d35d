"""Cameras: from expected photons to the counts that a file holds.

`n = Poisson(QE I + c)`; on an EMCCD `Gamma(n, gain)` electrons leave the gain register; plus `Normal(0, read)`;
`floor(/ electrons per ADU) + baseline`, clipped to 0..65535 (Sage et al. 2019, SMLM Challenge 2016; Hirsch et al.
2013 for the gamma model of the gain). The background is part of I.
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
    electrons_per_adu: float
    """Electrons, after the gain, per count."""
    read_noise: float
    """Standard deviation of the read-out, electrons after the gain."""
    baseline: int
    """Counts of a dark pixel."""

    @property
    def excess(self) -> float:
        """Factor F² by which the gain raises the variance: 2 with electron multiplication, else 1."""
        return 1.0 if self.em_gain is None else 2.0

    @property
    def input_read_noise(self) -> float:
        """Standard deviation of the read-out, electrons before the gain."""
        return self.read_noise / (self.em_gain or 1.0)


CAMERAS = {
    "emccd": Camera(0.9, 0.002, 300.0, 45.0, 74.4, 100),
    "scmos": Camera(0.95, 0.0, None, 0.7471, 1.535, 100),
}
"""Presets, named as in `SimulationConfig.camera`: the EMCCD of the SMLM Challenge 2016 and a typical sCMOS."""

_PIXELS_AT_ONCE = 1 << 20


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
        electrons = rng.standard_gamma(electrons) * camera.em_gain
    electrons += camera.read_noise * rng.standard_normal(electrons.shape)
    return np.asarray(np.clip(np.floor(electrons / camera.electrons_per_adu) + camera.baseline, 0, 65535))
