"""Hyperparameters of the data: where patches come from, and the microscope and sample that are simulated.

A simulated movie stands for one acquisition: what has a range or a factor is drawn anew for each movie, log-uniformly
unless said otherwise, so that a network meets many microscopes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.group import Group


class DataConfig(Group):
    """Where patches come from and which of their pixels count."""

    source: Literal["simulated", "experimental", "mixed"] = "simulated"
    """`experimental` needs `movie` and `table`; `mixed` draws `mix` of the patches from them."""
    movie: str | None = None
    """A movie, (T, Y, X): TIFF, a folder of frames, DAX or Picasso's raw."""
    table: str | None = None
    """The localisations of that movie: ThunderSTORM CSV, rapidSTORM text, Picasso's or DECODE's HDF5."""
    mix: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of experimental patches where `source` is `mixed`."""
    validation_fraction: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2
    """Share of an experimental movie, its last block of frames, that is kept for validation."""
    binning: Literal["none", "bin5", "bin10"] = "none"
    """Whether frames of an experimental movie, far apart in time, are summed to dense ones; see `model.binning`."""
    bin_offsets: Literal["strided", "permuted"] = "strided"
    """Which frames are summed: always those a fixed stride apart, or others for each block of patches."""
    bin_gap_frames: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Least distance between frames that are summed: ten times the mean ON time."""
    pixel_nm: Annotated[float, Field(ge=20, le=500)] = 100.0
    """Edge of a camera pixel in the sample, nm."""
    patch_px: Annotated[int, Field(ge=8, le=512)] = 32
    """Edge of a training patch, px."""
    low_snr: Literal["ignore", "background", "soft"] = "ignore"
    """What a pixel near an emitter below `snr_threshold` is: left out, empty, or weighted by SNR."""
    snr_threshold: Annotated[float, Field(ge=0, le=10)] = 2.0
    """An emitter at or above it is reliable and has weight 1."""
    clip: Literal["hard", "scale-only"] = "hard"
    """Whether intensities beyond the percentiles are cut (`hard`) or only scaled."""
    low_percentile: Annotated[float, Field(ge=0, le=50)] = 20.0
    """Percentile of the whole stack that becomes −1."""
    high_percentile: Annotated[float, Field(gt=50, le=100)] = 99.0
    """Percentile of the whole stack that becomes +1."""
    supply: Literal["fresh", "cached"] = "fresh"
    """Whether simulated scenes are made anew by each run, or kept on disk for all runs that need the same. The patches
    are the same either way."""
    processes: Annotated[int, Field(ge=0, le=32)] = 0
    """Processes that simulate ahead of the training; 0: a thread of its own process does."""

    @model_validator(mode="after")
    def _experimental_data_has_files(self) -> DataConfig:
        if self.source != "simulated" and not (self.movie and self.table):
            raise ValueError(f"source '{self.source}' needs both data.movie and data.table")
        return self


class SimulationConfig(Group):
    """The microscope and the sample that simulated patches are drawn from."""

    camera: Literal["emccd", "scmos", "mixed"] = "emccd"
    """Noise model; the presets stand in `model.camera`. `mixed`: half of the movies each."""
    counts_per_electron: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Counts that an electron makes in the end, multiplication included; none: as the preset's."""
    baseline: Annotated[float, Field(ge=0, le=60_000)] | None = None
    """Counts of a dark pixel; none: as the preset's."""
    camera_factor: Annotated[float, Field(ge=1, le=4)] = 1.0
    """Gain, electrons per count, read noise and baseline of a movie differ from the preset's up to so many times."""
    pixel_maps: bool = False
    """Whether gain, read noise and baseline vary from pixel to pixel, as on an sCMOS sensor."""
    structure: Literal["uniform", "filaments", "rings", "clusters", "half_filaments", "mixed"] = "mixed"
    """How emitters lie: anywhere, along filaments, on rings, in clusters; `half_filaments`: half of the movies uniform,
    half filaments; `mixed`: half uniform, half one of the three others. Rings and clusters of a dense movie put many
    emitters into one spot, so a network that was trained on them takes a bright spot for several."""
    density_min_per_um2: Annotated[float, Field(gt=0, le=20)] = 0.2
    """Lowest mean density of shining emitters per frame and um²; drawn log-uniformly."""
    density_max_per_um2: Annotated[float, Field(gt=0, le=20)] = 4.0
    """Highest mean density of shining emitters per frame and um²."""
    photons: Annotated[float, Field(ge=50, le=100_000)] = 5000.0
    """Mean photons of an emitter in a frame in which it shines throughout."""
    photons_factor: Annotated[float, Field(ge=1, le=20)] = 1.0
    """The mean photons of a movie differ from `photons` up to so many times, either way."""
    photons_spread: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Standard deviation of the photons over their mean."""
    photons_distribution: Literal["normal", "lognormal"] = "normal"
    """How the photons of a movie's molecules spread."""
    background_min: Annotated[float, Field(ge=0, le=1000)] = 50.0
    """Lowest background, photons per px and frame; drawn log-uniformly."""
    background_max: Annotated[float, Field(ge=0, le=1000)] = 150.0
    """Highest background, photons per px and frame."""
    background_perlin: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Amplitude of the background's smooth unevenness over its mean."""
    blobs_per_um2: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Mean density of molecules far out of focus per frame and um²: light without a label."""
    psf: Literal["gaussian", "astigmatic", "mixed"] = "gaussian"
    """`mixed`: half of the movies are in focus throughout, a quarter round and a quarter astigmatic, of any depth up to
    `z_range_nm`. `astigmatic` and `mixed` need `z_range_nm`."""
    psf_sigma_min_px: Annotated[float, Field(ge=0.5, le=4)] = 1.0
    """Narrowest point spread function in focus, px: standard deviation."""
    psf_sigma_max_px: Annotated[float, Field(ge=0.5, le=4)] = 1.2
    """Widest point spread function in focus, px; drawn uniformly."""
    halo_max: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest share of the light outside of the Gaussian, as an objective's rings have it; drawn uniformly from 0."""
    z_range_nm: Annotated[float, Field(ge=0, le=2000)] = 0.0
    """Emitters lie up to so far above and below focus, nm."""
    photophysics: Literal["lifetime", "blinking"] = "lifetime"
    """A molecule shines once for `mean_on_frames`, or goes dark and comes back until it bleaches."""
    mean_on_frames: Annotated[float, Field(ge=0.2, le=50)] = 2.0
    """Mean time that an emitter shines, frames; `lifetime` only."""
    on_factor: Annotated[float, Field(ge=1, le=10)] = 1.0
    """All times of a movie's photophysics differ from those given up to so many times, either way."""
    ton_frames: Annotated[float, Field(ge=0.1, le=1000)] = 3.0
    """Mean time after which a shining molecule would go dark, frames; `blinking` only."""
    tdark_frames: Annotated[float, Field(ge=0.1, le=1000)] = 2.5
    """Mean time that it stays dark, frames; `blinking` only."""
    tbleach_frames: Annotated[float, Field(ge=0.1, le=1000)] = 1.5
    """Mean time after which a shining molecule would bleach, frames; `blinking` only."""

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> SimulationConfig:
        for low, high in (
            ("density_min_per_um2", "density_max_per_um2"),
            ("background_min", "background_max"),
            ("psf_sigma_min_px", "psf_sigma_max_px"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} ({getattr(self, low):g}) is above {high} ({getattr(self, high):g})")
        return self

    @model_validator(mode="after")
    def _astigmatism_has_depth(self) -> SimulationConfig:
        if self.psf != "gaussian" and not self.z_range_nm:
            raise ValueError(f"psf {self.psf!r} needs z_range_nm above 0: how far emitters lie from focus")
        return self
