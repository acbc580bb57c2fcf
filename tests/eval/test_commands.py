"""`datamix chat` and `datamix card`, on a model that was trained on the samples a moment before."""

from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from data_mix.errors import EvalError
from data_mix_eval.commands import card, chat
from training import Place, make_place, train_here

SAMPLES = str(files("data_mix_eval") / "samples")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A build of the samples with token shards, a base model, and below it a trained and scored one."""
    place = make_place(tmp_path_factory.mktemp("place"))
    train_here(*place.arguments(place.folder / "trained", max_steps=2, save_steps=2, eval_steps=2))
    place.shell().ok(
        "eval", place.folder / "trained", "--task", "mmlu", "--benchmark-path", SAMPLES, "--base-model", place.model
    )
    return place


@pytest.fixture
def trained(place: Place) -> Path:
    """The trained model."""
    return place.folder / "trained"


def test_a_card_says_what_the_reference_s_says(trained: Path) -> None:
    """Prompting, scores beside the base model's, the command, the mix with its licences and the settings stand in the card."""
    card([str(trained)])
    page = ModelCard.load(trained / "README.md", ignore_metadata_errors=False)
    for heading in ("Model Details", "Prompting", "Benchmark", "Dev Details"):
        assert f"## {heading}" in page.text
    assert "<|prompter|>What is a meme, and what's the history behind this word?<|endoftext|><|assistant|>" in page.text
    assert "| gsm8k | MIT |" in page.text
    assert "datamix train --configs" in page.text
    assert "base model, measured" in page.text
    assert "max_train_set: 20000" in page.text
    assert f"--task mmlu --benchmark-path {SAMPLES}" in page.text


def test_the_hub_reads_the_scores(place: Place, trained: Path, tmp_path: Path) -> None:
    """The front matter is what huggingface_hub reads: base model, languages, and each score with its protocol."""
    card([str(trained), "-o", str(tmp_path / "card.md"), "--licence", "Apache-2.0"])
    data = ModelCard.load(tmp_path / "card.md", ignore_metadata_errors=False).data
    assert data.license == "apache-2.0"
    assert data.base_model is None, "a folder of this machine is no model of the Hub"
    assert {"ja", "zh", "uk"} <= set(data.language)
    [score] = data.eval_results
    assert score.metric_type == "accuracy"
    assert "standard" in score.metric_name
    assert 0 <= score.metric_value <= 1


def test_a_model_of_others_gets_a_card_without_what_is_not_known(place: Place, tmp_path: Path) -> None:
    """A folder that the trainer has not written has a card that says so, and no settings."""
    card([str(place.model), "-o", str(tmp_path / "card.md")])
    text = (tmp_path / "card.md").read_text(encoding="utf8")
    assert "what it was trained on is not known here" in text
    assert "Not scored yet" in text
    assert "## Dev Details" not in text


def test_a_card_wants_a_model(tmp_path: Path) -> None:
    """A folder without a model is one clear line."""
    with pytest.raises(EvalError, match=r"config\.json"):
        card([str(tmp_path)])


def test_each_line_of_a_pipe_is_answered(place: Place, trained: Path) -> None:
    """Each message gets an answer, begun anew the same one again, and no control character reaches the terminal."""
    typed = "Hello\n\nAnd then?\n/reset\nHello\n/quit\nmore\n"
    said = place.shell().ok("chat", trained, "--max-tokens", "8", "--seed", "3", typed=typed)
    first, again = said[: len(said) // 2], said[: said.index("\n")]
    assert first.startswith(again)
    assert said.endswith(f"{again}\n")
    assert said.count("\n") >= 3
    assert "\x1b" not in said


def test_a_model_without_a_chat_template_is_not_talked_to(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base model has no chat template, which is one clear line."""
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n"))
    with pytest.raises(EvalError, match="chat template"):
        chat([str(place.model)])
