"""Rows read together, behind a beginning that is computed once, have the logits of each read alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import small_models
from asking import wide_model
from data_mix_eval.models import packed
from data_mix_eval.models.alike import AlikeNetwork
from data_mix_eval.models.choosing import choose_network
from data_mix_eval.models.network import Ids, Network, Row, common_length
from data_mix_eval.models.packed import PackedNetwork

VOCABULARY = 100
WAYS = {"neox": PackedNetwork, "llama": PackedNetwork, "gpt2": PackedNetwork, "bloom": AlikeNetwork}
"""How each family can be read."""


def some_ids(count: int, seed: int = 0) -> Ids:
    """Random tokens."""
    return tuple(torch.randint(0, VOCABULARY, (count,), generator=torch.Generator().manual_seed(seed)).tolist())


def alone(model: Any, ids: Ids, wanted: int = 1) -> torch.Tensor:
    """The last logits of a text that is read by itself."""
    with torch.no_grad():
        logits: torch.Tensor = model(torch.tensor([ids])).logits[0, -wanted:]
    return logits


def farthest(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max())


def rows_behind(shared: Ids) -> list[Ids]:
    """Rows that begin alike for all but a token of `shared`, and end otherwise."""
    return [shared[:-1] + some_ids(length, length) for length in (1, 5, 3, 9)]


def check_scores(network: Network, model: Any, shared: Ids, rows: list[Row]) -> None:
    """Compare with each row, and each branch of it, read alone."""
    for row, logits in zip(rows, network.score(shared, rows), strict=True):
        branches = [alone(model, row.ids + branch, len(branch)) for branch in row.branches]
        assert farthest(logits, torch.cat([alone(model, row.ids), *branches])) <= 1e-5


@pytest.mark.parametrize("family", WAYS)
def test_scores(family: str) -> None:
    """Logits of rows and branches behind a shared beginning are those without one, to 1e-5."""
    model = wide_model(family, VOCABULARY)
    network = choose_network(model)
    assert type(network) is WAYS[family]
    shared = some_ids(20)
    check_scores(network, model, shared, [Row(ids, (some_ids(4), some_ids(2, 1))) for ids in rows_behind(shared)])
    check_scores(network, model, shared, [Row(ids) for ids in rows_behind(shared)])


def test_grouped_heads() -> None:
    """Keys that several heads share are read without being copied, to the same logits."""
    model = wide_model("llama", VOCABULARY, num_key_value_heads=1)
    network, shared = choose_network(model), some_ids(20)
    assert isinstance(network, PackedNetwork)
    check_scores(network, model, shared, [Row(ids) for ids in rows_behind(shared)])


@pytest.mark.parametrize("family", WAYS)
def test_growing(family: str) -> None:
    """Rows of unequal length that grow side by side, some twice, some leaving, have the logits of each alone, to 1e-5."""
    model = wide_model(family, VOCABULARY)
    shared = some_ids(20)
    rows = rows_behind(shared)
    logits, growing = choose_network(model).start(shared, rows, [1, 2, 1, 1])
    texts = [rows[0], rows[1], rows[1], rows[2], rows[3]]
    for turn in range(5):
        assert farthest(logits, torch.cat([alone(model, text) for text in texts])) <= 1e-5
        if turn == 2:
            growing.keep([4, 1])
            texts = [texts[4], texts[1]]
        tokens = some_ids(len(texts), turn)
        texts = [(*text, token) for text, token in zip(texts, tokens, strict=True)]
        logits = growing.step(torch.tensor(tokens))


@pytest.mark.parametrize("family", WAYS)
def test_nothing_shared(family: str) -> None:
    """Rows that share nothing are read as well."""
    model = wide_model(family, VOCABULARY)
    rows = [some_ids(length, length) for length in (1, 7, 3)]
    check_scores(choose_network(model), model, (), [Row(ids) for ids in rows])
    check_scores(choose_network(model), model, some_ids(5, 99), [Row(ids) for ids in rows])


def test_longer_than_a_pack() -> None:
    """Beginnings and rows that are longer than what is read at once are read in pieces, to the same logits."""
    model = wide_model("llama", VOCABULARY, context=2048)
    network, shared = choose_network(model), some_ids(packed.PACK + 7)
    long = some_ids(2 * packed.PACK + 3, 1)
    check_scores(network, model, shared, [Row(shared + some_ids(3)), Row(shared + long), Row(shared + some_ids(5))])
    logits, growing = network.start((), [long], [2])
    assert farthest(logits, torch.cat([alone(model, long)] * 2)) <= 1e-5
    assert farthest(growing.step(torch.tensor([3, 4])), torch.cat([alone(model, (*long, 3)), alone(model, (*long, 4))])) <= 1e-5


def test_same_bits_in_any_order() -> None:
    """The logits of rows are the same bit by bit, whatever was read before them."""
    model = wide_model("neox", VOCABULARY)
    shared, other = some_ids(20), some_ids(20, 7)
    rows, fewer = [Row(ids) for ids in rows_behind(shared)], [Row(shared[:9] + some_ids(4))]
    network = choose_network(model)
    first = network.score(shared, rows)
    network.score(shared, fewer)
    network.score(other, [Row(ids) for ids in rows_behind(other)])
    assert all(torch.equal(*pair) for pair in zip(first, network.score(shared, rows), strict=True))


def test_models_that_cannot_share() -> None:
    """A sliding window, or positions that stretch with the text, are read whole."""
    sliding = wide_model("llama", VOCABULARY)
    sliding.config.sliding_window = 4
    stretched = wide_model("llama", VOCABULARY, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    shared = some_ids(20)
    for model in (sliding, stretched):
        network = choose_network(model)
        assert isinstance(network, AlikeNetwork)
        check_scores(network, model, shared, [Row(ids, (some_ids(2),)) for ids in rows_behind(shared)])


def test_model_is_left_as_it_was() -> None:
    """Who else uses the model, a trainer for one, gets the same logits from it, padded and in batches, and gradients."""
    model = wide_model("llama", VOCABULARY)
    batch = {
        "input_ids": torch.tensor([some_ids(6), some_ids(6, 1)]),
        "attention_mask": torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6]),
    }
    before = model(**batch).logits
    network = choose_network(model)
    check_scores(network, model, some_ids(9), [Row(some_ids(9) + some_ids(3, 2))])
    after = model(**batch).logits
    assert torch.equal(before, after)
    after.sum().backward()


def test_models_that_pack_wrongly() -> None:
    """A model that looks past the mask that it is given is found out, and read another way."""

    class Forgetful(type(small_models.neox(VOCABULARY))):  # type: ignore[misc]
        def forward(self, *given: Any, **keys: Any) -> Any:
            return super().forward(*given, **keys | {"position_ids": None})

    model = Forgetful(wide_model("neox", VOCABULARY).config).eval()
    assert isinstance(choose_network(model), AlikeNetwork)


def test_common_length() -> None:
    """The last token of a row is never part of what is shared, since its logits are wanted."""
    assert common_length((1, 2, 3), [(1, 2, 3), (1, 2, 3, 4)]) == 2
    assert common_length((1, 2, 3), [(1, 2, 5, 4)]) == 2
    assert common_length((), [(1, 2)]) == common_length((1, 2), [(1,)]) == 0
