"""Networks and pixel sizes, as commands are given them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from model.commands.messages import quiet_start
from model.errors import InputError

if TYPE_CHECKING:
    from model.prediction.streaming import Network


def load(reference: str | None, *, threshold: float | None = None, views: int | None = None) -> Network:
    """The network that a reference names, or the one that ships; with another threshold or views where given.

    Raises:
        InputError: there is none.
    """
    from model.registry import find_network

    path = find_network(reference)

    with quiet_start():
        from model.card import load_network
        from model.prediction.journal import file_digest
        from model.prediction.streaming import Network

    model, card = load_network(path)
    reading = card.reading._replace(symmetries=views or card.reading.symmetries)
    card = card._replace(reading=reading, threshold=card.threshold if threshold is None else threshold)
    return Network(model, card, file_digest(path))


def pixel_size(path: Path, given: float | None, stated: float | None) -> float:
    """Edge of a movie's pixel, nm: as it is given, else as the file states it.

    Raises:
        InputError: neither.
    """
    if given is None and stated is None:
        raise InputError(f"{path} does not say how large its pixels are; give their edge with --pixel-nm")
    return given or stated or 0.0
