"""From a search space to its runs: every cell with every seed, named by its content, in the order of the queue.

`plan` is the whole way from a text: it reads and checks the search space and its input files and makes the runs. A
`run_id` depends on what is trained and on nothing else, so submitting a file again, from anywhere, finds its runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import rfc8785

from model.config import PARENT_PATH, TrainConfig, flatten, identity_fields
from model.footprint import footprint_mib, gpu_footprint_mib, memory_signature, work_gflop
from orchestrator.errors import InputError
from orchestrator.search_space import data_folder, inputs, parents
from orchestrator.search_space.grid import FILES, Accounting, Cell, account, config_of, dimensions, expand
from orchestrator.search_space.inputs import InputFiles
from orchestrator.search_space.loading import SearchSpace, load
from orchestrator.search_space.slugs import slug
from orchestrator.search_space.text_source import Source
from worker.spec import Metric, RunSpec

IDENTITY_SCHEMA = 1
"""Raised, with a migration, when a changed default or meaning must give other run ids."""


class Plan(NamedTuple):
    """A search space with all that it would queue."""

    space: SearchSpace
    accounting: Accounting
    runs: tuple[RunSpec, ...]


def plan(source: Source, check: inputs.Check = inputs.check) -> Plan:
    """Read a search space, check its cells and its input files, and make its runs.

    Raises:
        SearchSpaceError: the search space has mistakes; all are told.
        InputError: experimental data is missing, out of bounds, unreadable or does not fit together.
    """
    space = load(source)
    configs = [config_of(space, cell) for cell in expand(space)]
    if source.confined:
        data_folder.confine(configs, space.folder)
    digests = inputs.digests(configs, check)
    found = tuple(runs(space, digests))
    _check_distinct(found)
    return Plan(space, account(space), found)


def runs(space: SearchSpace, digests: Mapping[InputFiles, str]) -> Iterator[RunSpec]:
    """The runs of `space` in the order of the queue.

    `digests` tells the content of every pair of input files; a sweep on simulated data alone needs none.

    Raises:
        InputError: a parent network is missing or no network.
    """
    cells = tuple(expand(space))
    if space.policy.order == "seeds_last":
        pairs: Iterable[tuple[Cell, int]] = ((cell, seed) for seed, cell in product(space.seeds, cells))
    else:
        pairs = product(cells, space.seeds)
    constant = frozenset(path for axis in dimensions(space) if len(axis.rows) == 1 for path in axis.paths)
    sizes = {cell.number: _size(space, cell) for cell in cells}
    sources = {config_of(space, cell).training.init_from for cell in cells}
    identities = {source: parents.identity_of(source) for source in sources if source}
    maker = _Maker(space, digests, identities, sizes, constant)
    specs = (maker.spec(cell, seed) for cell, seed in pairs)
    return _ranked(space, sorted(specs, key=_shuffled) if space.policy.order == "shuffled" else specs)


def run_id(sweep: str, config: TrainConfig, digest: str | None = None, parent: str | None = None) -> str:
    """The name of a run by its content: 16 hex digits of SHA-256 over canonical JSON (RFC 8785).

    The files of experimental data count by the `digest` of their content, a parent network by its identity, never by
    their paths.
    """
    paths = {*FILES, PARENT_PATH}
    fields = {path: value for path, value in identity_fields(config).items() if path not in paths}
    content: dict[str, Any] = {"schema": IDENTITY_SCHEMA, "sweep": sweep, "fields": fields, "data": digest}
    if parent:
        content["parent"] = parent
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()[:16]


@dataclass(frozen=True)
class _Maker:
    """Makes the runs of one sweep."""

    space: SearchSpace
    digests: Mapping[InputFiles, str]
    parents: Mapping[str, str]
    """Identities of parent networks, by where they are."""
    sizes: Mapping[int, Mapping[str, Any]]
    """Memory and arithmetic of a run, by number of the cell."""
    constant: frozenset[str]
    """Axes of one value, which a slug leaves out."""

    def spec(self, cell: Cell, seed: int) -> RunSpec:
        space, config = self.space, config_of(self.space, cell, seed)
        files = inputs.files_of(config)
        parent = self.parents.get(config.training.init_from or "")
        name = run_id(space.name, config, self.digests[files] if files else None, parent)
        fields = flatten(config)
        axes = {path: fields[path] for path in cell.values}
        return RunSpec(
            run_id=name,
            sweep=space.name,
            slug=slug({path: axes[path] for path in axes if path not in self.constant}, seed, name),
            cell=cell.number,
            seed=seed,
            axes=axes,
            config=config,
            metric=Metric(name=space.metric.name, goal=space.metric.direction),
            timeout_s=space.policy.timeout_s,
            **self.sizes[cell.number],
        )


def _size(space: SearchSpace, cell: Cell) -> dict[str, Any]:
    config, fixed_mib = config_of(space, cell), space.resources.gpu_memory_mib
    return {
        "footprint_mib": fixed_mib or footprint_mib(config),
        "gpu_footprint_mib": fixed_mib or gpu_footprint_mib(config),
        "memory_is_fixed": bool(fixed_mib),
        "signature": memory_signature(config),
        "work_gflop": work_gflop(config),
    }


def _ranked(space: SearchSpace, specs: Iterable[RunSpec]) -> Iterator[RunSpec]:
    """With seeds last, the runs of one seed have one rank; else every run has its own."""
    seeds = {seed: rank for rank, seed in enumerate(space.seeds)}
    for place, spec in enumerate(specs):
        rank = seeds[spec.seed] if space.policy.order == "seeds_last" else place
        yield spec.model_copy(update={"rank": rank})


def _shuffled(spec: RunSpec) -> str:
    """A place in the queue that looks random, is the same everywhere, and stays when the sweep grows."""
    return hashlib.sha256(f"{spec.sweep}/{spec.run_id}".encode()).hexdigest()


def _check_distinct(found: Iterable[RunSpec]) -> None:
    first: dict[str, RunSpec] = {}
    for spec in found:
        if (twin := first.setdefault(spec.run_id, spec)) is not spec:
            here, there = (inputs.files_of(each) or each.training.init_from for each in (spec.config, twin.config))
            raise InputError(f"{here} and {there} have the same contents, so their runs would be the same; keep one")
