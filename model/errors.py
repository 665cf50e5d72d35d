"""What the science raises: input that cannot be used, and trainings that end before their end.

The message is a sentence that a person at a microscope understands: what was found, what was expected, what to do.
"""

from __future__ import annotations


class InputError(ValueError):
    """A movie, a table, a network or a simulation that cannot be used; trying again without a change is pointless."""


class StoppedError(Exception):
    """The training was told to stop; the step that it reached is kept in a checkpoint."""


class DivergedError(Exception):
    """The loss is not a finite number."""
