"""How fast movies are simulated, beside what one would write by hand: a loop over emitters in NumPy.

    python benchmarks/simulator.py [--core N]

On one core, in its own processor time, at 64 × 64 px and 100 nm per px. Each figure is the best of five movies of 200
frames (the loop: of one movie of 20), from the density to camera counts, truth and signal-to-noise ratios included.
Then every scene is played twice from one seed, and the bytes compared; and the two densities of a movie stand side by
side.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Callable

QUIET = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
os.environ.update(QUIET)

import numpy as np  # noqa: E402
from scipy.special import erf  # noqa: E402

from model.camera import expose  # noqa: E402
from model.config import SimulationConfig  # noqa: E402
from model.density import density_of  # noqa: E402
from model.scene import Scene, typical_scene  # noqa: E402
from model.simulator import simulate_movie  # noqa: E402

FRAMES, EDGE_PX, PIXEL_NM = 200, 64, 100.0
FULL = {
    "background_perlin": 0.2,
    "blobs_per_um2": 0.05,
    "halo_max": 0.2,
    "photophysics": "blinking",
    "photons_distribution": "lognormal",
    "pixel_maps": True,
}
SCENES: dict[str, dict[str, object]] = {
    "EMCCD, plain": {},
    "sCMOS, plain": {"camera": "scmos"},
    "EMCCD, everything in 2D": FULL,
    "sCMOS, everything in 2D": FULL | {"camera": "scmos"},
    "EMCCD, everything, ±300 nm": FULL | {"z_range_nm": 300.0},
    "EMCCD, astigmatic, ±750 nm": {"psf": "astigmatic", "z_range_nm": 750.0},
}
DENSITIES = (0.2, 2.0, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0)
    os.sched_setaffinity(0, {parser.parse_args().core})
    print(f"{'frames per second':<28}" + "".join(f"{f'{density:g} per um²':>14}" for density in DENSITIES))
    for name, changes in SCENES.items():
        _row(name, [_rate(_play, _scene(density, changes), FRAMES, 5) for density in DENSITIES])
    _row("loop over emitters, EMCCD", [_rate(by_hand, _scene(density, {}), 20, 1) for density in DENSITIES])
    print("\nsame seed, same bytes:", all(_digest(changes) == _digest(changes) for changes in SCENES.values()))
    print(f"\n{'density per um²':<28}{'field':>14}{'local':>14}")
    for structure in ("uniform", "filaments", "rings", "clusters"):
        _densities(structure)


def _scene(density: float, changes: dict[str, object]) -> Scene:
    config = SimulationConfig.model_validate({"structure": "uniform", **changes})
    return typical_scene(config, PIXEL_NM, density)


def _play(scene: Scene, frames: int) -> bytes:
    movie = simulate_movie(scene, frames=frames, size_px=EDGE_PX, rng=np.random.default_rng(0))
    return movie.frames.tobytes() + movie.emitters.snr.tobytes()


def _rate(play: Callable[[Scene, int], object], scene: Scene, frames: int, times: int) -> float:
    def seconds() -> float:
        began = time.process_time()
        play(scene, frames)
        return time.process_time() - began

    return frames / min(seconds() for _ in range(times))


def _row(name: str, rates: list[float]) -> None:
    print(f"{name:<28}" + "".join(f"{rate:>14,.0f}" for rate in rates), flush=True)


def _digest(changes: dict[str, object]) -> str:
    return hashlib.sha256(_play(_scene(2.0, changes), 20)).hexdigest()


def _densities(structure: str) -> None:
    scene = _scene(2.0, {"structure": structure})
    movie = simulate_movie(scene, frames=100, size_px=128, rng=np.random.default_rng(0))
    found = density_of(movie.emitters, movie.frames.shape, PIXEL_NM)
    print(f"{structure:<28}{found.field:>14.2f}{found.local:>14.2f}")


def by_hand(scene: Scene, frames: int) -> np.ndarray:
    """The same movie as a person would write it: each emitter of each frame added to its window in turn."""
    rng, margin, mean = np.random.default_rng(0), 5, scene.mean_on_frames
    edge = EDGE_PX + 2 * margin
    rate = scene.density_per_um2 * (edge * PIXEL_NM / 1000) ** 2 / (1 + mean)
    lead = int(10 * mean)
    light = np.full((frames, EDGE_PX, EDGE_PX), scene.background)
    for _ in range(rng.poisson(rate * (frames + lead))):
        start = rng.uniform(-lead, frames)
        stop = start + rng.exponential(mean)
        x, y = rng.uniform(-margin, EDGE_PX + margin, 2)
        photons = max(rng.normal(scene.photons, scene.photons_spread * scene.photons), 0.0)
        for frame in range(max(int(start), 0), min(int(stop) + 1, frames)):
            share = min(stop, frame + 1) - max(start, frame)
            if share >= 0.01:
                _add(light[frame], x, y, photons * share, scene.sigma_px)
    return expose(light, scene.camera, rng)


def _add(image: np.ndarray, x: float, y: float, photons: float, sigma_px: float) -> None:
    (left, columns), (top, lines) = _shares(x, sigma_px), _shares(y, sigma_px)
    image[top : top + len(lines), left : left + len(columns)] += photons * np.outer(lines, columns)


def _shares(centre: float, sigma_px: float) -> tuple[int, np.ndarray]:
    first, last = max(int(np.floor(centre)) - 5, 0), min(int(np.floor(centre)) + 6, EDGE_PX)
    edges = np.arange(first, max(last, first) + 1)
    return first, np.diff(0.5 * erf((edges - centre) / (np.sqrt(2) * sigma_px)))


if __name__ == "__main__":
    main()
