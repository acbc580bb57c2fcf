"""README.md of a build: what is in it, where it is from, what was left out and why, under which licences, how it is made again.

Everything in it is read from the manifest, the data files that are listed, and one conversation per source. It holds no time,
host or absolute path, and texts of others in it are neither Markdown nor HTML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from data_mix.cards.card_file import CardFile, Layout, arrow_files, by_split, patterns
from data_mix.cards.examples import Conversation, as_lines
from data_mix.cards.front_matter import front_matter
from data_mix.cards.quality import quality
from data_mix.cards.recipe import section_of
from data_mix.config import as_yaml
from data_mix.licence import conditions, licences_of, mix_licence, redistribution
from data_mix.markdown import code, fenced, link, plain, table
from data_mix.schema import SPLITS

README: Final = "README.md"

_FILES_SHOWN, _SHORT = 4, 12
_READERS: Final[dict[Layout, str]] = {"arrow": "scan_ipc", "parquet": "scan_parquet"}


def build_card(
    manifest: Mapping[str, Any],
    examples: Mapping[str, Conversation] | None = None,
    *,
    layout: Layout = "arrow",
    files: Sequence[CardFile] | None = None,
    repo: str | None = None,
) -> str:
    """The card as Markdown, of the Arrow parts of a build, or of other data files that were made of it.

    `examples` is a conversation by source (`first_conversations`); `repo` the place on the Hub, `OWNER/NAME`.
    """
    listed = arrow_files(manifest) if files is None else [CardFile(*file) for file in files]
    parts = [
        front_matter(manifest, listed),
        f"# {plain(manifest['name'])}",
        _summary(manifest, listed),
        *_loading(layout, listed, repo),
        *_sources(manifest),
        *_languages(manifest),
        *_dropped(manifest),
        *quality(manifest),
        *_licences(manifest),
        *_provenance(manifest),
        *_examples(examples or {}),
        *_again(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(manifest: Mapping[str, Any], files: Sequence[CardFile]) -> str:
    rows, template = sum(file.rows for file in files), manifest["template"]["name"]
    sources = len(licences_of(manifest))
    return (
        f"{rows:,} conversations from {sources} source{'' if sources == 1 else 's'}, formatted with the template "
        f"{code(template)}, built by datamix. `manifest.json` says for programs what stands here; its fingerprint is "
        f"{code(manifest['fingerprint'])}."
    )


def _loading(layout: Layout, files: Sequence[CardFile], repo: str | None) -> Iterator[str]:
    """How to read it; nothing where there is no row."""
    splits = by_split(files)
    if not splits:
        return
    place = repo or "OUT"
    pattern = patterns(next(iter(splits)), files)[0]
    where = f"hf://datasets/{repo}/{pattern}" if repo else f"OUT/{pattern}"
    yield "## Reading it"
    if not repo:
        yield "`OUT` is this folder."
    lines = ["import datasets, polars", "", f'datasets.load_dataset("{place}")', f'polars.{_READERS[layout]}("{where}")']
    yield fenced("\n".join(lines), "python")
    if repo:
        yield fenced(f"datamix pull {repo} -o mix", "sh")


def _sources(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Rows read, dropped and kept of each source."""
    counts = {name: _counts(source["rows"]) for name, source in manifest["sources"].items()}
    columns = ["read", "dropped", *SPLITS]
    rows = [[code(name), plain(manifest["sources"][name]["licence"]), *map(_number, own)] for name, own in counts.items()]
    total = ["in all", "", *(_number(sum(column)) for column in zip(*counts.values(), strict=True))]
    yield "## Sources"
    yield table(["source", "licence", *columns], [*rows, total] if len(rows) > 1 else rows, numbers=columns)
    notices = [f"- {code(name)}: {plain(each)}" for name, own in manifest["sources"].items() for each in own["notices"]]
    if notices:
        yield "\n".join(notices)


def _counts(rows: Mapping[str, Any]) -> list[int]:
    return [rows["read"], sum(rows["dropped"].values()), *(rows["kept"][split] for split in SPLITS)]


def _languages(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Kept rows by language, and of which source."""
    by_tag = _by_key({name: source["languages"] for name, source in manifest["sources"].items()})
    if by_tag:
        yield "## Languages"
        yield _tally(by_tag, "language")


def _dropped(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Dropped rows by reason, and of which source."""
    by_reason = _by_key({name: source["rows"]["dropped"] for name, source in manifest["sources"].items()})
    if by_reason:
        yield "## Dropped"
        yield _tally(by_reason, "reason")


def _by_key(counts: Mapping[str, Mapping[str, int]]) -> dict[str, Counter[str]]:
    """Counts by source by key, from counts by key by source; the most frequent key first."""
    found: dict[str, Counter[str]] = {}
    for name, own in counts.items():
        for key, count in own.items():
            found.setdefault(key, Counter())[name] += count
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


def _tally(counts: Mapping[str, Counter[str]], key: str) -> str:
    rows = [[code(name), _number(own.total()), _of_which(own)] for name, own in counts.items()]
    return table([key, "rows", "of which"], rows, numbers=["rows"])


def _of_which(counts: Counter[str]) -> str:
    return ", ".join(f"{code(name)} {count:,}" for name, count in counts.items())


def _number(count: int) -> str:
    return f"{count:,}"


def _licences(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The licence of the mix, of each source, and what follows."""
    licences = licences_of(manifest)
    if not licences:
        return
    yield "## Licences"
    whole, name = mix_licence(licences.values()), code("mixed")
    yield (
        f"As a whole: {code(whole.name or whole.hub)}. That is the most restrictive of the sources' licences, or begins with "
        f"{name} where none of them asks all that the others ask. Each source keeps its own licence; what one may do with the "
        "mix is for the reader to find out."
    )
    homepages = {name: manifest["sources"][name]["homepage"] for name in licences}
    rows = [[code(name), plain(licence), link(homepages[name])] for name, licence in licences.items()]
    yield table(["source", "licence", "homepage"], rows)
    remarks = [*conditions(licences), *redistribution(licences)]
    if remarks:
        yield "\n".join(f"- {plain(remark)}" for remark in remarks)


def _provenance(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The raw files, digests and revisions cut short: the manifest has them whole."""
    rows = [row for name, source in manifest["sources"].items() for row in _raw_files(name, source["files"])]
    yield "## Where it is from"
    yield table(["source", "file", "revision", "SHA-256", "bytes"], rows, numbers=["bytes"])


def _raw_files(name: str, files: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for file in files[:_FILES_SHOWN]:
        revision = file.get("revision") or ""
        place = file["url"].replace(f"@{revision}", "") if revision else file["url"]
        shown = code(revision[:_SHORT]) if revision else ""
        yield [code(name), code(place), shown, _digest(file), _number(file["bytes"]) if file.get("bytes") else ""]
    if len(files) > _FILES_SHOWN:
        yield [code(name), f"and {len(files) - _FILES_SHOWN:,} more, see `manifest.json`", "", "", ""]


def _digest(file: Mapping[str, Any]) -> str:
    """What the bytes that were read are known by."""
    if file.get("sha256"):
        return code(file["sha256"][:_SHORT])
    return f"of {len(file.get('ranges') or ()):,} row groups, see `manifest.json`"


def _examples(examples: Mapping[str, Conversation]) -> Iterator[str]:
    if examples:
        yield "## Examples"
        yield "The first conversation of each source, cut to a few lines."
    for name, conversation in examples.items():
        yield f"### {plain(name)}"
        yield f"{code(conversation['id'])}, in {code(conversation['lang'])}"
        yield fenced(as_lines(conversation), "text")


def _again(manifest: Mapping[str, Any]) -> Iterator[str]:
    """How to make the same build."""
    name = manifest["name"]
    yield "## Building it again"
    yield f"As {code(f'configs/{name}.yaml')}, with files of one's own beside it:"
    yield fenced(as_yaml(section_of(manifest)), "yaml")
    yield fenced(f"datamix build --configs {name} -o OUT", "sh")
