"""`datamix card`: the model card of a checkpoint, in the shape of the reference's.

Everything in it is read from files: what the trainer wrote beside the model (`training.json`), the results of `datamix eval`
below it, and its tokenizer's chat template. Its front matter is as https://huggingface.co/docs/hub/model-cards says, the scores
in `model-index`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from data_mix.config import as_yaml
from data_mix.errors import EvalError
from data_mix_eval.card.checkpoint import Checkpoint
from data_mix_eval.card.commands import eval_command, training_command
from data_mix_eval.card.front_matter import front_matter
from data_mix_eval.card.markdown import code, fenced, link, plain, table
from data_mix_eval.report.table import ScoreTable, score_table

_TEMPLATE: Final = "chat_template.jinja"
_EXAMPLE: Final = "What is a meme, and what's the history behind this word?"
_MIX_KEYS: Final = ("datasets", "template")


def model_card(checkpoint: Checkpoint, *, licence: str | None = None, example: str = "") -> str:
    """The card as Markdown. `licence` is that of the model; `example` a prompt as its tokenizer renders it."""
    parts = [
        front_matter(checkpoint.name, checkpoint.base_model, checkpoint.training, checkpoint.results, licence),
        f"# {plain(checkpoint.name)}",
        *_model_details(checkpoint),
        *_prompting(checkpoint, example),
        *_benchmarks(checkpoint),
        *_development(checkpoint.training),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def example_prompt(folder: Path) -> str:
    """A question as the checkpoint's own chat template renders it; nothing where it has none. EvalError without a tokenizer."""
    from transformers import AutoTokenizer  # noqa: PLC0415  heavy, and for this alone

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise EvalError(f"{folder}: holds no tokenizer that can be read; copy the files of the base model's there") from error
    if not tokenizer.chat_template:
        return ""
    messages = [{"role": "user", "content": _EXAMPLE}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _model_details(checkpoint: Checkpoint) -> Iterator[str]:
    training = checkpoint.training
    yield "## Model Details"
    kind = plain(str(checkpoint.config.get("model_type", "language model")))
    if not training:
        yield f"A {kind}; what it was trained on is not known here."
        return
    settings, packing = training["settings"], training["packing"]
    yield (
        f"A {kind}, fine-tuned from {code(checkpoint.base_model)} on {packing['conversations']:,} conversations "
        f"({packing['trained_tokens']:,} tokens of answers in an epoch of {packing['tokens']:,}), "
        f"in rows of {settings['max_length']:,} tokens, {training['schedule']['steps']:,} steps of "
        f"{training['schedule']['global_batch']:,} rows."
    )
    yield _sources(training["sources"])
    if training["licence_warnings"]:
        yield "\n".join(f"- {plain(warning)}" for warning in training["licence_warnings"])


def _sources(sources: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [plain(name), plain(facts["licence"]), link(str(facts["homepage"])), f"{facts['rows'].get('train', 0):,}"]
        for name, facts in sources.items()
    ]
    return table(["source", "licence", "homepage", "conversations"], rows, numbers=1)


def _prompting(checkpoint: Checkpoint, example: str) -> Iterator[str]:
    yield "## Prompting"
    template = checkpoint.training.get("template")
    if template:
        before = {role: "".join(parts[: parts.index("{message}")]) for role, parts in template["roles"].items()}
        marks = " and ".join(code(before[role].strip()) for role in ("user", "assistant"))
        yield f"{marks} mark the beginning of user and assistant turns; a turn ends with {code(_end(template))}."
    if example:
        yield "Input prompt example:"
        yield fenced(example)
        yield "The input ends where the model is to answer; `tokenizer.apply_chat_template` writes it."
    elif not template:
        yield f"The model has no chat template ({code(_TEMPLATE)})."


def _end(template: Mapping[str, Any]) -> str:
    parts: list[str] = template["roles"]["assistant"]
    return "".join(parts[parts.index("{message}") + 1 :]).strip()


def _benchmarks(checkpoint: Checkpoint) -> Iterator[str]:
    yield "## Benchmark"
    if not checkpoint.results:
        yield "Not scored yet: `datamix eval` does."
    for results, base in zip(checkpoint.results, checkpoint.base_results, strict=True):
        named = replace(results, model={**results.model, "name": checkpoint.name})
        yield from _scores(score_table(named, base))
        yield fenced(eval_command(named), "sh")


def _scores(found: ScoreTable) -> Iterator[str]:
    yield f"### {found.title}"
    rows = [[plain(cell) for cell in row] for row in found.rows]
    yield table(list(map(plain, found.columns)), rows, numbers=len(found.columns) - 2, names=1)
    yield "\n".join(f"- {plain(note)}" for note in found.notes)


def _development(training: Mapping[str, Any]) -> Iterator[str]:
    if not training:
        return
    yield "## Dev Details"
    yield "command:"
    yield fenced(training_command(training), "sh")
    yield "data:"
    yield fenced(as_yaml(_set_keys({key: training["mix"][key] for key in _MIX_KEYS if key in training["mix"]})), "yaml")
    yield "settings:"
    yield fenced(as_yaml(_set_keys(training["settings"])), "yaml")
    if training["deepspeed"]:
        yield "zero config:"
        yield fenced(json.dumps(training["deepspeed"], indent=2), "json")
    yield "versions: " + ", ".join(f"{plain(name)} {plain(found)}" for name, found in training["versions"].items())


def _set_keys(value: Any) -> Any:
    """Plain data without the keys that nobody has set."""
    if isinstance(value, dict):
        return {key: _set_keys(each) for key, each in value.items() if each is not None}
    return [_set_keys(each) for each in value] if isinstance(value, list) else value
