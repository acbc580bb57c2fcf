"""`datamix eval`: scores a checkpoint on benchmarks, compares two runs, writes the benchmarks' prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer

from data_mix.config import as_yaml, describe_keys, load
from data_mix.errors import DataMixError, UsageError
from data_mix_eval.arguments import OPTIONS, EvalArguments, read_arguments
from data_mix_eval.config import EvalSettings
from data_mix_eval.ranks import these_ranks

_HELP: Final = """Usage: datamix eval CHECKPOINT [--task NAME…] [--protocol standard|card|chat] [-o OUT] [--KEY VALUE…]
       datamix eval --compare A B
       datamix eval --export-prompts FILE [--task NAME…]

Score a model: a folder as training writes it, or a name on the hub.

--task            The benchmarks, e.g. --task mmlu bbh humaneval, which are also those that are scored where none is named.
--protocol        How they are asked: as their references do, as the reference model card did, or by the chat template.
--engine          What computes: hf, vllm, or lm-eval with tasks of its own.
-o, --out         The folder of the results [CHECKPOINT/eval/PROTOCOL].
--base-model      A model that is scored alike, or a folder of its results; it stands beside this one in the table.
--completions     Completions of each problem of humaneval, for pass@1 to pass@N; with --temperature and --top-p.
--limit           Only so many questions of each subject, drawn by hash of the id.
--subset          Only this share of all questions, drawn by hash of the id.
--seed            The seed of answers that are drawn.
--dtype           The number format of weights.
--max-length      The tokens of the context.
--batch-size      Answers that are computed at once.
--benchmark-path  A folder with the benchmarks' files.
--samples         Ask the small benchmark files that are shipped, without network; scores on them mean nothing.
--lm-eval-files   Write the files that lm-eval writes, too, below OUT/lm-eval.
--compare         Compare two folders of results, by paired tests, and list the answers that changed.
--export-prompts  Write the benchmarks' prompts as JSON lines, to find them in training data.
--json            Print JSON in place of tables.
--show            Print the settings as YAML, and do nothing else.
--configs         Sections of the configuration: --configs SECTION…
--config-dir      Folder of YAML sections of your own [./configs].

Several processes: torchrun --nproc_per_node N -m data_mix eval … with the same arguments. A run that was interrupted goes on
where it was; what has been answered is never computed again.

Keys:
"""


def main(argv: Sequence[str]) -> int:
    """Score a checkpoint on benchmarks.

    Returns the exit code of `datamix eval`. Raises DataMixError.
    """
    ranks = these_ranks()
    if not ranks.is_first:
        logging.getLogger().setLevel(logging.ERROR)
    try:
        _run(argv)
    except DataMixError:
        if ranks.is_first:
            raise
        return 1  # the first process says the same, and of answers whoever computes them
    return 0


def _run(argv: Sequence[str]) -> None:
    arguments = read_arguments(argv)
    if "help" in arguments.common.flags:
        typer.echo(_HELP + describe_keys(EvalSettings))
        return
    common = arguments.common
    settings = load(common.sections, common.overrides, common.config_dir, options=OPTIONS).settings(EvalSettings)
    if "show" in common.flags:
        typer.echo(as_yaml(settings), nl=False)
    elif arguments.compare is not None:
        _compare(*arguments.compare, as_json="json" in common.flags)
    elif arguments.export_prompts is not None:
        _export_prompts(arguments.export_prompts, settings, samples="samples" in common.flags)
    elif arguments.checkpoint is None:
        raise UsageError(f"found no checkpoint, wanted the folder of a model, before --task: {_HELP.splitlines()[0]}")
    else:
        _score(arguments, arguments.checkpoint, settings)


def _compare(first: Path, second: Path, *, as_json: bool) -> None:
    from data_mix.terminal import print_json
    from data_mix_eval.report.comparison import compare_runs
    from data_mix_eval.report.terminal import print_comparison

    comparison = compare_runs(first, second)
    print_json(asdict(comparison)) if as_json else print_comparison(comparison)


def _export_prompts(file: Path, settings: EvalSettings, *, samples: bool) -> None:
    from data_mix_eval.prompts_export import export_prompts

    count = export_prompts(file, settings, samples=samples)
    typer.echo(f"{file}: {count:,} prompts")


def _score(arguments: EvalArguments, checkpoint: str, settings: EvalSettings) -> None:
    from data_mix.terminal import print_json
    from data_mix_eval.report.terminal import print_place, print_results
    from data_mix_eval.scoring import Order, score

    flags = arguments.common.flags
    order = Order(
        checkpoint=checkpoint,
        settings=settings,
        out=arguments.out,
        base_model=arguments.base_model,
        samples="samples" in flags,
        lm_eval_files="lm-eval-files" in flags,
    )
    scored = score(order)
    if scored is None:
        return
    if "json" in flags:
        print_json(asdict(scored.results))
        return
    print_results(scored.results, scored.base)
    print_place(scored.folder)
