"""Resolving a mix: entries, their sources, options and files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from commands import run_code
from data_mix.config import Config, load
from data_mix.config.nodes import Place, as_node, plain
from data_mix.config.sections import merge
from data_mix.errors import ConfigError, UsageError
from data_mix.mix import Mix, resolve_mix, settings_by_name
from data_mix.mix_settings import MixSettings
from reference_card import DATASETS, FILES, MODEL, NAMES, paste

TINY = """
from data_mix.source import Source, SourceOptions
from pydantic import Field

class TinyOptions(SourceOptions):
    colour: str = Field("red", description="A colour.")

SOURCE = Source(name="tiny_{a}", licence="MIT", homepage="", languages=(), rows=None, files=lambda *_: [],
                read=lambda *_: iter(()), options=TinyOptions)
"""


def mix_of(text: str, folder: Path, **overrides: str) -> Mix:
    """The mix of the section `mine` of a file in `folder/configs`."""
    return resolve_mix(load(["mine"], overrides, paste(folder, f"mine:\n  datasets:\n{text}\n")))


def problem(text: str, folder: Path, **overrides: str) -> str:
    """What is said of a mix that is wrong, the folder left out."""
    with pytest.raises(ConfigError) as caught:
        mix_of(text, folder, **overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def options_of(mix: Mix, name: str) -> dict[str, Any]:
    """The options of one entry as plain data."""
    return next(entry.options.model_dump() for entry in mix.entries if entry.name == name)


def with_files(folder: Path) -> Path:
    """A folder with the card's own files, empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).touch()
    return folder


def test_the_card_resolves_with_every_entry_in_order(tmp_path: Path) -> None:
    """The card as printed gives nine entries, each with its source, its pattern filled in and its options."""
    with_files(tmp_path / "configs")
    mix = resolve_mix(load(["defaults", "redpajama-3b", "datasets"], {}, paste(tmp_path, DATASETS, MODEL)))
    assert (mix.name, tuple(entry.name for entry in mix.entries)) == ("datasets", NAMES)
    assert [entry.source.name for entry in mix.entries][:4] == [
        "wmt2019_{a}-{b}",
        "ted_trans_{a}-{b}",
        "ted_trans_{a}-{b}",
        "ikala",
    ]
    assert mix.entries[0].params == {"a": "zh", "b": "en"}
    assert options_of(mix, "wmt2019_zh-en")["max_train_set"] == 20000
    assert options_of(mix, "oasst_export")["lang"].startswith("bg,ca,cs")
    assert options_of(mix, "oasst_export")["input_file_path"] == str(tmp_path / "configs" / FILES[1])


def test_the_built_in_mix_resolves_with_samples_and_no_files(tmp_path: Path) -> None:
    """With samples no file of the user's is asked for, and the sources' own options for their samples are laid over."""
    mix = resolve_mix(load(["datasets"], {}, tmp_path), samples=True)
    assert tuple(entry.name for entry in mix.entries) == NAMES
    assert options_of(mix, "oasst_export")["input_file_path"] is None
    assert options_of(mix, "ikala")["input_file_path"] == "export_conversation.jsonl"
    assert options_of(mix, "wmt2019_zh-en")["max_train_set"] == 20000


def test_what_a_sample_needs_takes_the_place_of_what_the_mix_says(tmp_path: Path) -> None:
    """With samples, an option that the source sets for its sample is replaced whole, nested ones too, and the others stay."""
    text = "mine: {datasets: [{my: {type: hub, repo: a/b, columns: {prompt: q, response: a}, val_split: 0.2}}]}"
    mix = resolve_mix(load(["mine"], {}, paste(tmp_path, text)), samples=True)
    options, sample = options_of(mix, "my"), mix.entries[0].source.sample_options
    assert sample
    assert {key: options[key] for key in sample if key != "columns"} == {key: sample[key] for key in sample if key != "columns"}
    assert "q" not in str(options["columns"])
    assert options["val_split"] == 0.2


def test_an_own_file_is_looked_for_beside_its_configuration_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is beside the file that names it, else in the working directory; an absolute one is itself."""
    monkeypatch.chdir(with_files(tmp_path))
    text = f"    - ikala: {{input_file_path: {FILES[0]}}}"
    assert options_of(mix_of(text, tmp_path), "ikala")["input_file_path"] == str(tmp_path / FILES[0])
    beside = with_files(tmp_path / "configs") / FILES[0]
    assert options_of(mix_of(text, tmp_path), "ikala")["input_file_path"] == str(beside)
    assert options_of(mix_of(f"    - ikala: {{input_file_path: {tmp_path / FILES[1]}}}", tmp_path), "ikala")[
        "input_file_path"
    ] == str(tmp_path / FILES[1])


def test_a_path_that_is_typed_is_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes from the command line has no file beside it."""
    monkeypatch.chdir(with_files(tmp_path / "here"))
    mix = mix_of("    - ikala", tmp_path, **{"datasets.ikala.input_file_path": FILES[0]})
    assert options_of(mix, "ikala")["input_file_path"] == str(tmp_path / "here" / FILES[0])


def test_a_missing_file_names_both_places_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where the file was looked for, and how to do without the entry."""
    monkeypatch.chdir(tmp_path)
    assert problem("    - ikala:\n        input_file_path: a.jsonl", tmp_path) == (
        "configs/mine.yaml:4: datasets.ikala.input_file_path: there is no configs/a.jsonl and no a.jsonl; "
        "put the file there, or leave the entry out with --without ikala"
    )


def test_an_entry_is_left_out_before_its_file_is_looked_for(tmp_path: Path) -> None:
    """`--without` leaves an entry out, its missing file included; a wrong name is an error with the nearest."""
    config = load(["datasets"], {}, tmp_path)
    mix = resolve_mix(config, without=["ikala", "oasst_export"])
    assert tuple(entry.name for entry in mix.entries) == tuple(name for name in NAMES if name not in {"ikala", "oasst_export"})
    with pytest.raises(ConfigError, match=r"^--without ikla: the mix has no such entry; nearest: ikala$"):
        resolve_mix(config, without=["ikla"])


def test_entries_may_be_written_in_four_forms(tmp_path: Path) -> None:
    """A name, a name with nothing, with options indented, with options in braces."""
    mix = mix_of("    - joke\n    - gsm8k:\n    - dolly15k:\n        val_split: 0\n    - webgpt: {size: 3}", tmp_path)
    assert [(entry.name, entry.options.val_split, entry.options.size) for entry in mix.entries] == [
        ("joke", 0.05, None),
        ("gsm8k", 0.05, None),
        ("dolly15k", 0, None),
        ("webgpt", 0.05, 3),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("    - jok", "configs/mine.yaml:3: unknown source 'jok'; nearest: joke; "),
        ("    - wmt2019_zh_en", "configs/mine.yaml:3: unknown source 'wmt2019_zh_en'; nearest: wmt2019_{a}-{b}; "),
        (
            "    - my:\n        type: conversation",
            "configs/mine.yaml:4: unknown source 'conversation'; nearest: conversations; ",
        ),
        ("    - joke:\n        val_spli: 0", "configs/mine.yaml:4: unknown key 'datasets.joke.val_spli'; nearest: val_split"),
        ("    - joke:\n        val_split: '0'", 'configs/mine.yaml:4: datasets.joke.val_split: found "0", wanted a number'),
        ("    - joke:\n        val_split: 1", "configs/mine.yaml:4: datasets.joke.val_split: found 1, wanted less than 1.0"),
        (
            "    - joke:\n      val_split: 0",
            "configs/mine.yaml:3: datasets[0]: found an entry with the keys joke, val_split, wanted one",
        ),
        ("    - joke: 5", "configs/mine.yaml:3: datasets[0]: found {'joke': 5}, wanted the name of a source, or"),
        ("    - joke\n    -", "configs/mine.yaml:4: datasets[1]: found None, wanted the name"),
        ("    - joke\n    - joke", "configs/mine.yaml:4: entry 'joke' is there twice, first at configs/mine.yaml:3; give one"),
        ("    - ../x: {type: joke}", "configs/mine.yaml:3: entry '../x': wanted a name of at most 100 letters"),
        ("    - joke: {name: a/b}", "configs/mine.yaml:3: entry 'a/b': wanted a name of at most 100 letters"),
        ("    - wmt2019_en-en", "configs/mine.yaml:3: "),
        ("    - oasst_export: {lang: 'de,???'}", "configs/mine.yaml:3: entry 'oasst_export': lang: '???' is no language tag"),
        ("    []", "the mix 'mine' has no entry"),
    ],
)
def test_a_wrong_entry_is_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """File, line, what was found and the nearest known name."""
    assert problem(text, tmp_path).startswith(said)


def test_one_source_may_stand_twice_under_two_names(tmp_path: Path) -> None:
    """`name:` names an entry, `type:` names the source of an entry whose name is free."""
    mix = mix_of("    - joke\n    - joke: {name: joke-2, size: 1}\n    - third: {type: wmt2019_de-en}", tmp_path)
    assert [(entry.name, entry.source.name) for entry in mix.entries] == [
        ("joke", "joke"),
        ("joke-2", "joke"),
        ("third", "wmt2019_{a}-{b}"),
    ]
    assert mix.entries[2].params == {"a": "de", "b": "en"}


def test_extra_entries_come_after_those_of_the_mix(tmp_path: Path) -> None:
    """Lists replace lists, so `datasets_extra` is how a section adds to a mix, which keeps its name."""
    folder = paste(tmp_path, "more: {datasets_extra: [{joke: {name: more}}]}")
    mix = resolve_mix(load(["datasets", "more"], {}, folder), without=["ikala", "oasst_export"])
    assert (mix.name, mix.entries[-1].name, len(mix.entries)) == ("datasets", "more", 8)


def test_a_mix_is_named_after_the_last_section_that_has_one(tmp_path: Path) -> None:
    """The list of a later section takes the place of an earlier one, and names the mix."""
    folder = paste(tmp_path, "a: {datasets: [joke]}\nb: {datasets: [gsm8k]}\nc: {data_seed: 1}")
    mix = resolve_mix(load(["a", "b", "c"], {}, folder))
    assert (mix.name, [entry.name for entry in mix.entries]) == ("b", ["gsm8k"])


def test_a_mix_may_be_typed(tmp_path: Path) -> None:
    """`--datasets joke,gsm8k` is a mix too, of two entries and not of letters."""
    mix = resolve_mix(load([], {"datasets.joke.val_split": "0.1", "datasets": "joke,gsm8k"}, tmp_path))
    assert [(entry.name, entry.options.val_split) for entry in mix.entries] == [("joke", 0.1), ("gsm8k", 0.05)]
    assert mix.name == "command-line"


def test_an_option_of_one_entry_can_be_typed(tmp_path: Path) -> None:
    """`--datasets.NAME.OPTION` changes that option of that entry alone, typed by the source's own model."""
    mix = mix_of(
        "    - dolly15k\n    - oasst_export",
        tmp_path,
        **{"datasets.dolly15k.val_split": "0.1", "datasets.oasst_export.lang": "no"},
    )
    assert (options_of(mix, "dolly15k")["val_split"], options_of(mix, "oasst_export")["lang"]) == (0.1, "no")
    wrong = problem("    - joke", tmp_path, **{"datasets.joke.val_split": "x"})
    assert wrong == 'command line, --datasets.joke.val_split: found "x", wanted a number'


def test_a_missing_file_of_a_built_in_section_is_looked_for_here_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is sent into an installed package, and where there is an upstream the error says how to read that."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        resolve_mix(load(["datasets"], {}, tmp_path), without=["ikala"])
    assert str(caught.value).partition("input_file_path: ")[2] == (
        f"there is no {tmp_path / FILES[1]}; "
        "put the file there, read upstream's with --datasets.oasst_export.input_file_path null, "
        "or leave the entry out with --without oasst_export"
    )


def test_what_the_error_of_a_missing_file_proposes_works(tmp_path: Path) -> None:
    """`--datasets.ENTRY.input_file_path null` takes a built-in section's file away, so that upstream is read."""
    config = load(["datasets"], {"datasets.oasst_export.input_file_path": "null"}, tmp_path)
    assert options_of(resolve_mix(config, without=["ikala"]), "oasst_export")["input_file_path"] is None


def test_a_missing_file_that_was_typed_is_named_once(tmp_path: Path) -> None:
    """The place of what stands on the command line is its key already."""
    said = problem("    - joke", tmp_path, **{"datasets.joke.input_file_path": "none.jsonl"})
    assert said.startswith("command line, --datasets.joke.input_file_path: there is no ")


def test_without_any_section_the_error_is_one_of_usage(tmp_path: Path) -> None:
    """Whoever names no section has not said what to build."""
    with pytest.raises(UsageError, match=r"^found no --configs, wanted the sections of a mix, e\.g\. --configs datasets$"):
        resolve_mix(load([], {}, tmp_path))


def test_without_a_mix_the_error_says_what_to_name(tmp_path: Path) -> None:
    """Sections without the key `datasets` are no mix."""
    with pytest.raises(ConfigError, match=r"^found no key datasets in defaults, redpajama-3b, wanted a section with a mix"):
        resolve_mix(load(["redpajama-3b"], {}, tmp_path))


def test_a_section_whose_name_is_no_file_name_is_no_mix(tmp_path: Path) -> None:
    """The mix names the folder of its build, so its section's name may not climb."""
    with pytest.raises(ConfigError, match=r"^section '\.\./up': wanted a name"):
        resolve_mix(load(["../up"], {}, paste(tmp_path, "../up: {datasets: [joke]}")))


def test_the_seed_and_the_limit_reach_every_entry(tmp_path: Path) -> None:
    """Keys of the mix that sources need stand in each entry."""
    mix = mix_of("    - joke\n    - gsm8k", tmp_path, data_seed="0xff", max_record_bytes="1000")
    assert {(entry.seed, entry.max_record_bytes) for entry in mix.entries} == {(255, 1000)}


def test_stages_have_their_options(tmp_path: Path) -> None:
    """Every stage has options of its own model, those that the mix gives and defaults for the rest."""
    options = mix_of("    - joke\n  stages: {length: {max_chars: 9}}", tmp_path).settings.stage_options
    assert options["length"].model_dump()["max_chars"] == 9
    assert options["language"] == MixSettings().stage_options["language"]


def test_the_portable_mix_names_no_place_and_every_default(tmp_path: Path) -> None:
    """Two machines that resolve the same mix say the same of it, to the byte, wherever its files are."""
    said = []
    for place in ("here", "there"):
        with_files(tmp_path / place / "configs")
        mix = resolve_mix(load(["datasets"], {"data_path": str(tmp_path / place)}, paste(tmp_path / place, DATASETS)))
        said.append(json.dumps(mix.portable()))
    assert said[0] == said[1]
    assert str(tmp_path) not in said[0]
    assert json.loads(said[0])["datasets"][3]["ikala"]["input_file_path"] == FILES[0]
    assert json.loads(said[0])["datasets"][6]["joke"]["val_split"] == 0.05


def test_the_portable_mix_is_a_section_that_gives_the_same_mix(tmp_path: Path) -> None:
    """Pasted into a file, the resolved mix resolves to itself, names and types included."""
    with_files(tmp_path / "configs")
    first = mix_of(
        "    - joke: {name: j, size: 2}\n    - w: {type: wmt2019_de-en}\n    - ikala: {input_file_path: " + FILES[0] + "}",
        tmp_path,
    )
    portable = first.portable()
    again = resolve_mix(load(["again"], {}, paste(tmp_path, f"again: {json.dumps(portable)}")))
    assert again.portable() == portable


def test_entries_travel_to_other_processes(tmp_path: Path) -> None:
    """An entry can be pickled, as tasks of other processes need."""
    mix = resolve_mix(load(["datasets"], {}, tmp_path), samples=True)
    assert pickle.loads(pickle.dumps(mix.entries)) == mix.entries


def test_a_source_of_another_distribution_is_found(tmp_path: Path) -> None:
    """A source that joins by entry point is resolved by name and its options are checked, with no file of ours edited."""
    (tmp_path / "tiny.py").write_text(TINY)
    (tmp_path / "tiny-1.0.dist-info").mkdir()
    (tmp_path / "tiny-1.0.dist-info/entry_points.txt").write_text("[data_mix.sources]\ntiny = tiny:SOURCE\n")
    code = (
        "from data_mix.config import load; from data_mix.mix import resolve_mix;"
        "entry = resolve_mix(load([], {'datasets': '[{tiny_de: {colour: blue}}]'})).entries[0];"
        "print(entry.options.colour, entry.params['a'])"
    )
    assert run_code(code, tmp_path).split() == ["blue", "de"]


def test_a_config_made_by_hand_resolves_too() -> None:
    """A tree that comes from no file has no folder to look beside."""
    root = merge(as_node({}, Place(where="x")), as_node({"datasets": ["joke"]}, Place(where="x")))
    mix = resolve_mix(Config(sections=("x",), root=root, owners={"datasets": "x"}))
    assert plain(root) == {"datasets": [mix.entries[0].name]}


def test_settings_have_dotted_names() -> None:
    """Every leaf of a mix is named by the keys that lead to it, and the entries stand in their order."""
    found = settings_by_name({"datasets": [{"b": {"size": 1}}, {"a": {"size": None}}], "mixing": {"languages": {}, "total": 5}})
    assert found == {"datasets.b.size": 1, "datasets.a.size": None, "mixing.total": 5, "order": ["b", "a"]}
