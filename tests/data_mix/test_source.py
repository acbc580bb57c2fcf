"""What a source is: names that it goes by, what it says of itself, and the language of its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_mix.errors import ConfigError
from data_mix.source import Entry, LocalFile, Source, SourceOptions, sources
from data_mix.steps.plan import samples_folder
from reading import read, write_lines

ENGLISH = {
    "dolly15k": {"instruction": "Sag etwas.", "context": "", "response": "Etwas."},
    "gsm8k": {"question": "Wie viele?", "answer": "Sechs.\n#### 6"},
    "joke": {"joke": "Ein Witz.", "explaination": "Er ist kurz."},
    "webgpt": [
        {"question": {"full_text": "Was?"}, "answer": each, "score": score} for each, score in (("So.", 1.0), ("Nein.", -1.0))
    ],
}
"""A record of each source whose rows are English unless the mix says otherwise."""


def pattern(name: str) -> Source:
    """A source of this name."""
    return Source(name=name, licence="MIT", homepage="", languages=(), rows=None, files=lambda *_: [], read=lambda *_: iter(()))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("wmt_zh-en", {"a": "zh", "b": "en"}),
        ("wmt_zh-tw-ja", {"a": "zh-tw", "b": "ja"}),
        ("wmt_en-pt-br", {"a": "en", "b": "pt-br"}),
        ("wmt_zh", None),
        ("xwmt_zh-en", None),
        ("wmt_zh-en-", None),
        ("wmt_zh-en\n", None),
        ("wmt_ZH-en", None),
    ],
)
def test_a_pattern_takes_the_name_whole(name: str, params: dict[str, str] | None) -> None:
    """A name matches from its first letter to its last, languages of two subtags included."""
    assert pattern("wmt_{a}-{b}").match(name) == params


def test_what_is_no_pattern_matches_itself_alone() -> None:
    """Letters that mean something in a regular expression mean themselves."""
    assert pattern("a.b").match("a.b") == {}
    assert pattern("a.b").match("axb") is None


def test_every_module_of_the_folder_is_a_source() -> None:
    """The folder is the registry, each says licence and homepage, and each ships a sample."""
    modules = {path.stem for path in (Path(samples_folder(sources()["joke"])).parent.parent / "sources").glob("[!_]*.py")}
    assert {source.read.__module__.rpartition(".")[2] for source in sources().values()} == modules
    assert all(source.licence and samples_folder(source).is_dir() for source in sources().values())


@pytest.mark.parametrize(("name", "stem"), [("a.jsonl.gz", "a"), ("a.v1.jsonl", "a"), ("a", "a")])
def test_the_stem_is_the_name_up_to_its_first_dot(name: str, stem: str) -> None:
    """It does not depend on how a file is packed; a label takes its place."""
    assert LocalFile(name=name, path=Path(name), sha256="").stem == stem
    assert LocalFile(name=name, path=Path(name), sha256="", label="de/a").stem == "de/a"


@pytest.mark.parametrize("name", ENGLISH)
def test_an_english_source_may_be_declared_another_language(tmp_path: Path, name: str) -> None:
    """A translation of the data set, in upstream's layout, has the language that the mix says, and without one English."""
    path = write_lines(tmp_path, ENGLISH[name])
    assert read(sources()[name], path)["lang"].to_list() == ["en"]
    assert read(sources()[name], path, lang="de")["lang"].to_list() == ["de"]


@pytest.mark.parametrize("name", ["wmt2019_{a}-{b}", "ted_trans_{a}-{b}"])
def test_a_source_of_pairs_takes_no_declared_language(name: str) -> None:
    """Its rows are in two languages, so one for all would be wrong for half of them."""
    source = sources()[name]
    options: Any = source.options.model_validate({"lang": "en"})
    entry = Entry(name="pairs", source=source, params={"a": "de", "b": "en"}, options=options, seed=0)
    assert source.check is not None
    with pytest.raises(ConfigError, match="entry 'pairs': lang: found 'en'"):
        source.check(entry)


@pytest.mark.parametrize("lang", ["english", "pt BR", "", "e"])
def test_a_declared_language_must_be_a_tag(lang: str) -> None:
    """What is no BCP-47 tag is refused, so that no row silently stays without a language."""
    with pytest.raises(ValidationError, match="pattern"):
        SourceOptions.model_validate({"lang": lang})
