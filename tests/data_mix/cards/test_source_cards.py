"""The generated blocks of the cards of sources: written by a command, and what people wrote around them left alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from commands import Shell
from data_mix.cards.source_cards import card_name, stale_cards, write_cards
from data_mix.errors import FormatError
from data_mix.source import sources

CARDS: Final = Path(__file__).parents[3] / "data_cards"


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """The cards of the repository in a folder of the test's own."""
    return shutil.copytree(CARDS, tmp_path / "cards")


def change(path: Path, old: str, new: str) -> None:
    """Put another text into a card."""
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf8")


def test_the_cards_of_the_repository_are_up_to_date() -> None:
    """What stands in the generated blocks is what the sources say (else: `datamix sources --cards data_cards`)."""
    assert stale_cards(CARDS) == []


def test_a_stale_block_is_named_and_written_anew(cards: Path) -> None:
    """A changed licence and a missing option are each found, and one run brings back what was there."""
    before = {path: path.read_bytes() for path in cards.iterdir()}
    change(cards / "joke.md", "| Licence | MIT |", "| Licence | GPL |")
    change(cards / "gsm8k.md", "| `final_line`", "| `last_line`")
    stale = stale_cards(cards)
    assert [line.split(" is not")[0] for line in stale] == [
        f"{cards}/gsm8k.md: its block 'options'",
        f"{cards}/joke.md: its block 'source'",
    ]
    assert write_cards(cards) == [cards / "gsm8k.md", cards / "joke.md"]
    assert {path: path.read_bytes() for path in cards.iterdir()} == before
    assert write_cards(cards) == []


def test_what_people_wrote_is_left_alone(cards: Path) -> None:
    """Text before, between and behind the blocks stays, and so do cards of benchmarks and other pages."""
    change(cards / "joke.md", "## Record", "A word of ours.\n\n## Record")
    change(cards / "joke.md", "| Licence | MIT |", "")
    (cards / "notes.md").write_text("no card", encoding="utf8")
    assert write_cards(cards) == [cards / "joke.md"]
    assert "A word of ours.\n\n## Record" in (cards / "joke.md").read_text(encoding="utf8")
    assert (cards / "notes.md").read_text(encoding="utf8") == "no card"


def test_a_card_without_its_marks_is_refused(cards: Path) -> None:
    """A block that has no place, or two, is not guessed at."""
    change(cards / "joke.md", "<!-- datamix:source -->", "")
    assert "has no block 'source'; write <!-- datamix:source -->" in stale_cards(cards)[0]
    with pytest.raises(FormatError, match=r"joke\.md: has 0 blocks 'source', wanted one"):
        write_cards(cards)
    change(cards / "joke.md", "| | |", "<!-- datamix:source -->\n<!-- /datamix:source -->\n<!-- datamix:source -->\n| | |")
    with pytest.raises(FormatError, match=r"joke\.md: has 2 blocks 'source', wanted one"):
        write_cards(cards)


def test_a_card_of_another_name_is_named(cards: Path) -> None:
    """The title of a card is the name of its source."""
    change(cards / "joke.md", "# joke", "# jokes")
    assert stale_cards(cards) == [f"{cards}/joke.md: begins with ['# jokes'], wanted # joke"]


def test_every_source_has_a_name_for_its_card() -> None:
    """The pattern of a name is left out of it, and no two sources share a card."""
    names = [card_name(source) for source in sources().values()]
    assert {"wmt2019", "ted_trans", "joke"} <= set(names)
    assert len(set(names)) == len(names)


def test_the_block_says_where_the_files_are_and_what_the_options_are() -> None:
    """Repository, paths and revision are the source's own, and an option has its type, default and sentence."""
    gsm8k = (CARDS / "gsm8k.md").read_text(encoding="utf8")
    assert "`openai/gsm8k`, `main/train-*.parquet` (revision: 740312add88f781978c0658806c59bc2815b9866)" in gsm8k
    assert "| `calculator` | `strip` or `keep` | `strip` | What becomes of calculator marks" in gsm8k
    assert "| `min_score` | number from -1 to 1 | none |" in (CARDS / "webgpt.md").read_text(encoding="utf8")


def test_the_command_writes_or_names_what_is_stale(cards: Path, tmp_path: Path) -> None:
    """`--check` ends with 1 and a line per card, without it the cards are written, and other uses are refused."""
    shell = Shell(cwd=tmp_path, home=tmp_path / "home")
    assert "says what its source says" in shell.ok("sources", "--cards", "cards", "--check")
    change(cards / "joke.md", "| Languages | en |", "| Languages | fr |")
    done = shell.run("sources", "--cards", "cards", "--check")
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (1, 1, "")
    assert shell.ok("sources", "--cards", "cards") == "cards/joke.md: written\n"
    assert shell.run("sources", "--check").returncode == 2
    assert "holds no card of a source" in shell.refused("sources", "--cards", tmp_path)
    assert "does not exist" in shell.refused("sources", "--cards", "nowhere")
