"""What a mix may say of decontamination."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from data_mix.decontamination.settings import Benchmark, BenchmarkFile, DecontaminationOptions

LIST = TypeAdapter(tuple[Benchmark, ...])


def test_a_path_alone_is_an_export() -> None:
    """A text and a mapping with that path are the same item."""
    assert LIST.validate_json('["prompts.jsonl"]') == LIST.validate_json('[{"path": "prompts.jsonl"}]')


def test_a_file_of_any_layout_has_a_name_and_columns() -> None:
    """All keys of an item, as YAML gives them."""
    keys = {"name": "g", "repo": "o/n", "revision": "main", "path": "t-*", "columns": ["q", "a"], "id": "n"}
    assert LIST.validate_json(json.dumps([keys])) == (BenchmarkFile.model_validate(keys),)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"path": "f", "column": ["q"]}, "Extra inputs"),
        ({"name": "g", "columns": ["q"]}, "Field required"),
        ({"path": "f", "name": "g"}, "found name without columns"),
        ({"path": "f", "columns": ["q"]}, "found columns without name"),
        ({"path": "f", "columns": [], "name": "g"}, "at least 1 item"),
        ({"path": "f", "columns": ["q", "q"], "name": "g"}, "wanted each once"),
        ({"path": "f", "id": "n"}, "found id without columns"),
        ({"path": "f", "revision": "main"}, "found revision without repo"),
        (7, "valid dictionary|should be an object"),
    ],
)
def test_what_does_not_fit_together_is_refused(item: Any, message: str) -> None:
    """Unknown keys and halves of pairs are errors before anything is fetched."""
    with pytest.raises(ValidationError, match=message):
        LIST.validate_json(json.dumps([item]))


def test_unknown_options_are_refused() -> None:
    """A mistyped option is an error."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        DecontaminationOptions.model_validate({"ngrams": 13})


def test_editors_know_both_forms_and_every_key_is_described() -> None:
    """The JSON schema takes a text or a mapping, and says of each key what it is."""
    schema = LIST.json_schema()
    assert {"type": "string"} in schema["items"]["anyOf"]
    for model in (BenchmarkFile, DecontaminationOptions):
        assert all(field.description for field in model.model_fields.values())
