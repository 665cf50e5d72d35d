"""The pictures: they are PNGs, and what they show follows from what they get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from model.emitters import Emitters, LabelledMovie
from model.figures import draw_learning_curve, draw_overlay, typical_frame
from model.scoring.verdicts import Criterion, Judged


@pytest.fixture
def judged() -> Judged:
    rng = np.random.default_rng(0)
    truth = Emitters.of([0, 0, 0, 1, 2, 2], [4, 12, 20, 5, 6, 9], 8.0, snr=[9, 9, 1, 9, 9, 9])
    found = Emitters.of([0, 0, 0, 2], [4.2, 20.1, 27, 6], 8.0)
    return Judged(LabelledMovie(rng.poisson(100, (3, 16, 32)).astype("uint16"), truth, 100.0), found)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures as they were when written."""
    figures: list[Figure] = []
    write = FigureCanvasAgg.print_png

    def noted(canvas: FigureCanvasAgg, *arguments: Any, **options: Any) -> None:
        figures.append(canvas.figure)
        write(canvas, *arguments, **options)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", noted)
    return figures


def test_the_overlay_counts_hits_missed_false_and_weak(judged: Judged, tmp_path: Path, drawn: list[Figure]) -> None:
    draw_overlay(judged, 0, 100.0, Criterion(snr_threshold=2.0), tmp_path / "o.png")
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "hit: 1",
        "missed: 1",
        "false: 1",
        "too weak to count: 1",
    ]
    assert "F1 within 100 nm: 0.50 here, 0.50 in the movie" in axes.get_title()
    assert "0.59 emitters per µm²" in axes.get_title()
    assert imread(tmp_path / "o.png").ndim == 3


def test_an_overlay_without_any_emitter_can_be_drawn(judged: Judged, tmp_path: Path) -> None:
    empty = Judged(judged.movie._replace(emitters=Emitters.none()), Emitters.none())
    draw_overlay(empty, 1, 100.0, Criterion(), tmp_path / "o.png")
    assert imread(tmp_path / "o.png").shape[0] > 100


def test_a_frame_beyond_the_movie_is_refused(judged: Judged, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frames 0 to 2"):
        draw_overlay(judged, 3, 100.0, Criterion(), tmp_path / "o.png")


def test_the_typical_frame_has_the_median_number_of_emitters(judged: Judged) -> None:
    assert typical_frame(judged.movie) == 2


def test_the_learning_curve_shows_both_losses_and_marks_the_best_epoch(tmp_path: Path, drawn: list[Figure]) -> None:
    history = {"loss": [1.0, 0.5, 0.4], "val_loss": [1.1, 0.6, 0.7], "learning_rate": [1e-3, 5e-4, 1e-5]}
    draw_learning_curve(history, tmp_path / "l.png")
    losses, rates = drawn[0].axes
    labels = [text.get_text() for text in losses.get_legend().get_texts()]
    assert labels == ["training", "validation", "lowest validation loss, epoch 2"]
    assert rates.get_lines()[0].get_ydata().tolist() == history["learning_rate"]
    assert imread(tmp_path / "l.png").ndim == 3


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_learning_curve({"loss": [1.0]}, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_history_without_epochs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epoch"):
        draw_learning_curve({"loss": []}, tmp_path / "l.png")
