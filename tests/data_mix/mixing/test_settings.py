"""What may be said under `mixing:`, and when a tokenizer must be named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_mix.errors import ConfigError
from data_mix.mixing import MixingSettings, needs_tokens
from data_mix.source import SourceOptions


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", 0),
        ("temperature", float("nan")),
        ("temperature", "hot"),
        ("unit", "bytes"),
        ("total", -1),
        ("max_epochs", 0.0),
        ("max_epochs", float("inf")),
        ("languages", {"japanese!": {}}),
        ("languages", {"ja": {"max_token": 3}}),
        ("temprature", 2.0),
    ],
)
def test_what_makes_no_sense_is_refused(key: str, value: Any) -> None:
    """Settings that no mix could follow are errors where they are read."""
    with pytest.raises(ValidationError):
        MixingSettings.model_validate({key: value})


@pytest.mark.parametrize("key", ["weight", "epochs", "max_epochs", "max_train_tokens"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_an_entry_s_own_are_checked_as_well(key: str, value: float) -> None:
    """Neither a negative nor an endless amount can be taken."""
    with pytest.raises(ValidationError):
        SourceOptions.model_validate({key: value})


def test_epochs_beside_a_share_are_refused() -> None:
    """So many epochs, or a share: one of the two."""
    with pytest.raises(ValidationError, match="found epochs beside weight or max_epochs"):
        SourceOptions.model_validate({"epochs": 2.0, "weight": 1.0})


def test_a_tag_is_known_in_any_spelling() -> None:
    """`zh_tw` is zh-TW."""
    assert list(MixingSettings.model_validate({"languages": {"zh_tw": {}}}).languages) == ["zh-TW"]


@pytest.mark.parametrize(
    ("mixing", "options", "named"),
    [
        ({}, {"max_train_tokens": 9}, "datasets.own.max_train_tokens"),
        ({"languages": {"ja": {"max_tokens": 9}}}, {}, "mixing.languages.ja.max_tokens"),
        ({"unit": "tokens", "temperature": 2.0}, {}, "mixing.unit tokens"),
    ],
)
def test_counting_tokens_without_a_tokenizer_is_an_error(mixing: Any, options: Any, named: str) -> None:
    """The error names what counts tokens, and the key that is missing; with a tokenizer they are counted."""
    own = {"own": SourceOptions.model_validate(options)}
    with pytest.raises(ConfigError, match=f"mixing.tokenizer: found none, wanted one because {named} counts tokens"):
        needs_tokens(MixingSettings.model_validate(mixing), own)
    assert needs_tokens(MixingSettings.model_validate(mixing | {"tokenizer": "t"}), own)


def test_rows_need_no_tokenizer() -> None:
    """Nothing is counted that nobody asked for, though a tokenizer is named."""
    assert not needs_tokens(
        MixingSettings(temperature=2.0, tokenizer="t"), {"own": SourceOptions.model_validate({"epochs": 2.0})}
    )


def test_a_manifest_names_no_path_of_a_tokenizer(tmp_path: Path) -> None:
    """One of one's own is named by its base name, one of the hub as it is, and infinity by its word."""
    (tmp_path / "tok").mkdir()
    names = [MixingSettings(tokenizer=name).model_dump(mode="json")["tokenizer"] for name in (str(tmp_path / "tok"), "a/b")]
    assert names == ["tok", "a/b"]
    assert MixingSettings(temperature=float("inf")).model_dump(mode="json")["temperature"] == "inf"
