"""Taking a command line apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.config.arguments import Arguments, parse_arguments
from data_mix.errors import UsageError

KEYS = st.from_regex(r"[a-z_]{3,9}(\.[a-z]{1,5})?", fullmatch=True).filter(lambda key: key not in {"configs", "local_rank"})
VALUES = st.text(st.characters(codec="utf-8"), max_size=20)


def test_the_original_command_is_understood_word_for_word() -> None:
    """The arguments of the reference command give its sections, its override and its flag."""
    words = "--configs defaults redpajama-3b datasets --num_train_epochs 2 --deepspeed"
    found = parse_arguments(words.split(), flags={"deepspeed"})
    assert found == Arguments(
        sections=("defaults", "redpajama-3b", "datasets"),
        overrides={"num_train_epochs": "2"},
        flags=frozenset({"deepspeed"}),
    )


@pytest.mark.parametrize(
    "words", ["--configs a b c", "--configs a,b,c", "--configs a --configs b,c", "--configs=a,b,c", "--configs a, b ,c"]
)
def test_sections_are_named_by_words_or_commas(words: str) -> None:
    """`--configs` takes names with blanks or commas between them, and may come again."""
    assert parse_arguments(words.split()).sections == ("a", "b", "c")


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES))
def test_any_key_with_any_text_comes_back(given_: dict[str, str]) -> None:
    """Written as `--KEY=VALUE`, every text arrives as it is, blanks, dashes and equals signs included."""
    words = [f"--{key}={value}" for key, value in given_.items()]
    assert parse_arguments(words).overrides == given_


@pytest.mark.parametrize(
    ("words", "overrides"),
    [
        ("--learning_rate 1e-5", {"learning_rate": "1e-5"}),
        ("--data_seed -7 --x -.5", {"data_seed": "-7", "x": "-.5"}),
        ("--gradient_checkpointing --seed 1", {"gradient_checkpointing": "true", "seed": "1"}),
        ("--no-gradient_checkpointing", {"gradient_checkpointing": "false"}),
        ("--datasets.wmt2019_zh-en.size 3", {"datasets.wmt2019_zh-en.size": "3"}),
        ("--seed 1 --seed 2", {"seed": "2"}),
        ("--x=", {"x": ""}),
    ],
)
def test_keys_take_a_value_or_stand_alone(words: str, overrides: dict[str, str]) -> None:
    """A key takes the word after it, negative numbers included; alone it is true, with `no-` false, and the last one counts."""
    assert parse_arguments(words.split()).overrides == overrides


@pytest.mark.parametrize(
    ("words", "flags"), [("--show", {"show"}), ("--show --no-show", set()), ("--show=true", {"show"}), ("", set())]
)
def test_flags_take_no_value(words: str, flags: set[str]) -> None:
    """A flag is on, off or not there, and never an override."""
    found = parse_arguments(words.split(), flags={"show"})
    assert found.flags == flags
    assert not found.overrides


def test_what_launchers_and_users_add_is_taken_out() -> None:
    """`--local_rank=N` in either spelling and `--config-dir` are no keys."""
    assert parse_arguments(["--local_rank=3", "--config-dir", "x"]) == Arguments(local_rank=3, config_dir=Path("x"))
    assert parse_arguments(["--local-rank", "-1"]).local_rank == -1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("datasets", "'datasets', which belongs to no option"),
        ("--seed 1 2", "'2', which belongs to no option"),
        ("-x", "'-x', which belongs to no option"),
        ("-- a", "'--', which belongs to no option"),
        ("--configs --seed 1", "no name after --configs"),
        ("--configs ,", "no name after --configs"),
        ("--show=maybe", "--show=maybe, wanted --show alone"),
        ("--show zero2.json", "'zero2.json', which belongs to no option"),
        ("--local_rank one", "--local_rank one, wanted a whole number"),
        ("--name \udc80", "not UTF-8 after --name"),
    ],
)
def test_a_word_out_of_place_is_a_usage_error(words: str, said: str) -> None:
    """What belongs to no option, or makes no sense after one, is named."""
    with pytest.raises(UsageError) as caught:
        parse_arguments(words.split(), flags={"show"})
    assert said in str(caught.value)
