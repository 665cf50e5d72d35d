"""What the science raises when what it was given cannot be used.

The message is a sentence that a person at a microscope understands: what was found, what was expected, what to do.
"""

from __future__ import annotations


class InputError(ValueError):
    """A movie, a table or a simulation that cannot be trained on; trying again without a change is pointless."""
