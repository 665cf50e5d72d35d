"""`model train`: one training outside any sweep, which goes on where it was interrupted.

OUT/config.json               what is trained
OUT/checkpoints/              of the last epoch, or of the step at which it was interrupted
OUT/epochs.csv                a line for each epoch
OUT/model.keras …             what a finished run of a sweep leaves too, and scores.json
"""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from model.commands.hyperparameters import config_file, config_of, settings
from model.commands.messages import quiet_start, refusals

if TYPE_CHECKING:
    from model.checkpoint import EpochRecord, Progress
    from model.config import TrainConfig
    from model.training import Trained

INTERRUPTED = 130
"""Exit code after Ctrl-C; the same command goes on with the training."""


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the training.")
@config_file
@settings
def train(out: Path, file: Path | None, given: tuple[str, ...]) -> None:
    """Train one network outside any sweep into the folder OUT.

    Hyperparameters are the dotted paths of search spaces. Ctrl-C keeps the step that was reached; the same command
    goes on from there.

    \b
    Examples:
      model train --out wide --set model.base_filters=32 --set training.epochs=20
      model train --out mine --config mine.json --set training.init_from=parent.keras
    """
    from model.errors import DivergedError, StoppedError

    try:
        with refusals():
            config = config_of(file, given)
            _claim(out, config)
            _write(out, config, _train(out, config))
    except DivergedError as error:
        raise click.ClickException(str(error)) from error
    except StoppedError:
        click.echo("stopped; the same command goes on from here", err=True)
        raise SystemExit(INTERRUPTED) from None


def _train(out: Path, config: TrainConfig) -> Trained:
    with quiet_start():
        from model.checkpoint import Checkpoints
        from model.registry import find_network
        from model.training import Listener, train

    history = _History(out / "epochs.csv", config.training.epochs)
    listener = Listener(history.began, lambda _epoch, _pace: None, history.epoch_ended)
    checkpoints = Checkpoints(out / "checkpoints", "run", "model-train")
    return train(config, checkpoints, _until_interrupted(), listener, find_network)


def _write(out: Path, config: TrainConfig, trained: Trained) -> None:
    from model.results import write_results

    for path, _ in write_results(trained, config, out):
        click.echo(str(path))
    summary = trained.evaluation.summary(config)
    (out / "scores.json").write_text(json.dumps(summary, indent=2))
    click.echo(json.dumps(summary["scores"], indent=2))


def _claim(out: Path, config: TrainConfig) -> None:
    """Note in the folder what it trains; refuse one that trains something else."""
    from model.config import flatten, resolve
    from model.errors import InputError
    from model.files import make_folder

    note, values = out / "config.json", flatten(config)
    if note.exists():
        found = flatten(resolve(json.loads(note.read_text())))
        if differing := ", ".join(path for path in values if found[path] != values[path]):
            raise InputError(f"{out} holds a training with another {differing}; choose another folder, or remove it")
    make_folder(out)
    note.write_text(json.dumps(values, indent=2))


def _until_interrupted() -> Callable[[], None]:
    """A check that stops the training after Ctrl-C or a request to end; a second one ends it at once."""
    from model.errors import StoppedError

    asked: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    def check() -> None:
        if asked:
            raise StoppedError

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return check


class _History:
    """Tells of each epoch, on the terminal and in a table."""

    def __init__(self, table: Path, epochs: int) -> None:
        self._table, self._epochs = table, epochs

    def began(self, progress: Progress) -> None:
        """Write the table anew, as far as a checkpoint carried it."""
        self._table.unlink(missing_ok=True)
        self._write(progress.history)
        if progress.step:
            click.echo(f"goes on at step {progress.step}, after epoch {len(progress.history)}")

    def epoch_ended(self, record: EpochRecord) -> None:
        """Add a line."""
        self._write([record])
        shown = "  ".join(f"{name} {value:.4g}" for name, value in record.metrics.items())
        click.echo(f"epoch {record.epoch}/{self._epochs}  {shown}")

    def _write(self, records: Iterable[EpochRecord]) -> None:
        rows: list[dict[str, Any]] = [
            {"epoch": record.epoch, "at_ms": record.at_ms, **dict(sorted(record.metrics.items()))} for record in records
        ]
        if not rows:
            return
        is_new = not self._table.exists()
        with self._table.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
