"""The quick look at a prediction: one frame, its candidates, and what the map expects."""

from __future__ import annotations

import numpy as np

from model.decoding.peeling import decode, expected_counts
from model.figures import draw_quick_look
from model.prediction.journal import Journal
from model.prediction.outputs import open_map
from model.prediction.streaming import Task


def draw_prediction(task: Task, threshold: float, journal: Journal) -> None:
    """Draw the frame in the middle of a movie whose prediction is complete."""
    middle = journal.frames // 2
    probability = np.moveaxis(open_map(task.paths.map, task.movie.shape)[middle : middle + 1], 1, -1)  # (1, Y, X, 4)
    density = journal.localisations / (np.prod(task.movie.shape) * (task.pixel_nm / 1000.0) ** 2)
    title = f"{task.movie.path.name}, frame {middle}\n{density:.2f} localisations per µm² and frame in the movie"
    if journal.domain is not None and journal.domain["out_of_domain"]:
        title += "\nunlike what the network was trained on: do not trust it"
    draw_quick_look(
        task.movie.read(middle, middle + 1)[0],
        expected_counts(probability)[0],
        decode(probability, threshold),
        title,
        task.paths.picture,
    )
