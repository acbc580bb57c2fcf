"""What is wrong with a card is found without the Hub, and each fault is one line."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carded import as_parquet, change_json
from commands import Shell
from data_mix.cards import CROISSANT, README, check_card
from data_mix.cards.vocabulary import SIZES, language_codes
from data_mix.errors import FormatError
from data_mix.licence import hub_licences
from data_mix.shards import Build

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets

Change = Callable[[dict[str, Any]], object]


def test_the_cards_of_a_build_are_right(samples: Build, tmp_path: Path) -> None:
    """Nothing is wrong with those of Arrow parts, nor with those of Parquet in one file per split or several."""
    assert check_card(samples.path) == []
    for one_per_split in (True, False):
        folder = tmp_path / f"published-{one_per_split}"
        as_parquet(samples.path, folder, one_per_split=one_per_split)
        assert check_card(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("---\nlicense", "license", "begins with 'license: other', wanted the rule ---"),
        ("\n---\n", "\n", "its front matter has no end"),
        ("---\nlicense: other", "---\nlicense: [", "its front matter is no YAML"),
        ("license: other", "license: creative", "license 'creative' is no identifier of the Hub's"),
        ("license: other", "license: [mit, [x]]", "license ['x'] is no identifier of the Hub's"),
        ("license: other\n", "", "names no license"),
        ("license_name", "licence_name", "license_name is missing"),
        ('- "bg"', '- "eng"', "language 'eng' is no code of ISO 639-1"),
        ('- "bg"', "- no\n- jp", "language False is no code of ISO 639-1"),
        ('- "bg"\n', "", "language lacks bg, which the manifest counts"),
        ("n<1K", "n<2K", "size_categories 'n<2K' is none of n<1K"),
        ("n<1K", "1K<n<10K", "the manifest counts 187 rows: n<1K"),
        ("configs:", "config:", "configs is None, wanted a list"),
        ("config_name: default\n  data", "config_name: 7\n  data", "has the config_name 7, wanted a name"),
        ("train/*.arrow", "training/*.arrow", "'training/*.arrow' of the split train names no file"),
        ("train/*.arrow", "train/[ag]*.arrow", "train/joke-00000.arrow is in no split of configs"),
        ('path: "validation/*.arrow"', 'path: "*/*.arrow"', "train/joke-00000.arrow is in the splits train and validation"),
        ("split: validation", "split: vali-dation", "split 'vali-dation' is no name of a split"),
        ("num_examples: 162", "num_examples: 161", "num_examples of train is 161, the manifest says 162"),
        ("name: validation", "name: test", "dataset_info has the split test, the manifest has none"),
        ("download_size: ", "download_size: 1", "download_size is 1"),
        ("dataset_info:", "dataset_inf:", "dataset_info is NoneType, wanted features, splits and sizes"),
    ],
)
def test_a_fault_of_the_front_matter_is_a_line(samples: Build, old: str, new: str, said: str) -> None:
    """Each says what was found, and what was wanted."""
    page = samples.path / README
    text = page.read_text(encoding="utf8")
    assert old in text
    page.write_text(text.replace(old, new, 1), encoding="utf8")
    problems = check_card(samples.path)
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith(f"{page}: ") and "\n" not in problem for problem in problems)
    assert check_card(page) == problems


def _object(found: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = found["distribution"][0]
    return node


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("license"), "has no license"),
        (lambda found: found.update(name=""), "has no name"),
        (lambda found: found.update(version="one"), "version 'one' is not MAJOR.MINOR.PATCH"),
        (
            lambda found: found.update(conformsTo="http://mlcommons.org/croissant/0.8"),
            "wanted http://mlcommons.org/croissant/1.1",
        ),
        (lambda found: found.update({"@type": "Dataset"}), "@type is 'Dataset'"),
        (lambda found: _object(found).update(sha256="0" * 64), "data/train-00000.parquet: sha256 is 000"),
        (lambda found: _object(found).update(sha256="abc"), "sha256 'abc' is no SHA-256"),
        (lambda found: _object(found).pop("encodingFormat"), "data/train-00000.parquet: has no encodingFormat"),
        (lambda found: _object(found).update(contentUrl="http://x/y"), "contentUrl 'http://x/y' leads elsewhere"),
        (lambda found: found["distribution"].pop(0), "does not list data/train-00000.parquet"),
        (lambda found: found["distribution"].pop(0), "fileObject refers to 'data/train-00000.parquet', which is not there"),
        (lambda found: _object(found).update({"@id": "data/other.parquet"}), "data/other.parquet: there is no such file"),
        (lambda found: found["distribution"].append(_object(found)), "the @id 'data/train-00000.parquet' comes twice"),
        (lambda found: found["recordSet"][0].update(key={"@id": "train/no"}), "key refers to 'train/no', which is not there"),
        (
            lambda found: found["recordSet"][0]["field"][1]["source"]["extract"].update(column="nowhere"),
            "train/id: data/train-00000.parquet has no column 'nowhere'",
        ),
        (lambda found: found["recordSet"][0]["field"][1].update(source={"fileObject": "x"}), "fileObject refers to 'x'"),
    ],
)
def test_a_fault_of_the_description_is_a_line(samples: Build, tmp_path: Path, change: Change, said: str) -> None:
    """What `mlcroissant` finds when it reads, and what it lets pass, is found in the file."""
    as_parquet(samples.path, tmp_path / "published", one_per_split=True)
    change_json(tmp_path / "published" / CROISSANT, change)
    problems = check_card(tmp_path / "published")
    assert any(said in problem for problem in problems), problems


def test_the_digest_of_a_part_is_the_manifest_s(samples: Build) -> None:
    """Over Arrow the description is held against the manifest: no part is read for it."""
    change_json(samples.path / CROISSANT, lambda found: _object(found).update(sha256="1" * 64))
    (problem,) = check_card(samples.path)
    assert problem.endswith(f"the file's is {samples.parts[0].sha256}")


@pytest.mark.parametrize("name", [README, CROISSANT])
def test_a_card_that_is_missing_or_no_text_is_a_line(samples: Build, name: str) -> None:
    """A file that is gone, and one that is not UTF-8, are problems like any other."""
    (samples.path / name).write_bytes(b"\xff\xfe")
    assert len(check_card(samples.path)) == 1
    (samples.path / name).unlink()
    assert check_card(samples.path) == [f"{samples.path / name}: cannot be read (No such file or directory); build again"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A mistyped path is no card without faults."""
    with pytest.raises(FormatError, match="does not exist; name the folder of a build"):
        check_card(tmp_path / "nowhere")


def test_the_vocabularies_are_the_hub_s() -> None:
    """Languages and sizes are those that `datasets` ships, and licences are written as the Hub writes them."""
    resources = Path(datasets.__file__).parent / "utils/resources"
    assert language_codes() == set(json.loads((resources / "languages.json").read_text(encoding="utf8")))
    assert [*SIZES] == json.loads((resources / "size_categories.json").read_text(encoding="utf8"))[1:]
    assert {"mit", "apache-2.0", "cc-by-nc-nd-4.0", "other", "unknown"} <= hub_licences()
    assert all(name == name.lower() and "#" not in name for name in hub_licences())


def test_the_command_says_each_problem_and_ends_with_1(samples: Build, tmp_path: Path) -> None:
    """A line per problem and exit code 1, a list as JSON, and a sentence where nothing is wrong."""
    shell = Shell(cwd=tmp_path, home=tmp_path / "home")
    assert "say what is there" in shell.ok("check-card", samples.path)
    shutil.copy(samples.path / README, tmp_path / README)
    (samples.path / CROISSANT).unlink()
    done = shell.run("check-card", samples.path)
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (1, 1, "")
    done = shell.run("check-card", samples.path, "--json")
    assert (done.returncode, len(json.loads(done.stdout)["problems"])) == (1, 1)
    assert "does not exist" in shell.refused("check-card", "nowhere")
