"""croissant.json as `mlcroissant` reads it: over Parquet with records, over Arrow parts with digests."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from carded import as_parquet, change_json, describe
from data_mix.cards import CROISSANT, arrow_files, croissant
from data_mix.shards import Build

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlcroissant's way to call rdflib and pandas

RECOMMENDED = '"https://schema.org/datePublished" is recommended'
"""What a build cannot say: it knows no time."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """It writes what it misses to the log."""
    caplog.set_level(logging.ERROR)


def opened(folder: Path) -> mlcroissant.Dataset:
    """The description, valid but for the date."""
    found = mlcroissant.Dataset(str(folder / CROISSANT))
    issues = found.metadata.ctx.issues
    assert not issues.errors
    assert [each for each in issues.warnings if RECOMMENDED not in each] == []
    return found


def causes(error: BaseException | None) -> Iterator[str]:
    """What an error says, and those that it came from."""
    while error is not None:
        yield str(error)
        error = error.__cause__


@pytest.mark.parametrize("one_per_split", [True, False])
def test_the_records_of_the_published_parquet_are_the_rows_of_the_build(
    samples: Build, tmp_path: Path, one_per_split: bool
) -> None:
    """Every split has as many records as the manifest counts, of each source, and a record holds all columns."""
    as_parquet(samples.path, tmp_path / "published", one_per_split=one_per_split)
    found = opened(tmp_path / "published")
    for split in ("train", "validation"):
        records = [{key.partition("/")[2]: value for key, value in each.items()} for each in found.records(split)]
        counts = Counter(record["source"].decode() for record in records)
        kept = {name: source["rows"]["kept"][split] for name, source in samples.manifest["sources"].items()}
        assert counts == {name: rows for name, rows in kept.items() if rows}
        rows = {row["id"]: row for _, table in samples.tables(split) for row in table.to_pylist()}
        for record in records:
            row = rows[record["id"].decode()]
            assert (record["split"], record["lang"], record["text"]) == (
                split.encode(),
                row["lang"].encode(),
                row["text"].encode(),
            )
            names = ("role", "content", "train")
            messages = [{name: each[f"{split}/messages/{name}"] for name in names} for each in record["messages"]]
            assert [{**each, "role": each["role"].decode(), "content": each["content"].decode()} for each in messages] == row[
                "messages"
            ]


def test_an_arrow_build_is_valid_and_lists_every_part(samples: Build) -> None:
    """Each part has its digest, and no record set promises what cannot be read."""
    found = opened(samples.path)
    digests = {each.id: each.sha256 for each in found.metadata.file_objects}
    assert digests == {file.path: file.sha256 for file in arrow_files(samples.manifest)}
    assert found.metadata.record_sets == []


@pytest.mark.parametrize("one_per_split", [True, False])
def test_a_place_on_the_hub_gives_urls(samples: Build, tmp_path: Path, one_per_split: bool) -> None:
    """With a repository the description is valid as well, its files are URLs of a revision, and it has a URL of its own."""
    files = as_parquet(samples.path, tmp_path, one_per_split=one_per_split)
    described = croissant(samples.manifest, files, "parquet", "o/n", "v1")
    (tmp_path / CROISSANT).write_text(json.dumps(described), encoding="utf8")
    urls = [each.content_url for each in opened(tmp_path).metadata.file_objects if each.id != "repository"]
    assert urls == [f"https://huggingface.co/datasets/o/n/resolve/v1/{file.path}" for file in files]
    assert described["url"] == "https://huggingface.co/datasets/o/n"


def test_what_lies_in_a_repository_is_named_by_its_path_there(samples: Build, tmp_path: Path) -> None:
    """Without a revision the description has the URL of the repository, and every copy of its files can be read by it."""
    files = as_parquet(samples.path, tmp_path, one_per_split=True)
    described = croissant(samples.manifest, files, "parquet", "o/n")
    (tmp_path / CROISSANT).write_text(json.dumps(described), encoding="utf8")
    assert described["url"] == "https://huggingface.co/datasets/o/n"
    assert len(list(opened(tmp_path).records("validation"))) == 25


def test_a_digest_that_is_wrong_is_refused(samples: Build, tmp_path: Path) -> None:
    """`mlcroissant` reads no record of a file with other bytes than the description says."""
    files = as_parquet(samples.path, tmp_path, one_per_split=True)
    describe(tmp_path, samples.manifest, [file._replace(sha256="0" * 64) for file in files])
    with pytest.raises(mlcroissant.GenerationError) as refused:
        list(opened(tmp_path).records("train"))
    assert "is not identical" in " ".join(causes(refused.value))


def test_a_column_that_is_missing_is_refused(samples: Build, tmp_path: Path) -> None:
    """`mlcroissant` reads no record where a field names a column that the file has not."""
    as_parquet(samples.path, tmp_path, one_per_split=True)

    def rename(found: dict[str, Any]) -> None:
        found["recordSet"][0]["field"][1]["source"]["extract"]["column"] = "nowhere"

    change_json(tmp_path / CROISSANT, rename)
    with pytest.raises(mlcroissant.GenerationError) as refused:
        list(opened(tmp_path).records("train"))
    assert 'Column "nowhere" does not exist' in " ".join(causes(refused.value))


def test_what_is_said_of_the_whole_is_known_from_the_build(samples: Build) -> None:
    """Version and citation are the fingerprint's, licences are URLs where SPDX has them, and homepages are named."""
    found = croissant(samples.manifest, arrow_files(samples.manifest), "arrow")
    fingerprint = samples.manifest["fingerprint"]
    assert found["version"] == f"1.0.0+{fingerprint[:12]}"
    assert fingerprint in found["citeAs"]
    assert "https://spdx.org/licenses/CC-BY-NC-ND-4.0.html" in found["license"]
    assert "LicenseRef-private" in found["license"]
    assert {"@id": "https://wit3.fbk.eu"} in found["prov:wasDerivedFrom"]
    assert "gsm8k: 10 rows read, 10 kept; dropped: none." in found["rai:dataPreprocessingProtocol"]
    assert found.keys().isdisjoint({"datePublished", "dateCreated", "dateModified"})
