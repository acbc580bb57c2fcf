"""The words of `datamix eval`."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_mix.errors import UsageError
from data_mix_eval.arguments import EvalArguments, read_arguments


def read(text: str) -> EvalArguments:
    """A command line, taken apart."""
    return read_arguments(text.split())


def test_short_names_are_keys() -> None:
    """Short names stand for keys of the settings, and tasks may be several words."""
    found = read("model --task mmlu bbh --protocol card --limit 5 --eval_dtype fp32")
    assert found.checkpoint == "model"
    keys = {"eval_tasks": "mmlu,bbh", "eval_protocol": "card", "eval_limit": "5", "eval_dtype": "fp32"}
    assert found.common.overrides == keys


@pytest.mark.parametrize("text", ["model -o out --samples", "--samples model --out out", "--out=out model --samples"])
def test_a_checkpoint_may_stand_anywhere(text: str) -> None:
    """A word that no option takes is the checkpoint."""
    found = read(text)
    assert (found.checkpoint, found.out, found.common.flags) == ("model", Path("out"), frozenset({"samples"}))


def test_sections_come_by_the_common_way() -> None:
    """`--configs` takes any number of sections, as in other commands."""
    found = read("model --configs defaults mine --config-dir here --base-model base")
    assert (found.common.sections, found.common.config_dir, found.base_model) == (("defaults", "mine"), Path("here"), "base")


def test_two_folders_are_compared() -> None:
    """`--compare` takes two folders, and needs no checkpoint."""
    found = read("--compare a b --json")
    assert (found.compare, found.checkpoint) == ((Path("a"), Path("b")), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "found 'a b', wanted one checkpoint"),
        ("--compare a", "found 1 values after --compare, wanted two folders"),
        ("model -o", "found 0 values after --out, wanted a value"),
        ("model --task --samples", "found nothing after --task"),
        ("model --samples=yes", "found --samples=yes, wanted --samples alone"),
        ("model -x", "found '-x', which belongs to no option"),
    ],
)
def test_a_word_too_many_or_too_few(text: str, said: str) -> None:
    """What belongs to no option, or an option without its values, is a usage error."""
    with pytest.raises(UsageError, match=said):
        read(text)
