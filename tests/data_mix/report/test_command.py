"""`datamix report`: where the page goes, what is said, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

from commands import Shell


def a_browser(folder: Path) -> tuple[dict[str, str], Path]:
    """The variable that names a browser, which notes the address that it is given."""
    noted, program = folder / "opened", folder / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > "{noted}"\n')
    program.chmod(0o755)
    return {"BROWSER": str(program)}, noted


def test_the_report_is_written_into_the_build(sample_shell: Shell, sample_build: Path) -> None:
    """The command names the file that it wrote, and writes the same bytes again."""
    assert sample_shell.ok("report", sample_build) == f"{sample_build}/report.html: written\n"
    before = (sample_build / "report.html").read_bytes()
    sample_shell.ok("report", sample_build)
    assert (sample_build / "report.html").read_bytes() == before
    assert len(before) < 5_000_000


def test_verify_does_not_mind_the_report(sample_shell: Shell, sample_build: Path) -> None:
    """A build with its report is as it was built."""
    sample_shell.ok("report", sample_build)
    assert "every file is as it was built" in sample_shell.ok("verify", sample_build)


def test_open_shows_it_in_the_browser(sample_shell: Shell, sample_build: Path, tmp_path: Path) -> None:
    """--open hands the file's address to the browser of the system."""
    variables, noted = a_browser(tmp_path)
    Shell(sample_shell.cwd, sample_shell.home, variables=variables).ok("report", sample_build, "--open")
    assert noted.read_text().strip() == (sample_build / "report.html").as_uri()


def test_a_folder_that_is_no_build_is_refused(sample_shell: Shell, tmp_path: Path) -> None:
    """Nothing is written into a folder without a manifest."""
    assert "it is no finished build" in sample_shell.refused("report", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "does not exist" in sample_shell.refused("report", tmp_path / "nowhere")


def test_a_damaged_part_is_refused(sample_shell: Shell, sample_build: Path) -> None:
    """A part that is cut short is named in one line."""
    part = sample_build / json.loads((sample_build / "manifest.json").read_text())["parts"][0]["path"]
    part.write_bytes(part.read_bytes()[:-9])
    assert f"{part}: has" in sample_shell.refused("report", sample_build)
