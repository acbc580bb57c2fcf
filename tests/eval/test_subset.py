"""A part of a benchmark: drawn by hash of the id, and by nothing else."""

from __future__ import annotations

import pytest

from data_mix_eval.subset import Subset
from scored import sums


def ids(subset: Subset, count: int = 200, **given: list[str]) -> list[str]:
    """The ids of the sums that are drawn."""
    return [question.id for question in subset.of(sums(count, **given))]  # type: ignore[arg-type]


def test_all_is_all() -> None:
    """Without limit and share every question is asked, in its order."""
    assert ids(Subset()) == [question.id for question in sums(200)]


def test_a_limit_holds_for_each_subject() -> None:
    """So many of each subject, and all where there are fewer."""
    assert [each.split("/")[0] for each in ids(Subset(limit=3))] == ["small"] * 3 + ["large"] * 3
    assert ids(Subset(limit=3), 2) == ids(Subset(), 2)


def test_a_larger_subset_holds_the_smaller() -> None:
    """A question that is asked stays asked where more are."""
    assert set(ids(Subset(limit=3))) < set(ids(Subset(limit=7)))
    assert set(ids(Subset(fraction=0.2))) < set(ids(Subset(fraction=0.5)))


def test_a_draw_depends_on_the_id_alone() -> None:
    """Other subjects beside it, and its place among them, move no question in or out."""
    alone = ids(Subset(fraction=0.3), subjects=["large"])
    assert alone == [each for each in ids(Subset(fraction=0.3)) if each.startswith("large/")]
    assert ids(Subset(limit=5), subjects=["large", "small"])[:5] == ids(Subset(limit=5))[5:]


def test_a_share_is_about_that_share() -> None:
    """Of two thousand questions a quarter is within four standard errors of five hundred."""
    assert abs(len(ids(Subset(fraction=0.25), 1000)) - 500) < 80


@pytest.mark.parametrize(
    ("subset", "said", "name"),
    [
        (Subset(), "all", ""),
        (Subset(limit=10), "at most 10 of each subject by hash of the id", "-limit10"),
        (Subset(fraction=0.1), "a share of 0.1 by hash of the id", "-subset0.1"),
        (Subset(limit=2, fraction=0.5), "a share of 0.5, at most 2 of each subject by hash of the id", "-subset0.5-limit2"),
    ],
)
def test_a_subset_says_what_it_is(subset: Subset, said: str, name: str) -> None:
    """In words for reports, and in a name for folders."""
    assert (str(subset), subset.name) == (said, name)
