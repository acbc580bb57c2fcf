"""What the libraries say of each other, and what of it reaches the one who trains."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

import pytest
import torch
from transformers.utils import logging as transformers_logging

from data_mix_trainer.machine import quiet
from small_models import gpt2

ADVICE: Final = "We strongly recommend passing in an `attention_mask`"
MODELS: Final = "transformers.modeling_utils"
"""The logger of transformers' models."""


def call_with_padding(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a model says, of the kind that asks for an attention mask once in a process where it sees padding."""
    once: Any = transformers_logging.warning_once
    once.cache_clear()
    caplog.clear()
    model = gpt2(20)
    model.config.pad_token_id = 1
    model(input_ids=torch.tensor([[1, 2, 3]]))
    return said(caplog)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What models have said."""
    return [record.getMessage() for record in caplog.records if record.name == MODELS]


@pytest.fixture
def unfiltered() -> Iterator[None]:
    """The logger of models as it is where nobody has been quiet."""
    logger = logging.getLogger(MODELS)
    before = list(logger.filters)
    logger.filters.clear()
    yield
    logger.filters[:] = before


def test_advice_that_is_wrong_here_is_kept_back(unfiltered: None, caplog: pytest.LogCaptureFixture) -> None:
    """An attention mask would let the conversations of a row see each other, so nobody is told to pass one."""
    assert [message.partition(" since ")[0] for message in call_with_padding(caplog)] == [ADVICE]
    quiet()
    assert call_with_padding(caplog) == []


def test_nothing_else_is_kept_back(unfiltered: None, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else a model has to say is said."""
    quiet()
    logging.getLogger(MODELS).warning("Some weights were not used")
    assert said(caplog) == ["Some weights were not used"]


@pytest.mark.parametrize(("rank", "level"), [("0", logging.WARNING), ("1", logging.ERROR)])
def test_the_first_process_warns_for_all(monkeypatch: pytest.MonkeyPatch, rank: str, level: int) -> None:
    """What eight processes would say eight times is said once; an error is every process's own."""
    monkeypatch.setenv("RANK", rank)
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.WARNING)
    try:
        quiet()
        assert transformers_logging.get_verbosity() == level
    finally:
        transformers_logging.set_verbosity(before)
