"""The README.md of a build: front matter by which the Hub and `datasets` find the parts, and what became of each source."""

from __future__ import annotations

from typing import Any, Final

from data_mix.shards import DROPPED, parts_of

_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def build_card(manifest: dict[str, Any]) -> str:
    """The card as Markdown; https://huggingface.co/docs/hub/datasets-cards says what the front matter may hold."""
    splits = sorted({part.split for part in parts_of(manifest)} - {DROPPED})
    rows = sum(part.rows for part in parts_of(manifest) if part.split in splits)
    lines = [*_front_matter(splits, _languages(manifest), rows), "", f"# {manifest['name']}", ""]
    lines += [f"{rows:,} conversations, formatted with the template `{manifest['template']['name']}`.", ""]
    lines += ["| source | licence | read | dropped | train | validation |", "|---|---|---:|---:|---:|---:|"]
    lines += [_row(name, source) for name, source in manifest["sources"].items()]
    warnings = [f"- {_cell(warning)}" for warning in manifest["licence_warnings"]]
    return "\n".join([*lines, *(["", *warnings] if warnings else [])]) + "\n"


def _front_matter(splits: list[str], languages: list[str], rows: int) -> list[str]:
    """YAML between two rules; tags are quoted, for YAML takes `no` for false."""
    files = [line for split in splits for line in (f"  - split: {split}", f"    path: {split}/*.arrow")]
    tags = [f'- "{tag}"' for tag in languages]
    return [
        *("---", "configs:", "- config_name: default"),
        *(["  data_files:", *files] if files else ["  data_files: []"]),
        *(["language:", *tags] if tags else []),
        *("size_categories:", f"- {_size(rows)}", "---"),
    ]


def _languages(manifest: dict[str, Any]) -> list[str]:
    """The base tags of the kept rows, sorted."""
    tags = {tag.split("-")[0] for source in manifest["sources"].values() for tag in source["languages"]}
    return sorted(tags)


def _size(rows: int) -> str:
    """The Hub's size category."""
    return next((name for limit, name in _SIZES if rows < limit), "n>10M")


def _cell(text: str) -> str:
    """A text of the user's as one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def _row(name: str, source: dict[str, Any]) -> str:
    rows = source["rows"]
    dropped = sum(rows["dropped"].values())
    kept = rows["kept"]
    return f"| {name} | {_cell(source['licence'])} | {rows['read']} | {dropped} | {kept['train']} | {kept['validation']} |"
