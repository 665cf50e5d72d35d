"""Pictures of a run: how it learned, and what it found in one frame.

Each function takes values and writes one PNG. Figures are objects of their own, drawn without a display and without
matplotlib's global state, so a forked child or a thread may draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.emitters import Emitters, LabelledMovie
from model.scoring.scores import count, score, summarise
from model.scoring.verdicts import Criterion, Judged, Verdict, judge

HEADROOM = 1.6
"""Grey levels kept for nothing, so that marks stand out on the brightest emitter too."""
HIT, MISSED, FALSE, WEAK = "#8e24aa", "#e53935", "#1565c0", "#757575"
DOTS_PER_INCH = 130


def draw_learning_curve(history: Mapping[str, Sequence[float]], path: Path) -> None:
    """Write the loss of each epoch, on training and validation data, over the learning rate.

    Args:
        history: `loss`, and where known `val_loss` and `learning_rate`, one value for each epoch.
        path: the PNG; overwritten.

    Raises:
        ValueError: there is no epoch to draw.
    """
    if not history.get("loss"):
        raise ValueError("the history holds no epoch with a loss: draw after the first epoch")
    figure = Figure(figsize=(7.0, 4.6), dpi=DOTS_PER_INCH, layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    for name, label, colour in (("loss", "training", FALSE), ("val_loss", "validation", MISSED)):
        _draw_epochs(losses, history.get(name, ()), label=label, color=colour)
    best = _best_epoch(history.get("val_loss", ()))
    if best is not None:
        losses.axvline(best, color=WEAK, linewidth=0.8, linestyle=":", label=f"lowest validation loss, epoch {best}")
    losses.set(ylabel="hybrid Tversky loss", title="Learning curve")
    losses.legend(frameon=False)
    _draw_epochs(rates, history.get("learning_rate", ()), color=HIT)
    rates.set(xlabel="epoch", ylabel="learning rate", yscale="log" if history.get("learning_rate") else "linear")
    rates.xaxis.get_major_locator().set_params(integer=True)
    _write(figure, path)


def draw_overlay(judged: Judged, frame: int, radius_nm: float, criterion: Criterion, path: Path) -> None:
    """Write one raw frame with its hits (purple), missed emitters (red) and false localisations (blue).

    Rings have the matching radius and lie on the truth, crosses are localisations. The title gives the radius, the F1
    of this frame and of the movie, and the density of true emitters in this frame.

    Raises:
        ValueError: the movie has no such frame.
    """
    movie, predicted = judged
    if not 0 <= frame < len(movie.frames):
        raise ValueError(f"frame {frame} is not in the movie, which has frames 0 to {len(movie.frames) - 1}")
    radius_px = radius_nm / movie.pixel_nm
    truth, found = movie.emitters.of_frame(frame), predicted.of_frame(frame)
    verdict = judge(truth, found, radius_px, criterion)
    figure = Figure(figsize=(7.2, 7.0), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    _draw_image(axes, movie.frames[frame], movie.pixel_nm)
    _draw_verdict(axes, truth, found, verdict, radius_px)
    f1_frame = summarise(count(verdict, movie.pixel_nm), radius_nm).f1
    f1_movie = score(movie.emitters, predicted, radius_px, movie.pixel_nm, criterion).f1
    density = truth.rows / (movie.frames[frame].size * (movie.pixel_nm / 1000) ** 2)
    axes.set_title(
        f"Frame {frame}: {density:.2f} emitters per µm²\n"
        f"F1 within {radius_nm:g} nm: {f1_frame:.2f} here, {f1_movie:.2f} in the movie ({criterion.rule})",
        fontsize=11,
    )
    _write(figure, path)


def typical_frame(movie: LabelledMovie) -> int:
    """The first frame with about as many emitters as the median frame: a fair one to show."""
    rows = np.bincount(movie.emitters.frame, minlength=len(movie.frames))
    return int(np.argmin(np.abs(rows - np.median(rows))))


def _draw_epochs(axes: Axes, values: Sequence[float], **style: Any) -> None:
    if len(values):
        axes.plot(np.arange(1, len(values) + 1), values, marker="o", markersize=3, linewidth=1.2, **style)
    axes.grid(alpha=0.25)


def _best_epoch(val_loss: Sequence[float]) -> int | None:
    return int(np.nanargmin(val_loss)) + 1 if len(val_loss) and not np.isnan(val_loss).all() else None


def _draw_image(axes: Axes, image: NDArray[Any], pixel_nm: float) -> None:
    height, width = image.shape
    low, high = np.percentile(image, (1, 99.8))
    lightened = low + HEADROOM * (high - low)
    axes.imshow(image, cmap="gray_r", vmin=low, vmax=lightened, extent=(0, width, height, 0), interpolation="nearest")
    axes.set(xlabel="x (px)", ylabel="y (px)", xlim=(0, width), ylim=(height, 0))
    bar_px = 1000 / pixel_nm
    if bar_px < width / 2:
        axes.plot([width * 0.04, width * 0.04 + bar_px], [height * 0.965] * 2, color="black", linewidth=3)
        paper = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
        axes.text(width * 0.04 + bar_px / 2, height * 0.945, "1 µm", ha="center", va="bottom", fontsize=9, bbox=paper)


def _draw_verdict(axes: Axes, truth: Emitters, found: Emitters, verdict: Verdict, radius_px: float) -> None:
    groups = (
        (verdict.found, verdict.hit, HIT, "o", "hit"),
        (verdict.required & ~verdict.found, np.zeros(found.rows, bool), MISSED, "o", "missed"),
        (np.zeros(truth.rows, bool), ~verdict.hit & ~verdict.forgiven, FALSE, "x", "false"),
        (~verdict.required, verdict.forgiven, WEAK, "o", "too weak to count"),
    )
    for rings, crosses, colour, mark, label in groups:
        _draw_rings(axes, truth.select(rings), radius_px, colour)
        points = found.select(crosses)
        axes.scatter(points.x_px, points.y_px, marker="x", s=26, linewidths=1.2, color=colour)
        number = points.rows if mark == "x" else int(rings.sum())
        axes.plot([], [], mark, markerfacecolor="none", color=colour, label=f"{label}: {number}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(groups), frameon=False)


def _draw_rings(axes: Axes, emitters: Emitters, radius_px: float, colour: str) -> None:
    size = np.full(emitters.rows, 2 * radius_px)
    centres = np.column_stack([emitters.x_px, emitters.y_px])
    style = {"facecolors": "none", "edgecolors": colour, "linewidths": 1.3}
    angles = np.zeros(emitters.rows)
    axes.add_collection(
        EllipseCollection(size, size, angles, units="xy", offsets=centres, offset_transform=axes.transData, **style)
    )


def _write(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})


def draw_quick_look(image: NDArray[Any], expected: NDArray[Any], candidates: Emitters, title: str, path: Path) -> None:
    """Write one raw frame (Y, X) with its candidates, beside the emitters that are expected in each pixel (Y, X)."""
    figure = Figure(figsize=(12.0, 6.4), dpi=DOTS_PER_INCH, layout="constrained")
    raw, counts = figure.subplots(1, 2, sharex=True, sharey=True)
    low, high = np.percentile(image, (1, 99.8))
    height, width = image.shape
    style = {"extent": (0, width, height, 0), "interpolation": "nearest"}
    raw.imshow(image, cmap="gray_r", vmin=low, vmax=low + HEADROOM * max(high - low, 1e-9), **style)
    size = float(np.clip(900 / max(height, width), 1.5, 26))
    raw.scatter(candidates.x_px, candidates.y_px, marker="x", s=size, linewidths=1.0, color=HIT)
    raw.set(xlabel="x (px)", ylabel="y (px)", title=f"{candidates.rows} candidates")
    shown = counts.imshow(expected, cmap="magma", vmin=0, vmax=max(1.0, float(expected.max())), **style)
    counts.set(xlabel="x (px)", title="expected emitters per px")
    figure.colorbar(shown, ax=counts, shrink=0.8)
    figure.suptitle(title, fontsize=11)
    _write(figure, path)


def draw_f1_over_density(
    curves: Mapping[str, Sequence[tuple[float, float, float, float]]], radius_nm: float, path: Path
) -> None:
    """Write F1 over density, a curve for each name: density, F1, and the interval's lower and upper end."""
    figure = Figure(figsize=(7.6, 5.0), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    for number, (name, points) in enumerate(curves.items()):
        density, f1, low, high = np.array(points).T
        style = "-" if number == 0 else "--"
        axes.plot(density, f1, style, marker="o", markersize=4, label=name, color=f"C{number}")
        axes.fill_between(density, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
    axes.set(xlabel="emitters per µm² and frame", ylabel=f"F1 within {radius_nm:g} nm, one to one", ylim=(0, 1))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    _write(figure, path)
