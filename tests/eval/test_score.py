"""Means, standard errors, pass@k and paired tests, each against a formula or by counting every case."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix_eval import score

MARKS = {"a": [1.0, 0.0, 1.0, 1.0], "b": [0.0, 0.0], "c": [1.0, 0.0, 0.0]}


def test_micro_is_the_mean_over_items_with_its_plain_error() -> None:
    """Every item weighs alike; the error is the sample deviation over the root of n, as lm-eval gives for one task."""
    found = score.micro(MARKS)
    values = [1, 0, 1, 1, 0, 0, 1, 0, 0]
    assert found.value == pytest.approx(4 / 9)
    assert found.stderr == pytest.approx(np.std(values, ddof=1) / 3)
    assert (found.stderr_kind, found.items) == ("plain", 9)


def test_macro_is_the_mean_over_subjects_with_its_stratified_error() -> None:
    """Every subject weighs alike; the error adds up those within the subjects."""
    found = score.macro(MARKS)
    errors = [np.std(each, ddof=1) / math.sqrt(len(each)) for each in MARKS.values()]
    assert found.value == pytest.approx((0.75 + 0 + 1 / 3) / 3)
    assert found.stderr == pytest.approx(math.sqrt(sum(error**2 for error in errors)) / 3)
    assert (found.stderr_kind, found.items) == ("stratified", 9)


def test_the_stratified_error_is_how_far_the_macro_average_scatters() -> None:
    """Drawn again and again from known subjects, the average scatters as its error says."""
    generator = np.random.default_rng(5)
    chances = {"a": (0.2, 30), "b": (0.6, 200), "c": (0.9, 60)}
    drawn = [
        score.macro({name: generator.binomial(1, p, n).astype(float).tolist() for name, (p, n) in chances.items()})
        for _ in range(3_000)
    ]
    scatter = np.std([each.value for each in drawn])
    assert np.mean([each.stderr for each in drawn if each.stderr is not None]) == pytest.approx(scatter, rel=0.05)


def test_one_item_has_no_error() -> None:
    """Where a single item says nothing of the scatter, no error is made up."""
    assert score.micro({"a": [1.0]}).stderr is None
    assert score.macro({"a": [1.0, 0.0], "b": [1.0]}).stderr is None


def test_groups_are_micro_averages_of_their_subjects() -> None:
    """A group sums up its subjects item by item; subjects without a group are left out."""
    groups = score.by_group(MARKS, {"a": "letters", "c": "letters"})
    assert list(groups) == ["letters"]
    assert groups["letters"] == score.micro({"a": MARKS["a"], "c": MARKS["c"]})


def test_the_clustered_error_counts_bunches() -> None:
    """With every item its own cluster it is the plain error; with each item doubled in its cluster it does not shrink."""
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    plain = score.micro({"all": values}).stderr
    assert score.clustered_error(values, range(7)) == pytest.approx(plain)
    assert score.clustered_error(values * 2, [*range(7), *range(7)]) == pytest.approx(plain)
    assert score.clustered_error(values, ["one"] * 7) is None


@pytest.mark.parametrize(("samples", "passed"), [(1, 0), (1, 1), (5, 0), (5, 2), (7, 6), (8, 8), (10, 3)])
def test_pass_at_k_is_the_share_of_all_choices_with_a_pass(samples: int, passed: int) -> None:
    """For every k: of all ways to take k samples, the share that holds one that passes, counted one by one."""
    outcomes = [place < passed for place in range(samples)]
    for k in range(1, samples + 1):
        chosen = [any(choice) for choice in itertools.combinations(outcomes, k)]
        assert score.pass_at_k(samples, passed, k) == pytest.approx(sum(chosen) / len(chosen), abs=1e-12)


@given(st.integers(1, 200), st.data())
def test_pass_at_k_is_the_closed_formula_of_the_paper(samples: int, data: st.DataObject) -> None:
    """The product that the peers compute gives the same."""
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    failed = samples - passed
    peers = 1.0 if failed < k else 1.0 - float(np.prod(1.0 - k / np.arange(failed + 1, samples + 1)))
    assert score.pass_at_k(samples, passed, k) == pytest.approx(peers, abs=1e-9)


def test_pass_at_k_is_never_extrapolated() -> None:
    """There is no pass@10 of five samples."""
    with pytest.raises(ValueError, match="pass@10 of 5 samples"):
        score.pass_at_k(5, 1, 10)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (5, 0), (3, 9), (10, 10), (4, 5)])
def test_mcnemar_counts_all_coin_tosses(better: int, worse: int) -> None:
    """Its p is the share of all outcomes of so many fair coins that are at least as lopsided."""
    total = better + worse
    tosses = [abs(2 * sum(each) - total) for each in itertools.product((0, 1), repeat=min(total, 12))]
    if total <= 12:
        wanted = sum(each >= abs(better - worse) for each in tosses) / len(tosses)
        assert score.mcnemar(better, worse) == pytest.approx(wanted)
    else:
        assert score.mcnemar(better, worse) == 1.0


def test_mcnemar_is_exact_for_many_items() -> None:
    """Thousands of items neither overflow nor vanish before they must."""
    assert score.mcnemar(2_500, 2_500) == 1.0
    assert 0 < score.mcnemar(2_000, 2_100) < 0.15
    assert score.mcnemar(0, 900) == pytest.approx(2.0**-899)


@pytest.mark.parametrize("differences", [[0.3, -0.1, 0.0, 0.4], [0.5, 0.5, 0.5], [0.1, -0.1], [], [0.0, 0.0]])
def test_sign_flips_tries_every_way(differences: Sequence[float]) -> None:
    """Its p is the share of all sign changes whose sum is at least as far from nothing."""
    sums = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    wanted = sum(each >= abs(sum(differences)) - 1e-12 for each in sums) / len(sums)
    p, how = score.sign_flips(np.asarray(differences, float))
    assert p == pytest.approx(wanted)
    assert how == "sign flips, exact"


def test_drawn_sign_flips_come_close_to_the_exact_ones() -> None:
    """Of equal differences McNemar's test knows the exact p; the drawn one lies within what 20,000 draws allow."""
    differences = np.array([1.0] * 40 + [-1.0] * 25)
    p, how = score.sign_flips(differences)
    assert how == "sign flips, drawn"
    assert p == pytest.approx(score.mcnemar(40, 25), abs=0.01)
    assert score.sign_flips(differences) == (p, how)


def test_two_runs_of_right_and_wrong_are_compared_by_mcnemar() -> None:
    """The difference, who is better on how many items, and the paired error, which is that of the items' differences."""
    second = {"a": [1.0, 1.0, 1.0, 1.0], "b": [0.0, 1.0], "c": [0.0, 0.0, 1.0]}
    found = score.compare(MARKS, second, "micro")
    assert found.difference == pytest.approx(2 / 9)
    assert (found.better, found.worse, found.items, found.test) == (3, 1, 9, "McNemar, exact")
    assert found.p == pytest.approx(score.mcnemar(3, 1))
    assert found.stderr == pytest.approx(np.std([0, 1, 0, 0, 0, 1, -1, 0, 1], ddof=1) / 3)


def test_macro_averages_are_compared_by_weighted_sign_flips() -> None:
    """Where items of small subjects weigh more, the difference is that of the macro averages."""
    second = {"a": [1.0, 1.0, 1.0, 1.0], "b": [0.0, 1.0], "c": [0.0, 0.0, 1.0]}
    found = score.compare(MARKS, second, "macro")
    assert found.difference == pytest.approx(score.macro(second).value - score.macro(MARKS).value)
    assert found.test == "sign flips, exact"
    weights = [1 / 12, 1 / 6, 1 / 9, 1 / 9]
    sums = [abs(np.dot(signs, weights)) for signs in itertools.product((1, -1), repeat=4)]
    assert found.p == sum(each > found.difference - 1e-9 for each in sums) / 16


def test_shares_are_compared_by_sign_flips() -> None:
    """Marks between 0 and 1, such as pass@1 of many samples, are no coins."""
    found = score.compare({"a": [0.1, 0.5, 0.3]}, {"a": [0.2, 0.9, 0.3]}, "micro")
    assert (found.test, found.p, found.better, found.worse) == ("sign flips, exact", 0.5, 2, 0)


def test_equal_runs_do_not_differ() -> None:
    """A run compared with itself has no difference and a p of one."""
    for how in ("micro", "macro"):
        found = score.compare(MARKS, MARKS, how)
        assert (found.difference, found.p, found.better, found.worse) == (0.0, 1.0, 0, 0)


def test_the_test_keeps_its_level() -> None:
    """Of many pairs of equally good runs about one in twenty is called different at five percent, not more."""
    generator = np.random.default_rng(3)
    pairs = [(generator.binomial(1, 0.5, 60).astype(float), generator.binomial(1, 0.5, 60).astype(float)) for _ in range(1_000)]
    found = [score.compare({"a": one.tolist()}, {"a": other.tolist()}, "micro").p for one, other in pairs]
    assert np.mean(np.array(found) < 0.05) <= 0.06


def test_runs_over_different_items_are_not_compared() -> None:
    """Without the same items there is no pair."""
    with pytest.raises(ValueError, match="over the same items"):
        score.compare(MARKS, {"a": [1.0]}, "micro")
