"""The front matter of a card is YAML that the Hub and `datasets` read, whatever is in the build."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from building import build_mix, entry, mix_of, pairs, write
from carded import as_parquet
from data_mix.cards import CardFile, arrow_files, build_card
from data_mix.cards.front_matter import front_matter
from data_mix.shards import Build

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets
    import huggingface_hub


def manifest(languages: dict[str, int], splits: dict[str, int], *licences: str) -> dict[str, Any]:
    """What a front matter is made from: a source per licence, the rows in the first one's parts."""
    parts = [
        {"path": f"{split}/s-00000.arrow", "split": split, "source": "s", "rows": rows, "bytes": 7, "sha256": ""}
        for split, rows in splits.items()
    ]
    kept = {"train": splits.get("train", 0), "validation": splits.get("validation", 0)}
    rows = {"read": sum(kept.values()), "dropped": {}, "kept": kept}
    named = {f"s{place}": licence for place, licence in enumerate(licences or ("MIT",))}
    sources = {name: {"licence": licence, "languages": languages, "rows": rows} for name, licence in named.items()}
    return {"name": "my-mix", "sources": sources, "parts": parts}


def read(text: str) -> dict[str, Any]:
    """The front matter, as YAML 1.1 reads it, in which `no` is false."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    found: dict[str, Any] = yaml.load(io.StringIO(text.split("---\n")[1] if text.count("---\n") > 1 else text[4:-3]))
    return found


def front(of: dict[str, Any]) -> dict[str, Any]:
    """The front matter of the parts of a build."""
    return read(front_matter(of, arrow_files(of)))


def test_the_front_matter_names_the_files_of_each_split() -> None:
    """Train and validation are found by their folders, and dropped rows are no split."""
    found = front(manifest({"en": 3}, {"train": 2, "validation": 1, "dropped": 2}))
    splits = [{"split": "train", "path": "train/*.arrow"}, {"split": "validation", "path": "validation/*.arrow"}]
    assert found["configs"] == [{"config_name": "default", "data_files": splits}]


def test_files_that_no_glob_tells_apart_are_named_one_by_one() -> None:
    """Two splits in one folder have globs by the name of the split, or else lists of files."""
    files = [
        CardFile(f"data/{name}.parquet", "", 1, 1, split)
        for name, split in [("a", "train"), ("b", "train"), ("c", "validation")]
    ]
    splits = read(front_matter(manifest({}, {"train": 3}), files))["configs"][0]["data_files"]
    assert splits[0] == {"split": "train", "path": ["data/a.parquet", "data/b.parquet"]}
    named = [CardFile(f"data/{split}-0.parquet", "", 1, 1, split) for split in ("train", "validation")]
    splits = read(front_matter(manifest({}, {"train": 3}), named))["configs"][0]["data_files"]
    assert [each["path"] for each in splits] == ["data/train-*.parquet", "data/validation-*.parquet"]


def test_languages_are_base_tags_and_text() -> None:
    """Regions and the unknown language are left out, each language stands once, and Norwegian is not taken for `false`."""
    found = front(manifest({"pt-BR": 1, "pt": 1, "no": 1, "und": 1, "qqq": 1}, {"train": 4}))
    assert found["language"] == ["no", "pt"]


def test_a_build_without_a_row_has_a_valid_card() -> None:
    """With no split and no language the front matter is still YAML, with an empty list of files and no licence."""
    found = front(manifest({}, {}))
    assert found["configs"][0]["data_files"] == []
    assert found.keys().isdisjoint({"language", "license", "dataset_info"})


@pytest.mark.parametrize(
    ("rows", "category"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**8, "100M<n<1B"), (10**13, "n>1T")],
)
def test_the_size_is_one_of_the_hub_s_categories(rows: int, category: str) -> None:
    """The category holds the number of kept rows."""
    assert front(manifest({"en": rows}, {"train": rows}))["size_categories"] == [category]


@pytest.mark.parametrize(
    ("licences", "said"),
    [
        (["MIT", "Apache-2.0"], {"license": "apache-2.0"}),
        (["CC-BY-SA-3.0", "CC-BY-NC-4.0"], {"license": "other", "license_name": "mixed-nc-sa"}),
        (["a\n---\n# b: |"], {"license": "other", "license_name": "a-b"}),
    ],
)
def test_the_licence_is_that_of_the_mix(licences: list[str], said: dict[str, str]) -> None:
    """One of the Hub's, or `other` with a name, which nothing in a licence of the user's can make more than a name."""
    found = front(manifest({"en": 2}, {"train": 2}, *licences))
    assert {key: value for key, value in found.items() if key.startswith("license")} == said


def test_the_hub_s_own_client_reads_the_card(samples: Build) -> None:
    """`DatasetCard` finds every key, and writes the same data again."""
    card = huggingface_hub.DatasetCard((samples.path / "README.md").read_text(encoding="utf8"))
    data: Any = card.data
    found = data.to_dict()
    assert isinstance(data, huggingface_hub.DatasetCardData)
    assert (found["license"], found["pretty_name"], found["task_categories"]) == ("other", "datasets", ["text-generation"])
    again: Any = huggingface_hub.DatasetCard(card.content).data
    assert again.to_dict() == found == huggingface_hub.metadata_load(samples.path / "README.md")


@pytest.mark.parametrize("val_split", [0, 0.5])
def test_datasets_loads_the_splits_that_there_are(tmp_path: Path, val_split: float) -> None:
    """A build with train alone loads as well as one with both, names with dots and pluses included."""
    raw = write(tmp_path / "raw.jsonl", pairs(20))
    built = build_mix(tmp_path, mix_of(entry("a.b+c-1", raw, val_split=val_split)), keep_dropped=True)
    loaded = datasets.load_dataset(str(built.path), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == ({"train", "validation"} if val_split else {"train"})
    assert sum(split.num_rows for split in loaded.values()) == 20


@pytest.mark.parametrize("layout", ["arrow", "parquet"])
def test_what_the_card_says_of_the_columns_is_what_datasets_finds(samples: Build, tmp_path: Path, layout: str) -> None:
    """With the card and without, the columns, their types and the rows are the same."""
    folder = samples.path
    if layout == "parquet":
        folder = tmp_path / "published"
        as_parquet(samples.path, folder, one_per_split=True)
    told = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "told"))
    (folder / "README.md").unlink()
    patterns = {split: str(folder / f"**/{split}*/*.arrow") for split in told}
    if layout == "parquet":
        patterns = {split: str(folder / f"data/{split}-*.parquet") for split in told}
    found = datasets.load_dataset(layout, data_files=patterns, cache_dir=str(tmp_path / "found"))
    assert {split: data.features for split, data in told.items()} == {split: data.features for split, data in found.items()}
    assert {split: data.num_rows for split, data in told.items()} == {"train": 162, "validation": 25}


def test_a_count_that_is_wrong_is_found_by_datasets_too(samples: Build, tmp_path: Path) -> None:
    """The number of rows in the card is what `datasets` holds a split against."""
    text = build_card(samples.manifest).replace("num_examples: 25", "num_examples: 24")
    (samples.path / "README.md").write_text(text, encoding="utf8")
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        datasets.load_dataset(str(samples.path), cache_dir=str(tmp_path / "cache"))
