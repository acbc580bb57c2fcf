"""Deciding which rows stay, and in which split."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import BuildError
from data_mix.selection import KEYS, Selection, decide, draw_row_groups, drop_duplicates
from data_mix.source import SourceOptions

SCHEMA = KEYS | {"entry": pl.Int32(), "upstream_split": pl.String()}


def key_rows(count: int, *, entry: int = 0, **columns: Any) -> pl.DataFrame:
    """Keys of `count` distinct rows; `columns` overrides a column for all of them, by a value or a list."""
    rows = {
        "id": [f"e{entry}/{number}" for number in range(count)],
        "content_0": list(range(entry * 10**6, entry * 10**6 + count)),
        "content_1": [0] * count,
        "lang": ["en"] * count,
        "bytes": [1] * count,
        "entry": [entry] * count,
    }
    rows |= {name: value if isinstance(value, list) else [value] * count for name, value in columns.items()}
    return pl.DataFrame({name: rows.get(name, [None] * count) for name in SCHEMA}, schema=SCHEMA)


def decided(
    keys: pl.DataFrame, *, upstream: bool = False, deduplicate: bool = True, seed: int = 0, **options: Any
) -> pl.DataFrame:
    """Decide with the same options for every entry."""
    selection = Selection(name="e", options=SourceOptions(**options), has_upstream_validation=upstream)
    return decide(drop_duplicates(keys) if deduplicate else keys, [selection] * 10, seed=seed)


def splits(frame: pl.DataFrame) -> dict[str, str | None]:
    """The split by id."""
    return dict(frame.select("id", "split").iter_rows())


def test_the_share_of_validation_is_about_val_split() -> None:
    """One row in twenty goes into validation by default."""
    validation = decided(key_rows(10_000)).filter(pl.col("split") == "validation")
    assert 400 < len(validation) < 600


def test_adding_a_source_changes_no_other_row() -> None:
    """The splits of an entry's rows are the same with and without another entry in the mix."""
    alone, both = key_rows(500), pl.concat([key_rows(500), key_rows(500, entry=1)])
    assert splits(decided(alone, max_train_set=300)).items() <= splits(decided(both, max_train_set=300)).items()


def test_the_order_of_rows_changes_no_split() -> None:
    """A row's split and its survival of a cap do not depend on where it stands."""
    keys = key_rows(500)
    shuffled = keys.sample(fraction=1, shuffle=True, seed=1)
    assert splits(decided(keys, max_train_set=100, max_val_set=5)) == splits(
        decided(shuffled, max_train_set=100, max_val_set=5)
    )


def test_another_seed_makes_another_split() -> None:
    """The seed of the mix decides the draw."""
    assert splits(decided(key_rows(500))) != splits(decided(key_rows(500), seed=1))


def test_rows_of_a_group_are_never_split() -> None:
    """All rows of a group are in one split."""
    frame = decided(key_rows(1000, group=[f"g{number % 100}" for number in range(1000)]), val_split=0.5)
    assert frame.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1


@given(groups=st.integers(2, 5), val_split=st.floats(0.001, 0.999), seed=st.integers(0, 1000))
def test_two_groups_fill_both_splits(groups: int, val_split: float, seed: int) -> None:
    """Where there are two groups and a share of validation, neither split is empty."""
    frame = decided(key_rows(groups), val_split=val_split, seed=seed)
    assert set(frame["split"]) == {"train", "validation"}


def test_dropped_rows_do_not_fill_a_split() -> None:
    """The only two kept rows fill both splits, whatever the hashes of the dropped ones."""
    frame = decided(key_rows(50, drop=[None, None] + ["empty_turn"] * 48), val_split=0.001)
    assert sorted(frame["split"].drop_nulls()) == ["train", "validation"]


def test_one_group_alone_is_train() -> None:
    """A source of one group is trained on."""
    assert set(decided(key_rows(3, group="g"), val_split=0.9)["split"]) == {"train"}


def test_no_val_split_means_no_validation() -> None:
    """With val_split 0 every row is train."""
    assert set(decided(key_rows(100), val_split=0)["split"]) == {"train"}


def test_an_upstream_validation_split_is_used_as_it_is() -> None:
    """Where upstream has a validation split, `val_split` cuts nothing more."""
    frame = decided(key_rows(100, upstream_split=["train"] * 90 + ["validation"] * 10), upstream=True)
    assert frame["split"].to_list() == ["train"] * 90 + ["validation"] * 10


def test_of_duplicates_the_first_in_the_order_of_the_mix_stays() -> None:
    """A conversation that comes again, in whatever entry, is dropped and counted."""
    frame = decided(pl.concat([key_rows(3), key_rows(3, entry=1, content_0=[7, 1, 9])]))
    assert frame["drop"].to_list() == [None, None, None, None, "duplicate", None]


def test_a_dropped_row_makes_no_duplicate() -> None:
    """A row that is dropped anyhow does not cost its twin the place."""
    frame = decided(key_rows(2, content_0=[5, 5], drop=["too_long", None]))
    assert frame["drop"].to_list() == ["too_long", None]


def test_duplicates_stay_where_the_mix_says_so() -> None:
    """`deduplicate: false` keeps all."""
    assert decided(key_rows(2, content_0=[5, 5]), deduplicate=False)["drop"].null_count() == 2


@pytest.mark.parametrize(("option", "split"), [("max_train_set", "train"), ("size", "train"), ("max_val_set", "validation")])
def test_a_cap_holds_and_what_it_cut_is_counted(option: str, split: str) -> None:
    """A cap leaves exactly so many rows of its split, and the others are drops of that name."""
    caps: dict[str, Any] = {option: 100}
    frame = decided(key_rows(1000), val_split=0.5, **caps)
    before = decided(key_rows(1000), val_split=0.5)["split"].value_counts().filter(pl.col("split") == split)["count"][0]
    assert (frame["split"] == split).sum() == 100
    assert (frame["drop"] == option).sum() == before - 100


def test_a_raised_cap_only_adds_rows() -> None:
    """The rows of a smaller cap are among those of a larger one."""
    small, large = (splits(decided(key_rows(1000), max_train_set=most)) for most in (100, 200))
    assert {name for name, split in small.items() if split == "train"} < {
        name for name, split in large.items() if split == "train"
    }


def test_a_cap_larger_than_the_set_cuts_nothing() -> None:
    """A cap that does not bind is no error and cuts nothing."""
    assert decided(key_rows(10), max_train_set=10**9)["drop"].null_count() == 10


def test_a_fraction_keeps_about_that_share_of_train() -> None:
    """`fraction` cuts the train split to that share, and leaves validation."""
    frame = decided(key_rows(10_000), fraction=0.25, val_split=0.5)
    assert 1100 < (frame["split"] == "train").sum() < 1400
    assert (frame["split"] == "validation").sum() > 4500


def test_a_fraction_of_one_keeps_all() -> None:
    """`fraction: 1` cuts nothing."""
    assert decided(key_rows(100), fraction=1.0)["drop"].null_count() == 100


def test_each_shared_assistant_turn_is_trained_once() -> None:
    """Among the kept threads of a split, the first one with an assistant message trains it."""
    keys = key_rows(3, group="g", turn_ids=[["a", "b"], ["a", "c"], ["a", "c", "d"]])
    assert decided(keys)["train"].to_list() == [[True, True], [False, True], [False, False, True]]


def test_a_cut_thread_leaves_its_turns_to_the_others() -> None:
    """A thread that a cap removed trains nothing, so that its messages are trained elsewhere."""
    keys = key_rows(20, group="g", turn_ids=[["root", f"leaf{number}"] for number in range(20)])
    frame = decided(keys, max_train_set=3).filter(pl.col("drop").is_null())
    assert [train[0] for train in frame["train"].to_list()] == [True, False, False]
    assert all(train[1] for train in frame["train"].to_list())


def test_rows_without_shared_turns_say_nothing_of_training() -> None:
    """Where every turn is a row's own, no flag is needed."""
    assert decided(key_rows(3))["train"].null_count() == 3


def test_an_id_that_comes_twice_is_an_error() -> None:
    """Two rows of one id are refused, with the id."""
    with pytest.raises(BuildError, match="the id 'x' stands for 2 rows"):
        decided(key_rows(2, id="x"))


def row_groups(files: int, groups: int) -> dict[str, list[int]]:
    """`files` Parquet files of `groups` row groups of 50 rows."""
    return {f"train-{number:05d}": [50] * groups for number in range(files)}


def test_drawn_row_groups_come_from_every_file() -> None:
    """A draw is stratified: a small cap still takes a row group of each file."""
    assert {file for file, _ in draw_row_groups(row_groups(13, 7), 200, seed=0)} == set(row_groups(13, 7))


def test_a_raised_cap_only_adds_row_groups() -> None:
    """What a smaller cap drew is part of what a larger one draws."""
    small, large = (set(draw_row_groups(row_groups(13, 7), wanted, seed=0)) for wanted in (200, 1500))
    assert small < large


def test_drawn_row_groups_hold_more_rows_than_wanted() -> None:
    """A quarter of the rows may be dropped before a cap falls short."""
    assert 50 * len(draw_row_groups(row_groups(13, 70), 20_000, seed=0)) >= 25_000


def test_a_draw_does_not_depend_on_the_order_of_files() -> None:
    """The same files in another order give the same row groups."""
    files = list(row_groups(13, 7).items())
    random.Random(1).shuffle(files)
    assert draw_row_groups(dict(files), 500, seed=0) == draw_row_groups(row_groups(13, 7), 500, seed=0)


def test_a_cap_beyond_the_files_draws_all() -> None:
    """A cap larger than upstream draws every row group."""
    assert len(draw_row_groups(row_groups(2, 3), 10**9, seed=0)) == 6
