"""What a network needs to be told beside its weights, kept inside its `.keras` file as `card.json`.

How it reads movies, the threshold of the decoder, how far its localisations are off, and the traits of what it was
trained on. A network without a card was not made by this project, or before it knew cards, and cannot predict files.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import keras

import model.build  # noqa: F401  registers what a saved network is made of
from model.config import CLASSES
from model.domain import Domain
from model.errors import InputError
from model.prediction.windows import Reading

MEMBER = "card.json"


class Card(NamedTuple):
    """All that prediction needs to know of a network."""

    reading: Reading
    low_percentile: float
    high_percentile: float
    threshold: float
    """τ of the decoder, chosen on validation movies."""
    pixel_nm: float
    """Edge of a pixel in training, nm."""
    error_px: float
    """Standard deviation, along one axis, of a localisation from its emitter, measured on validation movies."""
    domain: Domain | None = None
    """What it was trained on; none where nobody measured it."""

    def to_json(self) -> str:
        """As it stands in the file."""
        values = self._asdict() | {"reading": self.reading._asdict(), "domain": None}
        if self.domain is not None:
            values["domain"] = [[float(f"{trait:.6g}") for trait in movie] for movie in self.domain.movies]
        return json.dumps(values, indent=1)

    @classmethod
    def of_json(cls, text: str) -> Card:
        """What `to_json` gave.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        values: dict[str, Any] = json.loads(text)
        values["reading"] = Reading(**values["reading"])
        values["domain"] = Domain(values["domain"]) if values["domain"] is not None else None
        return cls(**values)


def write_card(network: Path, card: Card) -> None:
    """Put a card into a `.keras` file, in the place of one that is there; the file is whole at any time."""
    beside = network.with_suffix(".part")
    with zipfile.ZipFile(network) as old, zipfile.ZipFile(beside, "w") as new:
        for member in old.infolist():
            if member.filename != MEMBER:
                new.writestr(member, old.read(member))
        new.writestr(MEMBER, card.to_json())
    os.replace(beside, network)


def load_network(path: str | Path) -> tuple[keras.Model, Card]:
    """A network and its card.

    Raises:
        InputError: there is no such file, it is no network, or it has no card.
    """
    file = Path(path)
    network = read_network(file)
    with zipfile.ZipFile(file) as archive:
        content = archive.read(MEMBER) if MEMBER in archive.namelist() else None
    return network, _card(file, content)


def read_network(file: Path) -> keras.Model:
    """The network in a `.keras` file, whether it has a card or not.

    Raises:
        InputError: there is no such file, or it holds something else than a network from movies to emitter counts.
    """
    if not file.is_file():
        raise InputError(f"there is no network {file}; give a .keras file, models:/NAME@ALIAS or runs:/ID")
    try:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no archive of Keras")
        network = keras.saving.load_model(file, compile=False)
    except Exception as error:  # what a foreign archive may hold has no end
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file} cannot be read as a network ({said}); give a .keras file of this project") from error
    shapes = [tuple(getattr(network, name, ())) for name in ("input_shape", "output_shape")]
    if [(len(shape), shape[-1:]) for shape in shapes] != [(5, (1,)), (5, (CLASSES,))]:
        raise InputError(
            f"{file} holds another network, from {shapes[0]} to {shapes[1]}; expected one from (B, T, Y, X, 1) to "
            f"(B, T, Y, X, {CLASSES}): give a .keras file of this project"
        )
    return network


def _card(file: Path, content: bytes | None) -> Card:
    if content is None:
        raise InputError(
            f"{file} has no {MEMBER}, which says how it reads movies and where its threshold lies; "
            "take a network that this version has trained"
        )
    try:
        return Card.of_json(content.decode())
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: its {MEMBER} cannot be understood ({error}); it belongs to another version"
        ) from error
