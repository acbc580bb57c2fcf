"""Which files of a repository hold a split."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_mix.errors import ConfigError
from data_mix.fetch import Fetcher
from data_mix.fetch.repo_files import RepoFiles, readme_licence

CONFIGS = """---
license: mit
configs:
- config_name: extra
  data_files: extra/*.csv
- config_name: main
  default: true
  data_files:
  - split: train
    path: [a/train-*, b/**/train-*]
  - split: test
    path: a/test.parquet
---
# Card
"""


def repo(folder: Path, *paths: str, readme: str = "") -> RepoFiles:
    """A repository of empty files: a fetcher lists those of a folder of samples as it lists those of the hub."""
    for path in paths:
        (folder / "repo" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "repo" / path).touch()
    if readme:
        (folder / "repo" / "README.md").write_text(readme)
    return RepoFiles(Fetcher(home=folder / "home", samples=folder / "repo"), "owner/name", None)


@pytest.mark.parametrize(
    ("paths", "config", "split", "found"),
    [
        (
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"],
            *(None, "train", 2),
        ),
        (["main/train-0.parquet", "main/test-0.parquet", "other/train-0.parquet"], "main", "train", 1),
        (["train.jsonl", "train.md", "validation.jsonl.gz"], None, "validation", 1),
        (["default/train/0000.parquet", "default/test/0000.parquet"], None, "train", 1),
        (["my_test_set.csv", "my_train_set.csv"], None, "test", 1),
        (["some.jsonl", "other.jsonl.zst", "LICENSE"], None, "train", 2),
    ],
)
def test_files_are_found_in_the_usual_places(tmp_path: Path, paths: list[str], config: str, split: str, found: int) -> None:
    """Without a word in the README, folders and names tell which files are of a split, and only data files count."""
    assert len(repo(tmp_path, *paths).of_split(config, split)) == found


def test_the_readme_names_the_files(tmp_path: Path) -> None:
    """What the front matter says goes before any custom, for the default configuration as for another."""
    files = repo(
        tmp_path, "a/train-0.jsonl", "b/c/d/train-1.jsonl", "train.jsonl", "a/test.parquet", "extra/x.csv", readme=CONFIGS
    )
    assert files.of_split(None, "train") == ["a/train-0.jsonl", "b/c/d/train-1.jsonl"]
    assert files.of_split("main", "test") == ["a/test.parquet"]
    assert files.of_split("extra", "train") == ["extra/x.csv"]


def test_data_files_may_be_a_mapping(tmp_path: Path) -> None:
    """The field has several forms, of which one maps splits to files."""
    readme = "---\nconfigs:\n- config_name: x\n  data_files: {train: ./a.csv, test: b.csv}\n---\n"
    assert repo(tmp_path, "a.csv", "b.csv", readme=readme).of_split("x", "train") == ["a.csv"]


@pytest.mark.parametrize(
    ("config", "split", "said"), [("mian", "train", "did you mean 'main'"), (None, "dev", "it has train, test")]
)
def test_what_the_readme_lacks_is_an_error(tmp_path: Path, config: str | None, split: str, said: str) -> None:
    """An unknown configuration or split is answered with those that are there."""
    with pytest.raises(ConfigError, match=said):
        repo(tmp_path, "a/train-0.jsonl", readme=CONFIGS).of_split(config, split)


@pytest.mark.parametrize("readme", ["---\nconfigs: [\n---\n", "---\nconfigs: {a: b}\n---\n", "---\n- just a list\n---\n"])
def test_a_front_matter_that_cannot_be_read_is_an_error(tmp_path: Path, readme: str) -> None:
    """It says which way remains: naming the files oneself."""
    with pytest.raises(ConfigError, match=r"README\.md cannot be read .*data_files"):
        repo(tmp_path, "train.jsonl", readme=readme)


def test_a_split_in_no_usual_place_is_an_error(tmp_path: Path) -> None:
    """The error shows what files there are."""
    with pytest.raises(ConfigError, match=r"no files of split .validation. .* its data files are a\.jsonl, b\.jsonl"):
        repo(tmp_path, "b.jsonl", "a.jsonl").of_split(None, "validation")


def test_a_repository_without_data_is_an_error(tmp_path: Path) -> None:
    """A repository of a loading script, say, has nothing to read."""
    with pytest.raises(ConfigError, match="no data files of Parquet, JSON Lines or CSV"):
        repo(tmp_path, "script.py").of_split(None, "train")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "d/b.csv", "d/e/c1.csv"]),
        ("d/?.csv", ["d/b.csv"]),
        ("d/e/c[0-9].csv", ["d/e/c1.csv"]),
    ],
)
def test_a_glob_stays_inside_a_folder(tmp_path: Path, pattern: str, found: list[str]) -> None:
    """Only two stars lead into the folders below."""
    assert repo(tmp_path, "a.csv", "d/b.csv", "d/e/c1.csv").matching(pattern) == found


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        (CONFIGS, "MIT"),
        ("---\nlicense: [mit, cc-by-4.0]\n---\n", "MIT AND CC-BY-4.0"),
        ("---\nlicense: [\n---\n", "LicenseRef-unknown"),
        ("---\n- mit\n---\n", "LicenseRef-unknown"),
        ("license: mit", "LicenseRef-unknown"),
        ("", "LicenseRef-unknown"),
    ],
)
def test_the_licence_is_that_of_the_front_matter(readme: str, licence: str) -> None:
    """What a README says under `license` is the licence, and one that says none, or nothing readable, has none."""
    assert readme_licence(readme) == licence
