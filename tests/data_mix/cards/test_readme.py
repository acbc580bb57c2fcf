"""README.md of a build: all that the manifest counts, and texts of others that stay texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from building import build_mix, entry, mix_of, write
from data_mix.cards import build_card, check_card, first_conversations
from data_mix.cards.examples import as_lines
from data_mix.cards.recipe import section_of
from data_mix.config import as_yaml, load
from data_mix.mix import resolve_mix
from data_mix.shards import Build

HOSTILE = [
    "```\n---\nlicense: mit\n---\n# heading\n<script>alert(1)</script>",
    "````````\n~~~\n</code></pre><img src=x onerror=alert(1)>",
    "\x1b[31mred\x00\r\u202e\u2028---\u2028{{ 7 * 7 }} {0} %s",
    "| a | b |\n|---|---|\n[x](javascript:alert(1)) <!-- datamix:source -->",
]


def outside_of_fences(page: str) -> str:
    """What a reader of Markdown takes for Markdown."""
    kept, fence = [], ""
    for line in page.split("\n"):
        ticks = re.match("`{3,}", line)
        if fence:
            fence = "" if ticks and len(ticks[0]) >= len(fence) and line.strip("`") == "" else fence
        elif ticks:
            fence = ticks[0]
        else:
            kept.append(line)
    assert not fence, "a fence is left open"
    return "\n".join(kept)


@pytest.mark.parametrize("text", HOSTILE, ids=["front matter", "fences", "control", "table"])
def test_an_example_stays_an_example(tmp_path: Path, text: str) -> None:
    """A message that holds a fence, front matter, HTML or control characters ends nothing and becomes nothing."""
    raw = write(tmp_path / "raw.jsonl", [{"q": text, "a": text}])
    built = build_mix(tmp_path, mix_of(entry("e", raw, val_split=0)))
    page = build_card(built.manifest, first_conversations(built.path, built.parts))
    assert "### e\n" in page
    outside = outside_of_fences(page)
    assert "alert" not in outside
    assert "javascript" not in outside
    assert [sign for sign in page if sign < " " and sign != "\n"] == []
    (built.path / "README.md").write_text(page, encoding="utf8")
    assert check_card(built.path / "README.md") == []


def test_an_example_is_cut_to_a_few_lines() -> None:
    """A long line, a long message and a long conversation each end in a sign that more follows."""
    long = {"role": "user", "content": "\n".join(["x" * 1000] * 10)}
    lines = as_lines({"messages": [long] * 9}).split("\n")
    assert len(lines) == 13
    assert (max(map(len, lines)), lines[4], lines[-1]) == (241, "…", "…")


def test_counts_stand_in_tables(samples: Build) -> None:
    """Rows of each source by split, of each language and of each reason, as the manifest has them."""
    page = (samples.path / "README.md").read_text(encoding="utf8")
    assert "| `gsm8k` | MIT | 10 | 0 | 9 | 1 |" in page
    assert "| in all |  | 226 | 39 | 162 | 25 |" in page
    assert "| `no_speech` | 12 | `ted_trans_en-ja` 6, `ted_trans_zh-ja` 6 |" in page
    assert "| `uk-UA` | 2 | `oasst_export` 2 |" in page


def test_what_forbids_to_pass_it_on_is_said(samples: Build) -> None:
    """Each licence that binds is a line with the entry, and what stops a publication says how to leave it out."""
    page = (samples.path / "README.md").read_text(encoding="utf8")
    assert "- dolly15k (CC-BY-SA-3.0) asks that what is made of it be passed on under the same licence only" in page
    assert "the mix must not be passed on; leave it out with --without ted\\_trans\\_en-ja" in page


def test_what_is_off_is_not_spoken_of_and_what_is_on_is(samples: Build) -> None:
    """Near duplicates, contamination, findings, agreement and mixing have a section where the manifest has them."""
    titles = {"## Near duplicates", "## Contamination", "## Findings", "## Languages verified", "## Mixing"}
    assert titles.isdisjoint(build_card(samples.manifest).splitlines())
    source = samples.manifest["sources"]["gsm8k"] | {
        "findings": {"email": {"rows": 2, "times": 3}},
        "agreement": {"en": {"en": 8, "de": 2}},
    }
    more: dict[str, Any] = {
        "near_duplicates": {"clusters": 4, "rows": 1234},
        "contamination": {"mmlu": {"items": 2, "rows": 1}},
        "mixing": {
            "unit": "trained_tokens",
            "entries": {"joke": {"had": {"rows": 8}, "taken": {"rows": 20}, "epochs": 2.5, "share": 0.125}},
            "notices": ["mixing.total: 9 were asked for"],
        },
        "sources": samples.manifest["sources"] | {"gsm8k": source},
    }
    lines = build_card(samples.manifest | more).splitlines()
    assert titles <= set(lines)
    assert {
        "| `mmlu` | 2 | 1 |",
        "| `gsm8k` | `email` | 2 | 3 |",
        "| `en` | 10 | 8 | `de` 2 |",
        "| `joke` | 8 | 20 | 2.5 | 12.5% |",
    } <= set(lines)
    assert any("1,234 rows were dropped as near duplicates: of each of 4 clusters one row stayed" in line for line in lines)


def test_raw_files_are_named_with_a_short_digest(samples: Build) -> None:
    """Of each raw file its place and the beginning of its digest, of one that was read in part how many row groups."""
    page = (samples.path / "README.md").read_text(encoding="utf8")
    assert "| `oasst_export` | `2023-04-12_oasst_ready.trees.jsonl.gz` |  | `3eec45176479` | 9,649 |" in page
    assert "of 3 row groups, see `manifest.json`" in page


def test_the_mix_in_the_card_is_the_mix_of_the_build(samples: Build, tmp_path: Path) -> None:
    """The section that the card gives resolves to the mix of the manifest, though it says nothing that goes without saying."""
    section = as_yaml(section_of(samples.manifest))
    assert "\n  - gsm8k\n" in section
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/again.yaml").write_text(section, encoding="utf8")
    config = load([samples.manifest["name"]], config_dir=tmp_path / "configs")
    again = resolve_mix(config, find_files=False).portable()
    assert again == samples.manifest["mix"]
    assert section.rstrip() in (samples.path / "README.md").read_text(encoding="utf8")


def test_what_a_mix_says_beyond_the_defaults_stays_in_the_card(tmp_path: Path) -> None:
    """Types, own files, nested settings and options of all kinds come back, whatever the order of the section."""
    written = """
mine:
  datasets:
    - chats: {type: conversations, input_file_path: chats.jsonl, licence: CC-BY-4.0, val_split: 0}
    - wmt2019_zh-en: {direction: forward, max_train_set: 7}
    - oasst_export: {lang: "en,pt", max_labels: {spam: 0.5}, name: trees}
    - joke
  template: {name: chatml}
  stages: {length: {max_turns: 4}}
  deduplicate: false
"""
    (tmp_path / "a.yaml").write_text(written, encoding="utf8")
    mix = resolve_mix(load(["mine"], config_dir=tmp_path), find_files=False).portable()
    section = section_of({"name": "mine", "mix": mix})
    assert section["mine"]["stages"] == {"length": {"max_turns": 4}}
    (tmp_path / "a.yaml").write_text(as_yaml(section), encoding="utf8")
    assert resolve_mix(load(["mine"], config_dir=tmp_path), find_files=False).portable() == mix


def test_the_card_names_the_place_on_the_hub_where_there_is_one(samples: Build) -> None:
    """A published card says how it is loaded and pulled from there; one of a folder names no place at all."""
    page = build_card(samples.manifest, layout="parquet", files=[], repo="o/n")
    assert "datamix pull" not in page, "there is no row"
    files = [("data/train-0.parquet", "", 1, 162, "train")]
    page = build_card(samples.manifest, layout="parquet", files=files, repo="o/n")  # type: ignore[arg-type]
    assert 'polars.scan_parquet("hf://datasets/o/n/data/*.parquet")' in page
    assert "datamix pull o/n -o mix" in page
    assert str(samples.path) not in (samples.path / "README.md").read_text(encoding="utf8")


def test_the_same_build_has_the_same_card(samples: Build) -> None:
    """The card depends on nothing but the build."""
    pages = [build_card(samples.manifest, first_conversations(samples.path, samples.parts)) for _ in range(2)]
    assert pages[0] == pages[1] == (samples.path / "README.md").read_text(encoding="utf8")
