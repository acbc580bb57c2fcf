"""Packs in memory and on disk."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.errors import OutputError
from data_mix.packing import (
    NO_PACK,
    PIECE,
    Conversations,
    PackKey,
    Packs,
    Policy,
    make_packs,
    open_packs,
    packs_of,
    save_packs,
)
from splits import ROWS, Exchange, Row, one_turn, split_of

KEY = PackKey(tokens="0123.train", max_length=16)
SPLIT = one_turn([16, 10, 6, 9, 4, 2, 2])


def digests(packs: Packs) -> tuple[bytes, bytes]:
    """The bytes of both arrays."""
    return packs.offsets.tobytes(), packs.pieces.tobytes()


def saved(folder: Path, key: PackKey = KEY, conversations: Conversations = SPLIT) -> Packs:
    """An index on disk."""
    packs = make_packs(conversations, key.max_length, key.policy)
    save_packs(folder, key, packs)
    return packs


def never() -> Conversations:
    """What must not be asked for."""
    raise AssertionError("the token shards were read")


@pytest.mark.parametrize("policy", ["truncate", "drop", "split"])
@settings(deadline=None)
@given(rows=ROWS, max_length=st.integers(5, 30))
def test_every_kept_token_is_in_exactly_one_pack(policy: Policy, rows: list[Row], max_length: int) -> None:
    """Tokens of all packs, repeated heads left out, are distinct and as many as the statistics say were kept."""
    packs = make_packs(split_of([*rows, Row(0, [Exchange(1, 1)])]), max_length, policy)
    pieces = [piece for number in range(len(packs)) for piece in packs[number].tolist()]
    tokens = [(row, place) for row, start, end, _, _ in pieces for place in range(start, end)]
    assert len(set(tokens)) == len(tokens) == packs.statistics.read_tokens - packs.statistics.lost_tokens


@pytest.mark.parametrize("policy", ["truncate", "drop", "split"])
@settings(deadline=None)
@given(rows=ROWS, max_length=st.integers(5, 30))
def test_no_pack_exceeds_max_length(policy: Policy, rows: list[Row], max_length: int) -> None:
    """Pieces with their heads fit into the row of their pack."""
    packs = make_packs(split_of([*rows, Row(0, [Exchange(1, 1)])]), max_length, policy)
    for number in range(len(packs)):
        pieces = packs[number]
        assert 0 < (pieces["head"] + pieces["end"] - pieces["start"]).sum() <= max_length


def test_the_padding_share_is_what_packs_leave_empty() -> None:
    """49 tokens in four rows of 16 leave 15 of 64 empty."""
    statistics = make_packs(SPLIT, 16).statistics
    assert (statistics.packs, statistics.tokens, statistics.padding_share) == (4, 49, 15 / 64)


def test_the_statistics_are_plain_data_for_a_manifest() -> None:
    """Everything counted, and what follows from it, is in one flat description."""
    described = make_packs(SPLIT, 9).statistics.describe()
    assert described["dropped"] == {"no_turn_fits": 2}
    assert {"conversations", "kept", "tokens", "trained_tokens", "packs", "padding_share", "lost_tokens"} <= described.keys()


def test_trained_tokens_of_a_global_batch_are_known_without_its_tokens() -> None:
    """The index knows what the loss is divided by; a row of padding counts nothing."""
    packs = make_packs(SPLIT, 16)
    assert packs.trained_tokens(np.arange(len(packs))) == packs.statistics.trained_tokens == 49 - 7
    assert packs.trained_tokens(np.array([0, NO_PACK])) == 15


def test_an_index_is_opened_as_it_was_saved(tmp_path: Path) -> None:
    """Arrays and statistics come back the same."""
    packs, opened = saved(tmp_path), open_packs(tmp_path, KEY)
    assert opened is not None
    assert digests(opened) == digests(packs)
    assert opened.statistics == packs.statistics


def test_opened_arrays_are_memory_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    """Nothing is read until it is used, and nobody can write into the index by mistake."""
    saved(tmp_path)
    opened = open_packs(tmp_path, KEY)
    assert opened is not None
    assert isinstance(opened.pieces, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.pieces["start"][0] = 1


def test_packs_are_made_once(tmp_path: Path) -> None:
    """The second time the conversations are not asked for."""
    made = packs_of(tmp_path, KEY, lambda: SPLIT)
    assert digests(packs_of(tmp_path, KEY, never)) == digests(made)


@pytest.mark.parametrize("change", [{"tokens": "4567.train"}, {"max_length": 17}, {"policy": "drop"}, {"version": 0}])
def test_an_index_of_something_else_is_not_believed(tmp_path: Path, change: dict[str, object]) -> None:
    """Other tokens, another length, policy or version is another index, beside the first."""
    saved(tmp_path)
    other = replace(KEY, **change)  # type: ignore[arg-type]
    assert open_packs(tmp_path, other) is None
    saved(tmp_path, other)
    assert open_packs(tmp_path, KEY) is not None


@pytest.mark.parametrize("ending", ["offsets.npy", "pieces.npy", "json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "longer", "header", "bit", "blank"])
def test_a_half_written_index_is_made_anew(tmp_path: Path, ending: str, damage: str) -> None:
    """Whatever is missing, cut short or overwritten, it is not believed, and mended by the next who asks."""
    packs = saved(tmp_path)
    (path,) = tmp_path.glob(f"*.{ending}")
    data = path.read_bytes()
    changes = {
        "cut": data[:-1],
        "empty": b"",
        "longer": data + b" ",
        "header": b"\0" * 16 + data[16:],
        "blank": bytes(len(data)),
    }
    changes["bit"] = data[:-1] + bytes([data[-1] ^ 1])
    path.unlink() if damage == "gone" else path.write_bytes(changes[damage])
    assert open_packs(tmp_path, KEY) is None
    assert digests(packs_of(tmp_path, KEY, lambda: SPLIT)) == digests(packs)
    assert digests(packs_of(tmp_path, KEY, never)) == digests(packs)


def test_an_array_of_another_index_is_not_believed(tmp_path: Path) -> None:
    """Pieces that do not end where the offsets do are not of this index."""
    packs = saved(tmp_path)
    save_packs(tmp_path, KEY, replace(packs, pieces=packs.pieces[:-1]))
    assert open_packs(tmp_path, KEY) is None


def test_nothing_unfinished_is_left(tmp_path: Path) -> None:
    """The folder holds the three files of the index and nothing else."""
    saved(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy", ".npy"]


def test_a_folder_that_cannot_be_made_is_an_error_in_one_line(tmp_path: Path) -> None:
    """A file in place of the folder is said in words."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*pieces|cannot write .*offsets"):
        saved(tmp_path / "file")


def test_the_same_key_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Two processes that pack the same split write the same files."""
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); from splits import one_turn\n"
        "from data_mix.packing import PackKey, packs_of\n"
        "packs_of(Path(sys.argv[1]), PackKey(tokens='t', max_length=16), lambda: one_turn([16, 10, 6, 9, 4, 2, 2]))"
    )
    tests = str(Path(__file__).parents[2])
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name), tests], check=True)
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert files[0] == files[1]


def test_packs_of_the_same_split_are_the_same_for_ever() -> None:
    """They are written down here: where this changes, VERSION in index.py must."""
    packs = make_packs(one_turn([16, 10, 6, 9, 4, 2, 2, 40]), 16)
    held = [packs[number]["conversation"].tolist() for number in range(len(packs))]
    assert held == [[0], [1, 2], [3, 4, 5], [6]]


def test_a_large_index_opens_in_milliseconds(tmp_path: Path) -> None:
    """An index of a million packs (28 MB) is opened as quickly as a small one, since nothing of it is read."""
    count = 1_000_000
    statistics = replace(make_packs(SPLIT, 16).statistics, packs=count)
    save_packs(tmp_path, KEY, Packs(offsets=np.arange(count + 1), pieces=np.zeros(count, PIECE), statistics=statistics))
    started = time.perf_counter()
    assert open_packs(tmp_path, KEY) is not None
    assert time.perf_counter() - started < 0.1
