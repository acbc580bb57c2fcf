"""Parts of a build: believed only while they are as they were written."""

from __future__ import annotations

from pathlib import Path

from data_mix.tokens.parts import read_staged


def test_a_staged_part_without_its_proof_is_not_believed(tmp_path: Path) -> None:
    """A file that a killed run left is written again."""
    (tmp_path / "00000.arrow").write_bytes(b"half of it")
    assert read_staged(tmp_path / "00000.arrow") is None
    (tmp_path / "00000.proof").write_bytes(b"half of that as well")
    assert read_staged(tmp_path / "00000.arrow") is None
