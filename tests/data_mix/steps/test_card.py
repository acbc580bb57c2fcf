"""The card of a build: its front matter is YAML that the hub and `datasets` read, whatever is in the build."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from building import build_mix, entry, mix_of, pairs, write
from data_mix.steps.card import build_card

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets


def manifest(languages: dict[str, int], splits: dict[str, int], licence: str = "MIT") -> dict[str, Any]:
    """What a card is made from: one source `s` with kept rows by language and by split."""
    parts = [
        {"path": f"{split}/s-00000.arrow", "split": split, "source": "s", "rows": rows, "bytes": 1, "sha256": ""}
        for split, rows in splits.items()
    ]
    kept = {"train": splits.get("train", 0), "validation": splits.get("validation", 0)}
    rows = {"read": sum(kept.values()) + 2, "dropped": {"empty_turn": 2}, "kept": kept}
    source = {"licence": licence, "languages": languages, "rows": rows}
    return {"name": "my-mix", "template": {"name": "chatml"}, "sources": {"s": source}, "licence_warnings": [], "parts": parts}


def front(card: str) -> dict[str, Any]:
    """The front matter, as YAML 1.1 reads it, in which `no` is false."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    found: dict[str, Any] = yaml.load(card.split("---\n")[1])
    return found


def test_the_front_matter_names_the_files_of_each_split() -> None:
    """Train and validation are found by their folders, and dropped rows are no split."""
    card = build_card(manifest({"en": 3}, {"train": 2, "validation": 1, "dropped": 2}))
    assert front(card)["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "train/*.arrow"},
                {"split": "validation", "path": "validation/*.arrow"},
            ],
        }
    ]


def test_languages_are_base_tags_and_text() -> None:
    """Regions are left out, each language stands once, and Norwegian is not taken for `false`."""
    assert front(build_card(manifest({"pt-BR": 1, "pt": 1, "no": 1, "und": 1}, {"train": 4})))["language"] == [
        "no",
        "pt",
        "und",
    ]


def test_a_build_without_a_row_has_a_valid_card() -> None:
    """With no split and no language the front matter is still YAML, with an empty list of files."""
    found = front(build_card(manifest({}, {})))
    assert found["configs"][0]["data_files"] == []
    assert "language" not in found


@pytest.mark.parametrize(
    ("rows", "category"), [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**8, "n>10M")]
)
def test_the_size_is_one_of_the_hub_s_categories(rows: int, category: str) -> None:
    """The category holds the number of kept rows."""
    assert front(build_card(manifest({"en": rows}, {"train": rows})))["size_categories"] == [category]


def test_counts_of_each_source_stand_in_a_table() -> None:
    """Read, dropped, train and validation, in this order."""
    assert "| s | MIT | 5 | 2 | 2 | 1 |" in build_card(manifest({"en": 3}, {"train": 2, "validation": 1})).splitlines()


def test_a_licence_of_the_user_s_cannot_break_the_table() -> None:
    """A bar or a line end in it is text of its cell."""
    card = build_card(manifest({"en": 2}, {"train": 2}, licence="LicenseRef-a|b\n---\n# no"))
    assert "| s | LicenseRef-a\\|b --- # no | 4 | 2 | 2 | 0 |" in card.splitlines()


@pytest.mark.parametrize("val_split", [0, 0.5])
def test_datasets_loads_the_splits_that_there_are(tmp_path: Path, val_split: float) -> None:
    """A build with train alone loads as well as one with both, names with dots and pluses included."""
    raw = write(tmp_path / "raw.jsonl", pairs(20))
    built = build_mix(tmp_path, mix_of(entry("a.b+c-1", raw, val_split=val_split)), keep_dropped=True)
    loaded = datasets.load_dataset(str(built.path), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == ({"train", "validation"} if val_split else {"train"})
    assert sum(split.num_rows for split in loaded.values()) == 20
