"""A build → its token shards, one task per part of the build.

Each part is encoded into a staged file below OUT/tokens/KEY.parts, believed while its checksum is right, so that a run that
was killed goes on where it was; then the staged files are joined in the order of the build. What comes out depends on build
and tokenizer alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from data_mix.engine import run_behind
from data_mix.errors import FormatError, OutputError
from data_mix.files import hold, output_errors
from data_mix.memory import system_memory
from data_mix.schema import SPLITS
from data_mix.shards import Build, open_build
from data_mix.template import chat_template
from data_mix.tokens.encode import PlainText, plain_text
from data_mix.tokens.layout import Layout, make_layout
from data_mix.tokens.leftovers import PARTS, remove_superseded, remove_unfinished
from data_mix.tokens.parts import Counts, Joint, Task, join, read_staged, stage_part
from data_mix.tokens.proof import Reference, proven, sample_texts
from data_mix.tokens.token_shards import Tokens, open_tokens, template_of, token_schema, tokens_path, write_tokens_manifest
from data_mix.tokens.tokenizer import ControlTokens, Tokenizer, control_tokens

Report = Callable[[str, int, int], None]
"""Told (step, tasks done, tasks in all)."""


def tokenize_build(
    out: Path, tokenizer: Tokenizer, *, workers: int = 1, report: Report = lambda *_: None
) -> tuple[Tokens, bool]:
    """Write the token shards of a build; return them, and whether they stood there already.

    Once they stand, those of builds that stood in the folder before are removed, with their packs.

    Raises ConfigError where the tokenizer does not fit the build's template, FormatError where the build is not whole, and
    OutputError where the shards cannot be written or another command is at the folder.
    """
    build = open_build(out)
    template = template_of(build)
    control_tokens(tokenizer, template)  # refuses a tokenizer with another eos before anything is touched
    with _held(out), system_memory():
        path = tokens_path(build, tokenizer)
        if (standing := _standing(path)) is not None:
            remove_superseded(build)
            return standing, True
        folder = path.with_suffix(PARTS)
        remove_unfinished(path.parent, folder)
        prepared = prepare(tokenizer, template.name, template.eos)
        tasks = _tasks(build, tokenizer, prepared, folder)
        with closing(_staged(tasks, workers, report)) as staged:
            files = _write_shards(build, path, prepared.control.vocabulary, tasks, staged)
        tokens = write_tokens_manifest(path, _facts(build, tokenizer, prepared.control) | {"files": files})
        shutil.rmtree(folder, ignore_errors=True)
        remove_superseded(build)
    return tokens, False


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the build folder: neither a build nor another tokenize may write into it meanwhile."""
    with output_errors(out):
        held = hold(out)
    if held is None:
        raise OutputError(f"{out}: another datamix is writing it; wait until it ends")
    try:
        yield
    finally:
        os.close(held)


def _standing(path: Path) -> Tokens | None:
    """The shards where they stand whole; where something of them is damaged, their manifest goes first."""
    try:
        return open_tokens(path)
    except FormatError:
        with output_errors(path):
            path.unlink(missing_ok=True)
        return None


class Prepared(NamedTuple):
    """A tokenizer and a template, loaded and put together."""

    control: ControlTokens
    reference: Reference
    layout: Layout
    plain: PlainText


@cache
def prepare(tokenizer: Tokenizer, template: str, eos: str) -> Prepared:
    """Load a tokenizer for a template of this name and eos, once in each process; ConfigError where they do not fit."""
    chat = chat_template(template, eos)
    control = control_tokens(tokenizer, chat)
    reference = Reference(tokenizer, control, eos)
    return Prepared(control, reference, make_layout(chat, control.ids, reference.encode), plain_text(tokenizer, control))


def _tasks(build: Build, tokenizer: Tokenizer, prepared: Prepared, folder: Path) -> list[Task]:
    """A task per part of the build, all with the encoder that is proven on it."""
    sample = sample_texts(build, prepared.layout.literals)
    plain = proven(prepared.plain, prepared.reference, sample, tokenizer.where)
    parts = [part for part in build.parts if part.split in SPLITS]
    return [
        Task(
            build=build,
            part=part,
            staged=folder / f"{place:05d}.arrow",
            layout=prepared.layout,
            plain=plain,
            vocabulary=prepared.control.vocabulary,
        )
        for place, part in enumerate(parts)
    ]


def _staged(tasks: Sequence[Task], workers: int, report: Report) -> Generator[tuple[Task, Counts], None, None]:
    """Yield every part with its counts as soon as it is encoded: first those that an earlier run has encoded."""
    found = [(task, read_staged(task.staged)) for task in tasks]
    yield from ((task, counts) for task, counts in found if counts is not None)
    missing = [task for task, counts in found if counts is None]
    report("tokenize", 0, len(missing))
    with closing(run_behind(stage_part, missing, workers)) as results:
        for done, (place, counts) in enumerate(results, start=1):
            report("tokenize", done, len(missing))
            yield missing[place], counts


def _write_shards(
    build: Build, path: Path, vocabulary: int, tasks: Sequence[Task], staged: Iterable[tuple[Task, Counts]]
) -> dict[str, dict[str, Any]]:
    """Write the token shard of each split behind, once all its parts are staged; return what the manifest says of them."""
    schema, sources = token_schema(vocabulary), list(dict.fromkeys(part.source for part in build.parts))
    counts, shards = dict[Path, Counts](), dict[str, Future[dict[str, Any]]]()

    def begin_whole() -> None:
        for split in SPLITS:
            own = [task for task in tasks if task.part.split == split]
            if split not in shards and all(task.staged in counts for task in own):
                parts = [(task, counts[task.staged]) for task in own]
                joint = Joint(path=path.with_suffix(f".{split}.arrow"), schema=schema, sources=sources, staged=parts)
                shards[split] = join(joint)

    try:
        begin_whole()  # a split may have no part
        for task, of_task in staged:
            counts[task.staged] = of_task
            begin_whole()
        return {split: shards[split].result() for split in SPLITS}
    finally:
        wait(shards.values())


def _facts(build: Build, tokenizer: Tokenizer, control: ControlTokens) -> dict[str, Any]:
    """What the manifest says beside the files."""
    return {
        "build": build.manifest["fingerprint"],
        "template": build.manifest["template"],
        "tokenizer": {"sha256": tokenizer.sha256, "vocabulary": control.vocabulary},
        "control": dict(control.ids),
        "added": list(control.added),
    }
