"""HDF5 files of localisations: the one door to h5py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.localisations import are_whole

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(file: Path) -> bool:
    """Whether a file begins as HDF5 does, or is named so."""
    with file.open("rb") as opened_file:
        return opened_file.read(len(_SIGNATURE)) == _SIGNATURE or file.suffix.lower() in {".hdf5", ".h5"}


@contextmanager
def opened(file: Path) -> Iterator[Mapping[str, Any]]:
    """An HDF5 file, by the names of what it holds.

    Raises:
        InputError: it is damaged, or something in it cannot be read.
    """
    import h5py

    try:
        with h5py.File(file, "r") as content:
            yield content
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(f"the table {file} is broken HDF5 ({error}); copy or export it again") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"the table {file} is HDF5 whose columns are not what its program writes ({error}); export it again"
        ) from error


def write(file: Path, name: str, rows: NDArray[Any]) -> None:
    """Write one table of named columns, and nothing else; the same rows give the same bytes."""
    import h5py

    with h5py.File(file, "w", track_order=False) as content:
        content.create_dataset(name, data=rows, track_times=False)


class Rows:
    """A table in an HDF5 file that grows; a context manager."""

    def __init__(self, file: Path, name: str, kind: np.dtype[Any], rows: int = 0) -> None:
        """Create the file, or where `rows` are to be kept, open it and cut the table back to these."""
        import h5py

        self._content = h5py.File(file, "r+" if rows else "w")
        if not rows:
            self._content.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(4096,), track_times=False)
        self._table = self._content[name]
        self._table.resize((rows,))

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end, on disk when this returns."""
        start = len(self._table)
        self._table.resize((start + len(rows),))
        self._table[start:] = rows
        self._content.flush()

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._content.close()


def column(file: Path, values: Any, rows: int | None = None) -> NDArray[np.float64]:
    """Finite numbers (N,) of a column.

    Raises:
        InputError: there are none, or not `rows`.
    """
    numbers = np.asarray(values, np.float64).ravel()
    if not numbers.size:
        raise InputError(f"the table {file} has no localisations; export it again")
    if rows is not None and len(numbers) != rows:
        raise InputError(f"the table {file} has columns of {rows} and {len(numbers)} rows; export it again")
    return numbers


def frames(file: Path, values: Any) -> NDArray[np.int64]:
    """Whole numbers from 0, (N,).

    Raises:
        InputError: there are none, or one is none of these.
    """
    numbers = column(file, values)
    if not (are_whole(numbers) & (numbers >= 0)).all():
        raise InputError(f"the table {file} has a frame that is not a whole number from 0; export it again")
    return numbers.astype(np.int64)
