"""Loading a configuration: layers, sections, overrides, keys, and the schema for editors."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from commands import run_code
from data_mix.config import Config, as_yaml, builtin_folders, describe_keys, json_schema, load, settings_models
from data_mix.config.nodes import plain
from data_mix.config.sections import read_layer
from data_mix.errors import ConfigError, UsageError
from data_mix.mix_settings import MixSettings, TemplateSettings
from data_mix.source import sources
from data_mix.stage import stages
from reference_card import DATASETS, MODEL, NAMES, paste

TINY = """
from pydantic import BaseModel, Field

class TinySettings(BaseModel, extra="forbid", strict=True):
    colour: str = Field(default="red", description="A colour.")
"""


def values(config: Config) -> dict[str, Any]:
    """The merged keys as plain data."""
    found: dict[str, Any] = plain(config.root)
    return found


def problem(*sections: str, folder: Path, **overrides: str) -> str:
    """What loading says of a configuration that is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(sections, overrides, folder)
    return str(caught.value)


def all_models() -> set[type[BaseModel]]:
    """Every model of keys: settings, options of sources and stages, and what is nested in them."""
    options = [*(source.options for source in sources().values()), *(stage.options for stage in stages())]
    return {inner for model in (*settings_models().values(), *options) for inner in nested(model)}


def nested(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and the models that its keys hold."""
    yield model
    for field in model.model_fields.values():
        for each in (field.annotation, *get_args(field.annotation)):
            if isinstance(each, type) and issubclass(each, BaseModel) and each is not BaseModel:
                yield from nested(each)


def tiny_distribution(folder: Path) -> None:
    """Install a distribution of one package, with settings and a section of its own, by laying it into a folder."""
    (folder / "tiny/configs").mkdir(parents=True)
    (folder / "tiny/__init__.py").write_text("")
    (folder / "tiny/settings.py").write_text(TINY)
    (folder / "tiny/configs/tiny.yaml").write_text("blue:\n  colour: blue\n")
    info = folder / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[data_mix.settings]\ntiny = tiny.settings:TinySettings\n")


@pytest.mark.parametrize("texts", [(DATASETS, MODEL), (MODEL, DATASETS)])
def test_the_card_pasted_into_one_file_gives_the_card(tmp_path: Path, texts: tuple[str, str]) -> None:
    """The two blocks of the card, pasted as printed, merge into all their keys, with numbers as numbers."""
    merged = values(load(["defaults", "redpajama-3b", "datasets"], {}, paste(tmp_path, *texts)))
    assert merged["learning_rate"] == 1e-5
    assert (merged["max_length"], merged["num_train_epochs"], merged["gradient_checkpointing"]) == (8196, 8, True)
    assert [item if isinstance(item, str) else next(iter(item)) for item in merged["datasets"]] == list(NAMES)
    assert merged["datasets"][0] == {"wmt2019_zh-en": {"max_val_set": 1000, "max_train_set": 20000}}
    assert merged["datasets"][5]["oasst_export"]["input_file_path"] == "2023-04-12_oasst_release_ready_synth.jsonl.gz"
    assert len(merged) == 18


def test_the_card_in_the_original_form_gives_the_same(tmp_path: Path) -> None:
    """`datasets: {datasets: [...]}`, as the original's code wants it, means what the bare list means."""
    nested = "datasets:\n" + "".join(f"  {line}\n" for line in DATASETS.splitlines())
    bare, wrapped = (load(["datasets"], {}, paste(tmp_path / name, text)) for name, text in (("a", DATASETS), ("b", nested)))
    assert values(bare) == values(wrapped)


def test_the_built_in_sections_are_the_card(tmp_path: Path) -> None:
    """What the packages bring is what the card prints, key by key."""
    names = ["redpajama-3b", "datasets"]
    assert values(load(names, {}, tmp_path)) == values(load(names, {}, paste(tmp_path, MODEL, DATASETS)))


def test_the_built_in_files_hold_the_card_word_for_word() -> None:
    """The text of the card stands in the built-in files as it is printed."""
    texts = [file.read_text(encoding="utf8") for folder, _ in builtin_folders() for file in folder.glob("*.yaml")]
    assert any(DATASETS in text for text in texts)
    assert any(MODEL in text for text in texts)


def test_defaults_come_first_wherever_they_are_named(tmp_path: Path) -> None:
    """`defaults` is merged first, named first, last or not at all."""
    folder = paste(tmp_path, "defaults: {data_seed: 1, deduplicate: false}\nmine: {data_seed: 2}")
    for names in (["mine"], ["defaults", "mine"], ["mine", "defaults"]):
        assert values(load(names, {}, folder)) == {"data_seed": 2, "deduplicate": False}


def test_a_later_section_and_then_the_command_line_win(tmp_path: Path) -> None:
    """From left to right, then the overrides, each knowing where it came from."""
    folder = paste(tmp_path, "a: {data_seed: 1, template: {name: x, eos: y}}\nb: {template: {eos: z}}")
    config = load(["a", "b"], {"data_seed": "0x10"}, folder)
    assert values(config) == {"data_seed": 16, "template": {"name": "x", "eos": "z"}}
    assert config.owners == {"data_seed": "command-line", "template": "b"}
    assert config.settings(MixSettings).template == TemplateSettings(name="x", eos="z")


def test_a_section_of_ones_own_shadows_the_built_in_one_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The user's section takes the built-in one's place whole, with one line that names both files, when it is used."""
    folder = paste(tmp_path, "redpajama-3b: {dtype: fp32}\ndefaults: {}")
    with caplog.at_level(logging.INFO):
        assert values(load(["datasets"], {}, folder)).keys() == {"datasets"}
        assert not caplog.messages
        assert values(load(["redpajama-3b"], {}, folder)) == {"dtype": "fp32"}
    assert [re.sub(r"\S*/configs", "configs", line) for line in caplog.messages] == [
        "section 'redpajama-3b' of configs/mine.yaml:1 shadows the one of configs/models.yaml:2"
    ]


def test_the_folder_configs_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --config-dir `./configs` counts, where there is one."""
    monkeypatch.chdir(tmp_path)
    assert values(load([])) == {}
    paste(tmp_path, "mine: {data_seed: 3}")
    assert values(load(["mine"])) == {"data_seed": 3}


def test_a_folder_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A wrong --config-dir is an error, not an empty layer."""
    assert "found no folder" in problem(folder=tmp_path / "confgis")


def test_an_unknown_section_names_the_nearest_and_all(tmp_path: Path) -> None:
    """A wrong section is answered with the nearest one and with those there are, the user's included."""
    said = problem("redpjama-3b", folder=paste(tmp_path, "mine: {}"))
    there_are = "bloom-zh-3b, datasets, defaults, demo, llama-7b, mine, pythia-1b, quality, redpajama-3b"
    assert said == f"unknown section 'redpjama-3b'; nearest: redpajama-3b; there are: {there_are}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "mine:\n  lerning_rate: 1",
            "mine.yaml:2: unknown key 'lerning_rate', of no installed package; nearest: learning_rate",
        ),
        (
            "mine:\n- joke",
            "mine.yaml:1: unknown key 'mine', of no installed package (a section that is a list is the key of its name",
        ),
        ("mine:\n  learning_rate: fast", 'mine.yaml:2: learning_rate: found "fast", wanted a number'),
        ("mine:\n  stages: {length: {max_char: 1}}", "mine.yaml:2: unknown key 'stages.length.max_char'; nearest: max_chars"),
        ("mine:\n  stages: {lenght: {}}", "mine.yaml:2: unknown key 'stages.lenght'; nearest: length"),
        ("mine:\n  template:\n    nme: x", "mine.yaml:3: unknown key 'template.nme'; nearest: name"),
        ("mine:\n  datasets: joke", 'mine.yaml:2: datasets: found "joke", wanted a list'),
    ],
)
def test_a_wrong_key_or_value_of_any_package_is_found_at_once(tmp_path: Path, text: str, said: str) -> None:
    """Every installed package's keys are checked on loading, with file and line."""
    assert said in problem("mine", folder=paste(tmp_path, text))


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (
            "lerning_rate",
            "1",
            "command line, --lerning_rate: unknown key 'lerning_rate', of no installed package; nearest: learning_rate",
        ),
        ("learning_rate", "fast", 'command line, --learning_rate: found "fast", wanted a number'),
        ("datasets.jok.size", "1", "command line, --datasets.jok.size: there is no entry 'jok' to change; nearest: joke"),
    ],
)
def test_a_wrong_override_is_found_at_once(tmp_path: Path, key: str, text: str, said: str) -> None:
    """What is typed is checked like what is written."""
    assert problem("datasets", folder=tmp_path, **{key: text}) == said


def test_an_override_may_be_a_misspelt_option_of_the_command(tmp_path: Path) -> None:
    """What is typed and is no key is an error of usage, whose nearest name may be an option; what is written never is one."""
    with pytest.raises(UsageError, match="unknown key 'sampels', of no installed package; nearest: --samples"):
        load(["datasets"], {"sampels": "true"}, tmp_path, options=["samples", "configs"])
    with pytest.raises(ConfigError) as caught:
        load(["mine"], {}, paste(tmp_path, "mine: {sampels: true}"), options=["samples"])
    assert type(caught.value) is ConfigError
    assert "samples" not in str(caught.value)


def test_no_two_packages_give_one_key_two_meanings() -> None:
    """A key that two packages register has the same type, default and sentence in both."""
    fields: dict[str, FieldInfo] = {}
    for model in settings_models().values():
        for name, field in model.model_fields.items():
            other = fields.setdefault(name, field)
            assert (field.annotation, field.default, field.description) == (
                other.annotation,
                other.default,
                other.description,
            ), name


def test_every_key_has_a_type_a_default_and_one_sentence() -> None:
    """No key is without a type, a default and a description of one sentence."""
    fields = {f"{model.__name__}.{name}": field for model in all_models() for name, field in model.model_fields.items()}
    sentence = re.compile(r"[^.]+(\.(?=\S)[^.]*)*\.")
    wrong = [name for name, field in fields.items() if field.annotation is None or field.is_required()]
    wrong += [name for name, field in fields.items() if not sentence.fullmatch(field.description or "")]
    assert len(fields) > 80
    assert not wrong


def test_settings_without_any_section_are_the_defaults(tmp_path: Path) -> None:
    """An empty configuration is valid for every package, and is what the models say."""
    config = load([], {}, tmp_path)
    for model in settings_models().values():
        assert config.settings(model).model_dump() == model().model_dump()


def test_settings_as_yaml_give_the_same_settings(tmp_path: Path) -> None:
    """What is shown of a run's settings can be pasted into a section and gives the same run."""
    config = load(["redpajama-3b", "datasets"], {"deduplicate": "false"}, tmp_path)
    for place, model in enumerate(settings_models().values()):
        shown = as_yaml(config.settings(model))
        again = load(
            ["again"], {}, paste(tmp_path / str(place), "again:\n" + "".join(f"  {line}\n" for line in shown.splitlines()))
        )
        assert again.settings(model) == config.settings(model)


def test_help_lists_every_key() -> None:
    """Each key stands in its package's help with its sentence and default."""
    lines = describe_keys(MixSettings).splitlines()
    assert [line.split()[0] for line in lines] == list(MixSettings.model_fields)
    assert "The seed of everything that is drawn: splits, caps, instructions. [0]" in lines[2]


def test_the_schema_holds_every_key_source_and_stage() -> None:
    """The joint schema knows the keys of all packages, and the options of each source and stage."""
    schema = json_schema()
    section = schema["$defs"]["Section"]
    assert set(section["properties"]) == {key for model in settings_models().values() for key in model.model_fields}
    assert set(schema["$defs"]["Stages"]["properties"]) == {stage.name for stage in stages()}
    names = section["properties"]["datasets"]["items"]["anyOf"][1]["patternProperties"]
    assert all(any(re.search(pattern, name) for pattern in names) for name in NAMES)
    assert {source.options.__name__ for source in sources().values()} <= set(schema["$defs"])


def test_the_schema_is_closed_and_its_references_lead_somewhere() -> None:
    """Unknown keys are refused in a section, and every reference names something that is there."""
    schema = json_schema()
    assert schema["$defs"]["Section"]["additionalProperties"] is False
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(schema))):
        found: Any = schema
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_a_list_section_is_in_the_schema() -> None:
    """An editor accepts `datasets:` as a bare list."""
    lists = {"datasets", "datasets_extra", "decontaminate_against", "report_to", "eval_tasks"}
    assert lists == set(json_schema()["properties"])


def test_another_distribution_joins_with_keys_and_sections(tmp_path: Path) -> None:
    """Installed beside ours, a package's key is known, its section is found, and its schema is part of the joint one."""
    tiny_distribution(tmp_path)
    code = (
        "from data_mix.config import json_schema, load; from tiny.settings import TinySettings;"
        "print(load(['blue']).settings(TinySettings).colour, 'colour' in json_schema()['$defs']['Section']['properties'])"
    )
    assert run_code(code, tmp_path).split() == ["blue", "True"]


def test_every_built_in_section_is_valid(tmp_path: Path) -> None:
    """Each section that a package brings can be used as it is."""
    for name in read_layer(builtin_folders()):
        load([name], {}, tmp_path)
