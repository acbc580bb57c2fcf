"""Marks → scores: means with their standard errors, pass@k, and whether two runs differ by more than chance.

Standard errors say how far a score would move had the benchmark drawn other questions of the same kind:

    micro   the mean over all items; items count as drawn independently (plain)
    macro   the mean over the subjects' means; the subjects are given, items are drawn within each (stratified)

`clustered_error` is for items that come in bunches, such as several questions about one text: there each bunch is one draw.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

EXACT_FLIPS: Final = 16
"""Items that differ, up to which all 2^n sign changes are tried; above it so many as `DRAWS` says."""
DRAWS: Final = 20_000
BLOCK: Final = 100
"""Draws at a time, which bounds the memory."""

Average = Literal["micro", "macro"]
Subjects = Mapping[str, Sequence[float]]
"""The values of one metric by subject, item by item; no subject is empty."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score with what is needed to judge it."""

    value: float
    stderr: float | None
    """Standard error; None where there are too few items to tell."""
    stderr_kind: Literal["plain", "stratified"]
    items: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the scores of two runs over the same items differ."""

    difference: float
    """The second less the first."""
    stderr: float | None
    """Of the difference, paired by item: smaller than what the two errors would give apart."""
    p: float
    """How probable a difference at least as large is where the runs are equally good."""
    test: Literal["McNemar, exact", "sign flips, exact", "sign flips, drawn"]
    better: int
    """Items on which the second is better."""
    worse: int
    items: int


def micro(subjects: Subjects) -> Score:
    """The mean over all items of all subjects."""
    values = np.concatenate([np.asarray(each, float) for each in subjects.values()])
    error = _error(values)
    return Score(value=float(values.mean()), stderr=error, stderr_kind="plain", items=len(values))


def macro(subjects: Subjects) -> Score:
    """The mean over the means of the subjects."""
    parts = [np.asarray(each, float) for each in subjects.values()]
    errors = [_error(part) for part in parts]
    known = [error for error in errors if error is not None]
    stderr = math.sqrt(sum(error**2 for error in known)) / len(parts) if len(known) == len(parts) else None
    value = float(np.mean([part.mean() for part in parts]))
    return Score(value=value, stderr=stderr, stderr_kind="stratified", items=sum(map(len, parts)))


def average(how: Average, subjects: Subjects) -> Score:
    """The score by the average that a recipe names."""
    return micro(subjects) if how == "micro" else macro(subjects)


def by_group(subjects: Subjects, groups: Mapping[str, str]) -> dict[str, Score]:
    """The micro averages of groups of subjects, in order of first appearance; subjects without a group are left out."""
    members: dict[str, dict[str, Sequence[float]]] = {}
    for subject, values in subjects.items():
        if subject in groups:
            members.setdefault(groups[subject], {})[subject] = values
    return {group: micro(inside) for group, inside in members.items()}


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """Standard error of the mean where items of one cluster were drawn together; None for fewer than two clusters."""
    deviations = np.asarray(values, float) - np.mean(values)
    sums: dict[Hashable, float] = {}
    for cluster, deviation in zip(clusters, deviations, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + float(deviation)
    if len(sums) < 2:
        return None
    correction = len(sums) / (len(sums) - 1)
    return math.sqrt(correction * sum(each**2 for each in sums.values())) / len(values)


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The probability that at least one of `k` samples passes, estimated without bias from `samples` of which `passed` do.

    Never extrapolated: ValueError for k above the number of samples.
    """
    if not 1 <= k <= samples or not 0 <= passed <= samples:
        raise ValueError(f"pass@{k} of {samples} samples, {passed} passed: wanted 1 <= k <= samples and passed <= samples")
    return 1.0 - math.comb(samples - passed, k) / math.comb(samples, k)


def compare(first: Subjects, second: Subjects, how: Average) -> Comparison:
    """Whether two runs over the same items, in the same order by subject, differ by more than chance.

    Where every mark is 0 or 1 and all items weigh alike: McNemar's exact test. Else the signs of the items' differences are
    flipped, in every way where few differ, else in 20,000 ways drawn by a fixed seed.
    """
    differences = _weighted_differences(first, second, how)
    ones, others = _joined(first), _joined(second)
    is_binary = bool(np.isin(ones, (0, 1)).all() and np.isin(others, (0, 1)).all())
    better, worse = int((others > ones).sum()), int((others < ones).sum())
    if is_binary and how == "micro":
        p, test = mcnemar(better, worse), "McNemar, exact"
    else:
        p, test = sign_flips(differences)
    return Comparison(
        difference=float(differences.sum()),
        stderr=_paired_error(first, second, how),
        p=p,
        test=test,  # type: ignore[arg-type]
        better=better,
        worse=worse,
        items=len(differences),
    )


def mcnemar(better: int, worse: int) -> float:
    """The two-sided p of McNemar's exact test: of the items on which two runs disagree, each is a fair coin."""
    total = better + worse
    tail = sum(math.comb(total, count) for count in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << total))


def sign_flips(differences: Floats) -> tuple[float, str]:
    """The two-sided p of a paired permutation test on the sum of differences, and whether it is exact or drawn."""
    moved = differences[differences != 0]
    observed = abs(float(moved.sum())) - 1e-12
    if len(moved) <= EXACT_FLIPS:
        sums = np.zeros(1)
        for difference in moved:
            sums = np.concatenate([sums + difference, sums - difference])
        return float((np.abs(sums) >= observed).mean()), "sign flips, exact"
    generator = np.random.default_rng(0)
    sums = np.concatenate([(generator.integers(0, 2, (BLOCK, len(moved))) * 2 - 1) @ moved for _ in range(DRAWS // BLOCK)])
    return (1 + int((np.abs(sums) >= observed).sum())) / (1 + DRAWS), "sign flips, drawn"


def _joined(subjects: Subjects) -> Floats:
    return np.concatenate([np.asarray(each, float) for each in subjects.values()])


def _weighted_differences(first: Subjects, second: Subjects, how: Average) -> Floats:
    """The items' differences, weighted so that their sum is that of the scores."""
    if {name: len(each) for name, each in first.items()} != {name: len(each) for name, each in second.items()}:
        raise ValueError("two runs are compared over the same items; these have different subjects or numbers of items")
    total = sum(map(len, first.values()))
    weights = {name: 1 / total if how == "micro" else 1 / (len(first) * len(each)) for name, each in first.items()}
    parts = [(np.asarray(second[name], float) - np.asarray(first[name], float)) * weights[name] for name in first]
    return np.concatenate(parts)


def _paired_error(first: Subjects, second: Subjects, how: Average) -> float | None:
    differences = {name: np.asarray(second[name], float) - np.asarray(first[name], float) for name in first}
    return average(how, {name: list(map(float, each)) for name, each in differences.items()}).stderr


def _error(values: Floats) -> float | None:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
