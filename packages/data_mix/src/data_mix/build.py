"""Building a mix: plan → read → decide → write.

Every task of *read* and *write* is a pure function of files to files, so that a killed build goes on where it was, and the same
mix on the same raw files gives the same bytes on any number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from data_mix.engine import run
from data_mix.fetch import Fetcher
from data_mix.files import write_bytes
from data_mix.home import default_build
from data_mix.mix import Mix
from data_mix.schema import SPLITS
from data_mix.selection import KEYS, Selection, decide
from data_mix.shards import DROPPED, MANIFEST, VERSION, Build, Part, open_build, parts_of, read_manifest, write_manifest
from data_mix.steps.card import build_card
from data_mix.steps.journal import Journal
from data_mix.steps.manifest import make_manifest
from data_mix.steps.output import locked, open_for_writing, remove_dead_folders, remove_partials, remove_strangers, strangers
from data_mix.steps.plan import FetchedEntry, PlannedEntry, plan_mix
from data_mix.steps.staging import Unit, read_keys, remove_damaged, stage_unit
from data_mix.steps.writing import SHARD_BYTES, Piece, ShardTask, write_shard
from data_mix.template import ChatTemplate, chat_template

Units = tuple[Unit, ...]
"""The tasks of reading one entry."""

Report = Callable[[str, int, int], None]
"""Told (step, tasks done, tasks in all) as a build goes on."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a build is made; none of it changes a byte of the result but `samples` and `keep_dropped`."""

    home: Path
    """The cache: raw files, staged parts, journals."""
    workers: int = 1
    samples: bool = False
    """Read the shipped samples in place of the real sources."""
    keep_dropped: bool = False
    """Write the dropped rows with their reasons to `dropped/`."""
    rehash: bool = False
    """Take every raw file's digest anew, in place of what is remembered of it."""


def build(mix: Mix, out: Path, options: BuildOptions, report: Report = lambda *_: None) -> tuple[Build, bool]:
    """Build the mix into the folder `out`; return the build, and whether it stood there already.

    Raises a DataMixError with what to do next; whatever ends it, no manifest then stands in `out` but that of an earlier whole
    build that was not touched.
    """
    with locked(out):
        fetched = _fetch(mix, options, report)
        units = [_units(mix, entry, options) for entry in fetched]
        template = chat_template(mix.settings.template.name, mix.settings.template.eos)
        journal, plan = Journal(options.home, out), _plan_key(mix, fetched, units, options)
        if _is_whole(out, journal, plan):
            return open_build(out), True
        cached = _stage([unit for each in units for unit in each], options, report)
        keys = _decide(mix, fetched, units, report)
        open_for_writing(out)
        tasks = _shard_tasks(keys, units, out=out, template=template, keep_dropped=options.keep_dropped)
        _stage_damaged(cached, [task for task in tasks if journal.part(task.key, task.path) is None], options, report)
        parts = _write(tasks, journal, options, report)
        manifest = make_manifest(mix, fetched, keys, parts=parts, template=template)
        journal.note_end(plan, _finish(out, manifest, parts))
    return open_build(out), False


def default_folder(mix: Mix, home: Path) -> Path:
    """Where a build stands when nobody says where: the mix's `data_path`, else below the cache by the mix's name."""
    return default_build(mix.name, mix.settings.data_path, home)


def plan_build(mix: Mix, options: BuildOptions) -> list[PlannedEntry]:
    """What a build would need; nothing of the data is fetched."""

    def make_fetcher(samples: Path | None) -> Fetcher:
        return Fetcher(home=options.home, samples=samples, rehash=options.rehash)

    return plan_mix(mix, make_fetcher, samples=options.samples)


def _fetch(mix: Mix, options: BuildOptions, report: Report) -> list[FetchedEntry]:
    """Plan, and have every raw file at hand."""
    report("plan", 0, 1)
    planned = plan_build(mix, options)
    report("plan", 1, 1)
    fetched = []
    for place, entry in enumerate(planned):
        report("fetch", place, len(planned))
        fetched.append(entry.fetch())
    report("fetch", len(planned), len(planned))
    return fetched


def _units(mix: Mix, fetched: FetchedEntry, options: BuildOptions) -> Units:
    """The tasks of reading an entry."""
    entry, stages = fetched.planned.entry, mix.settings.stage_options
    return tuple(Unit(entry=entry, files=files, stages=stages, home=options.home) for files in fetched.tasks)


def _plan_key(mix: Mix, fetched: Sequence[FetchedEntry], units: Sequence[Units], options: BuildOptions) -> str:
    """A digest of everything that the build folder depends on, code included."""
    keys, files = [unit.key for each in units for unit in each], [entry.records() for entry in fetched]
    origins = [asdict(entry.planned.origin) for entry in fetched]
    facts = [VERSION, mix.name, mix.portable(), origins, files, keys, options.keep_dropped, options.samples]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _is_whole(out: Path, journal: Journal, plan: str) -> bool:
    """Whether the folder is what the plan would make of it, untouched, and nothing else lies among its parts."""
    if not (out / MANIFEST).is_file():
        return False
    manifest = read_manifest(out)
    parts = [part.path for part in parts_of(manifest)]
    return journal.is_whole(plan, parts, manifest["files"]) and not strangers(out, parts)


def _stage(units: Sequence[Unit], options: BuildOptions, report: Report) -> list[Unit]:
    """The step *read*: stage what no earlier build has staged; return the units that one has."""
    remove_dead_folders(options.home / "staged")
    is_staged = [unit.is_staged for unit in units]
    missing = [unit for unit, is_there in zip(units, is_staged, strict=True) if not is_there]
    report("read", 0, len(missing))
    try:
        for done, _ in enumerate(run(stage_unit, missing, options.workers), start=1):
            report("read", done, len(missing))
    finally:
        remove_dead_folders(options.home / "staged")
    return [unit for unit, is_there in zip(units, is_staged, strict=True) if is_there]


def _stage_damaged(units: Sequence[Unit], tasks: Sequence[ShardTask], options: BuildOptions, report: Report) -> None:
    """Stage again what the tasks need of the cache and is damaged there: it comes out the same, so what is decided stands."""
    needed = {piece.folder for task in tasks for piece in task.pieces}
    for unit in units:
        if unit.folder in needed:
            remove_damaged(unit)
    damaged = [unit for unit in units if not unit.is_staged]
    if damaged:
        _stage(damaged, options, report)


def _decide(mix: Mix, fetched: Sequence[FetchedEntry], units: Sequence[Units], report: Report) -> pl.DataFrame:
    """The step *decide*: the keys of all rows, with the split or the reason of each."""
    report("decide", 0, 1)
    frames, selections = [], []
    for place, entry in enumerate(fetched):
        planned = entry.planned
        upstream = planned.has_upstream_validation
        selections.append(Selection(name=planned.entry.name, options=planned.entry.options, has_upstream_validation=upstream))
        for number, unit in enumerate(units[place]):
            frame = read_keys(unit.folder).with_row_index("place")
            about = {"entry": place, "unit": number, "upstream_split": unit.files[0].split}
            frames.append(frame.with_columns(pl.lit(value, _KINDS[name]).alias(name) for name, value in about.items()))
    no_rows = pl.DataFrame(schema={"place": pl.UInt32(), **KEYS, **_KINDS})
    keys = decide(pl.concat(frames or [no_rows]), selections, seed=mix.settings.data_seed, deduplicate=mix.settings.deduplicate)
    report("decide", 1, 1)
    return keys


_KINDS: Final[dict[str, pl.DataType]] = {"entry": pl.Int32(), "unit": pl.Int32(), "upstream_split": pl.String()}


def _shard_tasks(
    keys: pl.DataFrame, units: Sequence[Units], *, out: Path, template: ChatTemplate, keep_dropped: bool
) -> list[ShardTask]:
    """The step *write* as tasks: each entry's rows of a split, in order, in shards of bounded size."""
    tasks = []
    keys = keys.with_columns(split=pl.col("split").fill_null(DROPPED))
    for split in (*SPLITS, DROPPED) if keep_dropped else SPLITS:
        for rows in keys.filter(pl.col("split") == split).partition_by("entry", maintain_order=True):
            of_entry = units[rows["entry"][0]]
            shards = rows.with_columns(shard=_bytes_before() // SHARD_BYTES).partition_by("shard", maintain_order=True)
            for number, shard in enumerate(shards):
                name = of_entry[0].entry.name
                path, pieces = f"{split}/{name}-{number:05d}.arrow", _pieces(shard, of_entry)
                tasks.append(ShardTask(out=out, path=path, split=split, source=name, template=template, pieces=pieces))
    return tasks


def _bytes_before() -> pl.Expr:
    sizes = pl.col("bytes").cast(pl.UInt64)
    return sizes.cum_sum() - sizes


def _pieces(shard: pl.DataFrame, units: Units) -> tuple[Piece, ...]:
    """The rows of a shard by staged part."""
    return tuple(
        Piece(
            folder=units[rows["unit"][0]].folder,
            rows=rows["place"].to_numpy().astype("int64"),
            train=rows["train"] if rows["train"].null_count() < len(rows) else None,
            drop=rows["drop"] if rows["drop"].null_count() < len(rows) else None,
        )
        for rows in shard.partition_by("unit", maintain_order=True)
    )


def _write(tasks: Sequence[ShardTask], journal: Journal, options: BuildOptions, report: Report) -> list[Part]:
    """The step *write*: write every shard that does not stand already as the same task left it."""
    parts = [journal.part(task.key, task.path) for task in tasks]
    missing = [place for place, part in enumerate(parts) if part is None]
    report("write", 0, len(missing))
    try:
        for done, (place, part) in enumerate(run(write_shard, [tasks[place] for place in missing], options.workers), start=1):
            task = tasks[missing[place]]
            journal.note_part(task.key, part)
            parts[missing[place]] = part
            report("write", done, len(missing))
    finally:
        for out in {task.out for task in tasks}:
            remove_partials(out)
    return [part for part in parts if part is not None]


def _finish(out: Path, manifest: dict[str, Any], parts: Sequence[Part]) -> list[str]:
    """Write the card, take away what is left of an earlier build, and declare the folder whole.

    Returns the names of the files beside the parts and the manifest.
    """
    remove_strangers(out, {part.path for part in parts})
    card = build_card(manifest).encode()
    write_bytes(out / "README.md", card)
    files = {"README.md": hashlib.sha256(card).hexdigest()}
    write_manifest(out, manifest | {"files": files})
    return list(files)
