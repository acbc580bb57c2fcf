"""Several processes share the work, and what they find is what one would have found."""

from __future__ import annotations

import threading
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import EvalError
from data_mix_eval.ranks import Ranks, these_ranks, wait_for
from scored import ComputedModel, asked, scored, sums


@given(st.lists(st.floats(0.1, 1e6), max_size=60), st.integers(1, 9))
def test_every_batch_has_one_owner(costs: list[float], world: int) -> None:
    """Whatever they cost and however many ranks there are, each batch is somebody's, and the shares stand in order."""
    shares = [Ranks(rank=rank, world=world).own(costs) for rank in range(world)]
    assert list(chain.from_iterable(shares)) == list(range(len(costs)))


@given(st.lists(st.floats(1, 2), min_size=40, max_size=80), st.integers(2, 4))
def test_shares_cost_about_the_same(costs: list[float], world: int) -> None:
    """No rank has more than an even share and two batches."""
    shares = [sum(costs[place] for place in Ranks(rank=rank, world=world).own(costs)) for rank in range(world)]
    assert max(shares) <= sum(costs) / world + 4


def test_a_launcher_names_the_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of torchrun are read; without them the process is alone."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert these_ranks() == Ranks(rank=0, world=1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert these_ranks() == Ranks(rank=3, world=4)


@pytest.mark.parametrize("world", [2, 3, 20])
def test_ranks_find_what_one_process_finds(tmp_path: Path, world: int) -> None:
    """All ranks together, at the same time, give the results of one process, and compute no batch twice."""
    alone = scored(ComputedModel(), [asked(sums(20))], tmp_path / "alone")[0]
    models = [ComputedModel() for _ in range(world)]

    def help_out(rank: int) -> None:
        from data_mix_eval.run import Setup, evaluate

        ranks = Ranks(rank=rank, world=world)
        setup = Setup(protocol="standard", home=tmp_path / "shared", ranks=ranks)
        assert evaluate(models[rank], [asked(sums(20))], setup, lambda *_: None) is None

    others = [threading.Thread(target=help_out, args=(rank,)) for rank in range(1, world)]
    for thread in others:
        thread.start()
    together = scored(models[0], [asked(sums(20))], tmp_path / "shared", ranks=Ranks(rank=0, world=world))[0]
    for thread in others:
        thread.join()
    assert together.tasks == alone.tasks
    computed = [batch for model in models for batch in model.asked]
    assert len(computed) == len(set(computed)) == 14


def test_a_rank_that_never_comes_is_given_up() -> None:
    """Where for long nothing is added, the run ends with what is missing, and where it may be."""
    with pytest.raises(EvalError, match=r"3 answers of other ranks are missing.*0\.2 seconds none was added; set DATAMIX_HOME"):
        wait_for(lambda: 3, patience=0.2)


def test_progress_of_others_is_waited_for() -> None:
    """Patience begins anew with every batch that comes in."""
    left = iter([9, 9, 8, 8, 7, 5, 3, 1, 0])
    wait_for(lambda: next(left), patience=0.25)
