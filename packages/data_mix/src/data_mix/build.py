"""Building a mix: plan → read → decide → write.

Every task of *read* and *write* is a pure function of files to files, so that a killed build goes on where it was, and the same
mix on the same raw files gives the same bytes on any number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl

from data_mix.cards import build_pages
from data_mix.engine import Task, run_behind
from data_mix.errors import OutputError
from data_mix.fetch import Fetcher
from data_mix.files import write_bytes
from data_mix.home import default_build
from data_mix.memory import system_memory
from data_mix.mix import Mix
from data_mix.schema import SPLITS
from data_mix.shards import DROPPED, MANIFEST, VERSION, Build, Part, open_build, parts_of, read_manifest, write_manifest
from data_mix.steps.asking import measures_of
from data_mix.steps.audit import audit_lists, remove_old_lists
from data_mix.steps.deciding import ReadEntry, decide_rows
from data_mix.steps.journal import Journal
from data_mix.steps.manifest import make_manifest
from data_mix.steps.measuring import MEASURED_FOLDER, Measurement, take_measurement
from data_mix.steps.output import (
    locked,
    open_for_writing,
    remove_dead_folders,
    remove_partials,
    remove_strangers,
    strangers,
    sync_names,
)
from data_mix.steps.plan import FetchedEntry, PlannedEntry, plan_mix
from data_mix.steps.rates import raw_bytes, remember
from data_mix.steps.staging import STAGED_FOLDER, Unit, remove_damaged, stage_unit, units_of
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
    with locked(out), system_memory():
        fetched = _fetch(mix, options, report)
        asked = measures_of(mix, _fetcher(options), options.home)
        stages = mix.settings.stage_options
        entries = [
            ReadEntry(fetched=each, units=units_of(each, stages, options.home), measures=asked.measures) for each in fetched
        ]
        template = chat_template(mix.settings.template.name, mix.settings.template.eos)
        journal, plan = Journal(options.home, out), _plan_key(mix, entries, options)
        if _is_whole(out, journal, plan):
            return open_build(out), True
        started = monotonic()
        cached = _stage([unit for entry in entries for unit in entry.units], options, report)
        read_seconds = monotonic() - started
        _measure(entries, cached, options, report)
        report("decide", 0, 1)
        decision = decide_rows(mix, entries, asked)
        report("decide", 1, 1)
        open_for_writing(out)
        units = [entry.units for entry in entries]
        tasks = _shard_tasks(decision.keys, units, out=out, template=template, keep_dropped=options.keep_dropped)
        missing = [task for task in tasks if journal.part(task.key, task.path) is None]
        _stage_damaged(cached, {piece.folder for task in missing for piece in task.pieces}, options, report)
        started = monotonic()
        parts = _write(tasks, journal, options, report)
        write_seconds = monotonic() - started
        manifest = make_manifest(mix, fetched, decision, asked=asked, parts=parts, template=template)
        journal.note_end(plan, _finish(out, manifest, parts, audit_lists(decision)))
        all_new = parts if len(missing) == len(tasks) else ()
        _remember(entries, cached, decision.keys, options, seconds=(read_seconds, write_seconds), parts=all_new)
    return open_build(out), False


def default_folder(mix: Mix, home: Path) -> Path:
    """Where a build stands when nobody says where: the mix's `data_path`, else below the cache by the mix's name."""
    return default_build(mix.name, mix.settings.data_path, home)


def plan_build(mix: Mix, options: BuildOptions) -> list[PlannedEntry]:
    """What a build would need; nothing of the data is fetched."""
    return plan_mix(mix, lambda samples: _fetcher(options, samples), samples=options.samples)


def _fetcher(options: BuildOptions, samples: Path | None = None) -> Fetcher:
    return Fetcher(home=options.home, samples=samples, rehash=options.rehash)


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


def _plan_key(mix: Mix, entries: Sequence[ReadEntry], options: BuildOptions) -> str:
    """A digest of everything that the build folder depends on, code included."""
    keys, files = [unit.key for entry in entries for unit in entry.units], [entry.fetched.records() for entry in entries]
    origins = [asdict(entry.fetched.planned.origin) for entry in entries]
    measures = [[measure.name, measure.facts()] for entry in entries for measure in entry.measures]
    facts = [VERSION, mix.name, mix.portable(), origins, files, keys, measures, options.keep_dropped, options.samples]
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
    remove_dead_folders(options.home / STAGED_FOLDER)
    is_staged = [unit.is_staged for unit in units]
    missing = {unit.key: unit for unit, is_there in zip(units, is_staged, strict=True) if not is_there}
    _fill("read", options.home / STAGED_FOLDER, stage_unit, [*missing.values()], options, report)
    return [unit for unit, is_there in zip(units, is_staged, strict=True) if is_there]


def _measure(entries: Sequence[ReadEntry], cached: Sequence[Unit], options: BuildOptions, report: Report) -> None:
    """The step *measure*: take what no earlier build has taken."""
    remove_dead_folders(options.home / MEASURED_FOLDER)
    tasks = [Measurement(unit, measure) for entry in entries for unit in entry.units for measure in entry.measures]
    missing = [task for task in tasks if not task.is_taken]
    _stage_damaged(cached, {task.unit.folder for task in missing}, options, report)
    _fill("measure", options.home / MEASURED_FOLDER, take_measurement, missing, options, report)


def _fill(
    step: str, cache: Path, begin: Callable[[Task], Future[None]], tasks: Sequence[Task], options: BuildOptions, report: Report
) -> None:
    """Do the tasks of a step that fills a folder of the cache; what ended workers left unfinished there is removed."""
    report(step, 0, len(tasks))
    try:
        with closing(run_behind(begin, tasks, options.workers)) as results:
            for done, _ in enumerate(results, start=1):
                report(step, done, len(tasks))
    finally:
        remove_dead_folders(cache)


def _stage_damaged(units: Sequence[Unit], needed: Collection[Path], options: BuildOptions, report: Report) -> None:
    """Stage again what is needed of the cache and is damaged there: it comes out the same, so what is decided stands."""
    for unit in units:
        if unit.folder in needed:
            remove_damaged(unit)
    damaged = [unit for unit in units if not unit.is_staged]
    if damaged:
        _stage(damaged, options, report)


def _shard_tasks(
    keys: pl.DataFrame, units: Sequence[Units], *, out: Path, template: ChatTemplate, keep_dropped: bool
) -> list[ShardTask]:
    """The step *write* as tasks: each entry's rows of a split, in order, in shards of bounded size."""
    tasks = []
    keys = keys.with_columns(split=pl.col("split").fill_null(DROPPED))
    for split in (*SPLITS, DROPPED) if keep_dropped else SPLITS:
        for rows in keys.filter(pl.col("split") == split).partition_by("entry", maintain_order=True):
            of_entry = units[rows["entry"][0]]
            written = _copies(rows).with_columns(shard=_bytes_before() // SHARD_BYTES)
            for number, shard in enumerate(written.partition_by("shard", maintain_order=True)):
                name = of_entry[0].entry.name
                path, pieces = f"{split}/{name}-{number:05d}.arrow", _pieces(shard, of_entry)
                tasks.append(ShardTask(out=out, path=path, split=split, source=name, template=template, pieces=pieces))
    return tasks


def _copies(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as they are written, `copy` by `copy`: all of them, then those that are written twice, and so on."""
    most = max(int(rows["copies"].max() or 1), 1)  # type: ignore[arg-type]
    again = [rows.filter(pl.col("copies") >= copy).with_columns(copy=pl.lit(copy)) for copy in range(2, most + 1)]
    return pl.concat([rows.with_columns(copy=pl.lit(1)), *again])


def _bytes_before() -> pl.Expr:
    sizes = pl.col("bytes").cast(pl.UInt64)
    return sizes.cum_sum() - sizes


def _pieces(shard: pl.DataFrame, units: Units) -> tuple[Piece, ...]:
    """The rows of a shard by staged part and copy."""
    return tuple(
        Piece(
            folder=units[rows["unit"][0]].folder,
            rows=rows["place"].to_numpy().astype("int64"),
            train=rows["train"] if rows["train"].null_count() < len(rows) else None,
            drop=rows["drop"] if rows["drop"].null_count() < len(rows) else None,
            copy=rows["copy"][0],
        )
        for rows in shard.partition_by("unit", "copy", maintain_order=True)
    )


def _write(tasks: Sequence[ShardTask], journal: Journal, options: BuildOptions, report: Report) -> list[Part]:
    """The step *write*: write every shard that does not stand already as the same task left it."""
    parts = [journal.part(task.key, task.path) for task in tasks]
    missing = [place for place, part in enumerate(parts) if part is None]
    report("write", 0, len(missing))
    try:
        with closing(run_behind(write_shard, [tasks[place] for place in missing], options.workers)) as results:
            for done, (place, part) in enumerate(results, start=1):
                task = tasks[missing[place]]
                journal.note_part(task.key, part)
                parts[missing[place]] = part
                report("write", done, len(missing))
    finally:
        for out in {task.out for task in tasks}:
            remove_partials(out)
    return [part for part in parts if part is not None]


def _remember(
    entries: Sequence[ReadEntry],
    cached: Sequence[Unit],
    keys: pl.DataFrame,
    options: BuildOptions,
    *,
    seconds: tuple[float, float],
    parts: Sequence[Part],
) -> None:
    """Note for the next forecast what was read and written, and how fast; nothing of a build depends on it."""
    fresh = [entry for entry in entries if not any(unit in cached for unit in entry.units)]
    raw = sum(raw_bytes(entry.fetched.planned, file) for entry in fresh for file in entry.fetched.planned.files)
    read, written = (each * options.workers for each in seconds)
    work = {"read": (raw if len(fresh) == len(entries) else 0, read), "write": (sum(part.bytes for part in parts), written)}
    with suppress(OutputError):
        remember(options.home, [entry.fetched.planned for entry in entries], keys, work)


def _finish(out: Path, manifest: dict[str, Any], parts: Sequence[Part], lists: Mapping[str, bytes]) -> list[str]:
    """Write the cards and the audit lists, take away what is left of an earlier build, and declare the folder whole.

    Returns the names of the files beside the parts and the manifest.
    """
    remove_strangers(out, {part.path for part in parts})
    remove_old_lists(out, lists)
    contents = {**build_pages(out, manifest), **lists}
    for name, content in contents.items():
        write_bytes(out / name, content, named=False)
    sync_names(out, [*contents, *(part.path for part in parts)])
    write_manifest(out, manifest | {"files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}})
    return list(contents)
