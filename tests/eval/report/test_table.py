"""The table of scores: rows of models, columns of benchmarks, one protocol, and what a reader must know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_mix.errors import ConfigError
from data_mix_eval.question import PROTOCOLS
from data_mix_eval.report.published import PUBLISHED
from data_mix_eval.report.table import notes, percent, score_table, shown_metrics
from data_mix_eval.results import Figure, Results, TaskResult
from scored import ComputedModel, asked, scored


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Those of a run under the protocol of the reference card."""
    found = scored(ComputedModel(), [asked(name="mmlu")], tmp_path)[0]
    return replace(found, protocol="card")


def figures(*names: str) -> dict[str, Figure]:
    """Scores by metric."""
    return {name: Figure(score=0.0476, standard_error=0.0166, n=164) for name in names}


def changed(results: Results, **changes: object) -> Results:
    """The results with a task that is otherwise."""
    return replace(results, tasks={"mmlu": replace(results.tasks["mmlu"], **changes)})  # type: ignore[arg-type]


def task(results: Results, **changes: object) -> TaskResult:
    """The one task, otherwise."""
    return changed(results, **changes).tasks["mmlu"]


def test_a_row_per_model_and_a_column_per_benchmark(results: Results) -> None:
    """The checkpoint first, its base model next, then what others have published, each with its source."""
    base = replace(results, model=results.model | {"name": "base"})
    table = score_table(results, base)
    assert table.columns == ("model", "Sums", "source")
    score = results.tasks["mmlu"].scores["acc"]
    assert table.rows[:2] == (("computed", percent(score), "measured"), ("base", percent(score), "base model, measured"))
    assert table.rows[2] == ("ikala/redpajama-3b-chat", "24.6", "its model card")


def test_published_rows_stand_beside_their_own_protocol_alone(results: Results) -> None:
    """Figures of one protocol never stand in the table of another, nor beside scores on samples."""
    for protocol in PROTOCOLS:
        rows = score_table(replace(results, protocol=protocol)).rows[1:]
        assert len(rows) == sum(row.protocol == protocol for row in PUBLISHED)
    assert len(score_table(changed(results, files="samples")).rows) == 1


def test_the_row_that_the_card_has_wrong_is_right_here() -> None:
    """Llama's figures are those of their source, from which the card took them one column off."""
    (llama,) = [row for row in PUBLISHED if row.model.startswith("llama-7b")]
    assert llama.percents == {"mmlu": 35.2, "bbh": 30.9, "humaneval": 10.3}
    assert "one column off" in llama.source


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (Figure(score=0.246, standard_error=0.0036, n=14042), "24.6 ± 0.4"),
        (Figure(score=1.0, standard_error=None, n=1), "100.0"),
        (None, "–"),
    ],
)
def test_a_score_is_said_in_percent(figure: Figure | None, said: str) -> None:
    """With its standard error where there is one."""
    assert percent(figure) == said


def test_of_pass_at_k_the_first_and_the_last_are_shown(results: Results) -> None:
    """Ten estimates are two columns: the recipe's own, and the one of all samples."""
    metrics = figures("pass@1", "pass@2", "pass@10", "compat pass@1")
    assert shown_metrics(task(results, metric="pass@1", scores=metrics)) == ["pass@1", "pass@10"]
    assert shown_metrics(task(results, metric="pass@1", scores=figures("pass@1"))) == ["pass@1"]
    table = score_table(changed(results, metric="pass@1", scores=metrics))
    assert table.columns == ("model", "Sums pass@1", "Sums pass@10", "source")
    assert table.rows[1][1:3] == ("24.6", "–")


def test_notes_say_what_was_odd(results: Results) -> None:
    """A part is called a subset with its number; cut prompts, suspicious code and the card's `@10` are told."""
    said = "\n".join(
        notes(
            task(
                results,
                of=100,
                subset="at most 5 of each subject by hash of the id",
                left_out_items=3,
                left_out_tokens=1200,
                suspicious=2,
                recipe="humaneval/instruct-eval-49bbd2ce",
            )
        )
    )
    assert "a subset (at most 5 of each subject by hash of the id), 10 of 100 questions" in said
    assert "3 prompts did not fit the context, 1,200 tokens left out" in said
    assert "2 suspicious questions" in said
    assert "pass@1, estimated from 10 samples" in said


@pytest.mark.parametrize("change", [{"recipe": "sums/2"}, {"subset": "at most 1"}, {"files_sha256": "1" * 64}])
def test_a_base_model_must_have_been_asked_alike(results: Results, change: dict[str, str]) -> None:
    """Another recipe, another part or other files make no row."""
    (what,) = change
    with pytest.raises(ConfigError, match=f"base model computed: mmlu has {what}"):
        score_table(results, changed(results, **change))
    with pytest.raises(ConfigError, match="was scored by protocol chat, wanted card"):
        score_table(results, replace(results, protocol="chat"))
