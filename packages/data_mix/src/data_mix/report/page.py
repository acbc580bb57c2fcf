"""The page: one file of HTML that loads nothing, with its data as JSON in it.

Texts of conversations, names and whatever else is the user's stand only in JSON (each `<` escaped), and scripts put them into
the page as text. The Content-Security-Policy names the digests of our own scripts and styles, so that no other would run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from data_mix.files import write_bytes
from data_mix.report.figures import manifest_figures, measured_figures
from data_mix.report.sample import KEPT, sample_rows
from data_mix.shards import REPORT, Build

_SCRIPTS: Final = ("chart.umd.min.js", "elements.js", "plots.js", "sections.js", "rows.js", "browser.js", "main.js")
"""In the order in which they run."""

_ESCAPES: Final = {ord("<"): "\\u003c", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""In JSON these stand in strings only: `<` could end the element, the others end a line in older readers."""


def write_report(build: Build) -> Path:
    """Write the report into the build's folder, and return its path. OutputError where it cannot be written."""
    path = build.path / REPORT
    write_bytes(path, report_page(build))
    return path


def report_page(build: Build) -> bytes:
    """The report as one file: the same bytes for the same build and token shards."""
    data = {"figures": manifest_figures(build), "measured": measured_figures(build), "rows": sample_rows(build), "per": KEPT}
    return _page(data, connect="'none'")


def served_page(build: Build) -> bytes:
    """The same page, which asks the server that it is from for conversations and for what must be measured."""
    return _page({"figures": manifest_figures(build), "measured": None, "rows": None, "per": 0}, connect="'self'")


def policy(connect: str) -> str:
    """The Content-Security-Policy: our scripts and styles by their digests, and nothing else."""
    scripts = " ".join(f"'{_digest(_asset(name))}'" for name in _SCRIPTS)
    style = _digest(_asset("page.css"))
    return (
        f"default-src 'none'; script-src {scripts}; style-src '{style}'; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'"
    )


def as_json(data: Any) -> str:
    """Data as JSON that can stand in an element of HTML."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)
    return text.encode("utf8", "backslashreplace").decode()  # half a surrogate pair becomes its escape


def _page(data: dict[str, Any], connect: str) -> bytes:
    """Fill the template; its marks are looked for in the template alone, not in what is filled in."""
    filled = {
        "policy": html.escape(policy(connect)),
        "title": html.escape(f"{data['figures']['name']} · datamix report"),
        "style": f"<style>{_asset('page.css')}</style>",
        "data": f'<script type="application/json" id="data">{as_json(data)}</script>',
        "scripts": "\n".join(f"<script>{_asset(name)}</script>" for name in _SCRIPTS),
    }
    pieces = _asset("page.html").split("@@")
    return "".join(filled[piece] if place % 2 else piece for place, piece in enumerate(pieces)).encode()


@cache
def _asset(name: str) -> str:
    return files("data_mix.report").joinpath("assets", name).read_text(encoding="utf8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
