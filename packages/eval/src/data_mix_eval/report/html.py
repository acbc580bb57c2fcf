"""Results as one page to look at: scores, and the wrong answers of each subject with all that was asked and said.

The page loads nothing from anywhere. It is dark or light as the reader's system is, and fits a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from data_mix_eval.question import Answer, ChatPrompt, Mark, Prompt, Question
from data_mix_eval.report.markup import Markup, element, joined
from data_mix_eval.report.table import ScoreTable, percent, score_table
from data_mix_eval.results import Results, TaskResult
from data_mix_eval.run import Marked

SHOWN: Final = 50
"""Wrong answers that are shown of each subject; items.jsonl has all."""
_COMPLETIONS: Final = 3
"""Completions that are shown of each answer."""

_STYLE: Final = Markup(
    ":root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 20%,transparent)}"
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto;margin:.5rem 0}"
    "th,td{border-bottom:1px solid var(--line);padding:.25rem .6rem;text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "pre{background:color-mix(in srgb,currentColor 7%,transparent);padding:.6rem;margin:.3rem 0;"
    "white-space:pre-wrap;overflow-wrap:anywhere}"
    "summary{cursor:pointer;padding:.2rem 0}details details{margin-left:1rem}"
    "article{border-left:3px solid var(--line);padding-left:.8rem;margin:1rem 0}"
    ".odd{color:light-dark(#a40000,#ff9c9c)}small,.dim{opacity:.75}h1,h2{line-height:1.2;overflow-wrap:anywhere}"
)

Triple = tuple[Question, Answer, Mark]


def html_report(results: Results, marked: Sequence[Marked], base: Results | None = None) -> bytes:
    """The page of a run."""
    name = results.model["name"]
    title = f"{name}, protocol {results.protocol}"
    head = element(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'),
        element("title", title),
        element("style", _STYLE),
    )
    body = element("body", element("h1", title), _scores(score_table(results, base)), *map(_task, marked_with(results, marked)))
    return f'<!doctype html>\n<html lang="en">{head}{joined(body, _facts(results))}</html>\n'.encode()


def marked_with(results: Results, marked: Sequence[Marked]) -> Iterator[tuple[TaskResult, Marked]]:
    """Each task's scores with what was asked and said."""
    yield from ((results.tasks[each.asked.task.name], each) for each in marked)


def _scores(table: ScoreTable) -> Markup:
    notes = element("ul", *(element("li", note) for note in table.notes), class_="dim")
    return joined(_table(table.columns, table.rows, numbers=range(1, len(table.columns) - 1)), notes)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int]) -> Markup:
    def cells(tag: str, row: Sequence[object]) -> Markup:
        return element("tr", *(element(tag, cell, class_="n" if place in numbers else "t") for place, cell in enumerate(row)))

    return element("table", cells("th", columns), *(cells("td", row) for row in rows))


def _task(pair: tuple[TaskResult, Marked]) -> Markup:
    result, marked = pair
    subjects: dict[str, list[Triple]] = {}
    for triple in zip(marked.asked.questions, marked.answers, marked.marks, strict=True):
        subjects.setdefault(triple[0].subject, []).append(triple)
    rows = [
        [subject, percent(figures.get(result.metric)), f"{figures[result.metric].n:,}"]
        for subject, figures in (*result.groups.items(), *result.subjects.items())
    ]
    return joined(
        element("h2", result.title),
        element("details", element("summary", "scores by subject"), _table(["", result.metric, "questions"], rows, [1, 2])),
        *(_subject(subject, triples, result.metric) for subject, triples in subjects.items()),
    )


def _subject(subject: str, triples: Sequence[Triple], metric: str) -> Markup:
    wrong = [triple for triple in triples if triple[2].metrics[metric] < 1]
    if not wrong:
        return element("p", f"{subject}: none of {len(triples):,} wrong", class_="dim")
    shown = wrong[:SHOWN]
    rest = f"; the first {SHOWN} are shown, items.jsonl has all" if len(wrong) > SHOWN else ""
    return element(
        "details",
        element("summary", f"{subject}: {len(wrong):,} of {len(triples):,} wrong{rest}"),
        _before(shown[0][0].prompt),
        *map(_wrong, shown),
    )


def _before(prompt: Prompt) -> Markup:
    """What stands before the questions of a subject."""
    text = _shots(prompt) if isinstance(prompt, ChatPrompt) else prompt.shared
    return (
        element("details", element("summary", "what stands before each question"), element("pre", text)) if text else joined()
    )


def _shots(prompt: ChatPrompt) -> str:
    system = [f"system: {prompt.system}"] if prompt.system else []
    return "\n\n".join([*system, *(f"user: {asked}\n\nassistant: {said}" for asked, said in prompt.shots)])


def _wrong(triple: Triple) -> Markup:
    question, answer, mark = triple
    said = [f"picked {mark.picked!r}" if question.choices else "", f"wanted {question.target!r}" if question.target else ""]
    margin = [] if mark.margin is None else [f"margin {mark.margin:.3f}"]
    cut = [f"{answer.left_out:,} tokens of the prompt left out"] if answer.left_out else []
    odd = element("p", "suspicious: passes only where it reaches its judge", class_="odd") if mark.is_suspicious else joined()
    return element(
        "article",
        element("small", ", ".join([question.id, *filter(None, said), *margin, *cut])),
        element("pre", question.prompt.question),
        _choices(question, answer),
        *_said(answer, mark),
        odd,
    )


def _choices(question: Question, answer: Answer) -> Markup:
    if not question.choices:
        return joined()
    rows = [[repr(choice), f"{logprob:.4f}"] for choice, logprob in zip(question.choices, answer.logprobs, strict=True)]
    return _table(["choice", "log-probability"], rows, [1])


def _said(answer: Answer, mark: Mark) -> Iterator[Markup]:
    """What was written, what was read out of it, and what became of it."""
    if not answer.completions:
        return
    yield element("small", "read as")
    yield element("pre", mark.picked)
    for place, completion in enumerate(answer.completions[:_COMPLETIONS]):
        verdict = f": {mark.verdicts[place]}" if mark.verdicts else ""
        yield element("small", f"written, {place + 1} of {len(answer.completions)}{verdict}")
        yield element("pre", completion)


def _facts(results: Results) -> Markup:
    facts: Mapping[str, Any] = results.model | {"seed": results.seed} | results.versions
    return element("details", element("summary", "model and versions"), _table(["", ""], list(facts.items()), []))
