"""The page as a file: whole, quiet, the same each time, and safe whatever a conversation says."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

from data_mix.report import report_page, write_report
from data_mix.report.page import as_json
from data_mix.shards import open_build, verify
from looking_at import HOSTILE, make_build, pair, plain


class Reader(HTMLParser):
    """What elements a page has, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that begins."""
        self.elements.append((tag, dict(attrs)))


def elements(page: bytes) -> list[tuple[str, dict[str, str | None]]]:
    """The elements of a page."""
    reader = Reader()
    reader.feed(page.decode())
    return reader.elements


def data_of(page: bytes) -> dict[str, Any]:
    """The data of a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.decode(), re.DOTALL)
    assert found
    return dict(json.loads(found.group(1)))


def test_what_a_conversation_says_is_data(tmp_path: Path) -> None:
    """Markup in texts, ids, names and notices adds no element to the page, and comes back as it was."""
    quiet = make_build(tmp_path / "quiet", {("train", "one"): plain(1)})
    keys = {"name": HOSTILE, "sources": {"one": {"notices": [HOSTILE], "homepage": HOSTILE, "licence": HOSTILE}}}
    loud = make_build(tmp_path / "loud", {("train", "one"): [(HOSTILE, "en", pair(HOSTILE, HOSTILE))]}, **keys)
    page = report_page(loud)
    assert [tag for tag, _ in elements(page)] == [tag for tag, _ in elements(report_page(quiet))]
    assert data_of(page)["rows"][0]["messages"][0]["content"] == HOSTILE


def test_json_in_the_page_has_no_character_that_ends_something() -> None:
    """`<`, the separators of lines and half of a pair of surrogates are escaped, and are read back."""
    text = as_json(["</script>", "\u2028\u2029", "\ud800", "\x00"])
    assert not set("<\u2028\u2029\x00").intersection(text)
    assert json.loads(text.encode()) == ["</script>", "\u2028\u2029", "\ud800", "\x00"]


def test_a_page_loads_nothing(tmp_path: Path) -> None:
    """No element names anything outside the page, and the policy of the page forbids to ask for it."""
    page = report_page(make_build(tmp_path, {("train", "one"): plain(3)}))
    assert not [attributes for _, attributes in elements(page) if {"src", "srcset", "data"} & attributes.keys()]
    assert [attributes["href"] for tag, attributes in elements(page) if "href" in attributes] == ["#conversations"]
    (policy,) = [attributes["content"] for tag, attributes in elements(page) if "http-equiv" in attributes]
    assert policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_same_build_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two folders of one build have one report."""
    parts = {("train", "one"): plain(300), ("validation", "one"): plain(20)}
    assert report_page(make_build(tmp_path / "1", parts)) == report_page(make_build(tmp_path / "2", parts))


def test_a_build_with_a_report_is_still_whole(sample_build: Path) -> None:
    """The report is no file of the manifest, and nothing that reads a build minds it."""
    import datasets

    write_report(open_build(sample_build))
    assert verify(sample_build) == []
    assert set(datasets.load_dataset(str(sample_build), cache_dir=str(sample_build.parent / "cache"))) == {
        "train",
        "validation",
    }


def test_the_charting_library_is_the_one_that_is_named() -> None:
    """The digest in the README of the assets is the file's, and its licence lies beside it."""
    folder = files("data_mix.report") / "assets"
    digest = hashlib.sha256((folder / "chart.umd.min.js").read_bytes()).hexdigest()
    assert digest in (folder / "README.md").read_text(encoding="utf8")
    assert "MIT License" in (folder / "chart-js-LICENSE.md").read_text(encoding="utf8")


def test_no_script_of_ours_makes_markup_of_text() -> None:
    """None of the ways by which text becomes markup or code stands in our scripts."""
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc")
    scripts = [path for path in (files("data_mix.report") / "assets").iterdir() if path.name.endswith(".js")]
    assert len(scripts) > 5
    assert not [path.name for path in scripts if ways.search(path.read_text(encoding="utf8")) and "chart" not in path.name]
