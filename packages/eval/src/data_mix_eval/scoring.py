"""A checkpoint → a folder of results: what `datamix eval` does once it knows what is wanted."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from data_mix.errors import ConfigError, DataMixError, OutputError
from data_mix.files import hold, make_folder, output_errors, write_bytes
from data_mix.terminal import progress
from data_mix_eval.config import DEFAULT_TASKS, EvalSettings
from data_mix_eval.drawing import Drawing
from data_mix_eval.lm_eval_export import export
from data_mix_eval.ranks import Ranks, these_ranks
from data_mix_eval.report.html import html_report
from data_mix_eval.report.table import check_alike
from data_mix_eval.results import BASE, REPORT, RESULTS, Results, check_folder, read_results, write_results
from data_mix_eval.run import Asked, Marked, Setup, ask, describe, evaluate
from data_mix_eval.subset import Subset

if TYPE_CHECKING:
    from data_mix_eval.model import Model
    from data_mix_eval.models.opening import Engine, Options

_log = logging.getLogger(__name__)
_DTYPES: Final = {"auto": None, "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be scored, how, and where the results go."""

    checkpoint: str
    settings: EvalSettings
    out: Path | None = None
    base_model: str | None = None
    """A folder of results, or a model that is scored alike."""
    samples: bool = False
    """Whether our own small benchmark files are asked."""
    lm_eval_files: bool = False
    """Whether lm-eval's files are written beside ours."""
    ranks: Ranks = field(default_factory=these_ranks)

    @property
    def subset(self) -> Subset:
        """How much of each benchmark is asked."""
        return Subset(limit=self.settings.eval_limit, fraction=self.settings.eval_subset)

    @property
    def folder(self) -> Path:
        """Where the results go: below the checkpoint, by protocol and subset, where nothing else is said."""
        if self.out is not None:
            return self.out.expanduser()
        name = f"{self._protocol}{'-samples' if self.samples else ''}{self.subset.name}"
        place = Path(self.checkpoint).expanduser()
        return place / "eval" / name if place.is_dir() else Path("eval", _plain(self.checkpoint), name)

    @property
    def _protocol(self) -> str:
        """The protocol in a folder's name: those of lm-eval are as many as its tasks."""
        settings = self.settings
        is_own = settings.eval_engine != "lm-eval"
        return settings.eval_protocol if is_own else _plain("-".join(("lm-eval", *settings.eval_tasks)))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a run has found."""

    folder: Path
    results: Results
    base: Results | None


def asked_by(settings: EvalSettings, subset: Subset, *, samples: bool) -> list[Asked]:
    """The questions that the settings ask, their files read."""
    path = None if settings.eval_benchmark_path is None else Path(settings.eval_benchmark_path)
    names = settings.eval_tasks or DEFAULT_TASKS
    drawing = Drawing(completions=settings.eval_completions, temperature=settings.eval_temperature, top_p=settings.eval_top_p)
    return ask(names, settings.eval_protocol, subset, folder=path, samples=samples, drawing=drawing)


def score(order: Order) -> Scored | None:
    """Score a checkpoint and write its results; None on other ranks than the first. Raises DataMixError."""
    settings = order.settings
    if settings.eval_engine == "lm-eval":
        return _by_lm_eval(order)
    asked = asked_by(settings, order.subset, samples=order.samples)
    setup = Setup(protocol=settings.eval_protocol, seed=settings.eval_seed, ranks=order.ranks)
    base = _known_base(order)
    done = _score_model(order, order.checkpoint, order.folder, asked, setup, base)
    if base is None and order.base_model is not None:
        of_base = _score_model(order, order.base_model, order.folder / BASE, asked, setup, None)
        base = of_base and of_base[0]
    if done is None:
        return None
    if base is not None:
        write_bytes(order.folder / REPORT, html_report(*done, base))
    return Scored(folder=order.folder, results=done[0], base=base)


def _by_lm_eval(order: Order) -> Scored | None:
    """As `score`, by lm-eval with its own tasks."""
    if order.ranks.world > 1:
        raise ConfigError(f"engine lm-eval: found {order.ranks.world} processes, wanted one; run it without a launcher")
    if order.samples or order.base_model is not None or order.lm_eval_files:
        raise ConfigError("engine lm-eval: it takes no --samples, --base-model and --lm-eval-files; leave them out")
    from data_mix_eval.lm_eval_engine import check_settings, score_by_lm_eval  # noqa: PLC0415  heavy

    check_settings(order.settings)
    digest = _open(order.checkpoint, order).digest
    with _held(order.folder):
        results, items = score_by_lm_eval(order.checkpoint, order.settings, _options(order), digest)
        results = replace(results, settings=_set_keys(order.settings))
        check_folder(order.folder, results)
        write_results(order.folder, results, items, html_report(results, []))
    return Scored(folder=order.folder, results=results, base=None)


def _known_base(order: Order) -> Results | None:
    """The base model's results, where they are named; None where a model is, or nothing."""
    if order.base_model is None or not (Path(order.base_model).expanduser() / RESULTS).is_file():
        return None
    return read_results(Path(order.base_model).expanduser())


def _score_model(
    order: Order, name: str, folder: Path, asked: list[Asked], setup: Setup, base: Results | None
) -> tuple[Results, list[Marked]] | None:
    model = _open(name, order)
    beforehand = describe(model, asked, setup)
    if base is not None:
        check_alike(beforehand, base)
    if not setup.ranks.is_first:
        with progress(quiet=True) as steps, _own_errors_said(setup.ranks):
            return evaluate(model, asked, setup, steps)
    with _held(folder), progress(quiet=False) as steps:
        check_folder(folder, beforehand)
        found = evaluate(model, asked, setup, steps)
        done = found and (replace(found[0], settings=_set_keys(order.settings)), found[1])
        if done is not None:
            _write(order, folder, *done)
    return done


def _set_keys(settings: EvalSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_defaults=True)


@contextmanager
def _own_errors_said(ranks: Ranks) -> Iterator[None]:
    """Say what goes wrong in this rank's share of the answers: nobody else meets it."""
    try:
        yield
    except DataMixError as error:
        _log.error("rank %d: %s", ranks.rank, error)
        raise


def _write(order: Order, folder: Path, results: Results, marked: list[Marked]) -> None:
    if order.lm_eval_files:
        export(folder / "lm-eval", results, marked)
    items = [item for each in marked for item in each.items()]
    write_results(folder, results, items, html_report(results, marked))


def _plain(name: str) -> str:
    """A name as one part of a path."""
    return re.sub(r"[^\w.-]+", "__", name)


def _open(name: str, order: Order) -> Model:
    _quiet()
    from data_mix_eval.models.opening import open_model  # noqa: PLC0415  heavy

    engine: Engine = "vllm" if order.settings.eval_engine == "vllm" else "hf"
    return open_model(name, engine, **_options(order) | {"seed": order.settings.eval_seed})


def _options(order: Order) -> Options:
    """What the settings say of how a model is opened, on this rank's own GPU where there is one."""
    settings = order.settings
    given = {
        "dtype": _DTYPES.get(settings.eval_dtype, settings.eval_dtype),
        "device": _device(order.ranks),
        "batch_size": settings.eval_batch_size,
        "max_length": settings.eval_max_length,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return cast("Options", known)


def _device(ranks: Ranks) -> str | None:
    import torch  # noqa: PLC0415  heavy

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if ranks.world > 1 and torch.cuda.is_available() else None


def _quiet() -> None:
    """Leave out the bars of a library, which would run into ours."""
    from transformers.utils import logging  # noqa: PLC0415  heavy

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder for this run alone. OutputError where it cannot be written, or another run is at it."""
    with output_errors(folder):
        make_folder(folder)
        held = hold(folder)
    if held is None:
        raise OutputError(f"{folder}: another run is writing there; wait for it, or name another folder with -o")
    try:
        yield
    finally:
        os.close(held)
