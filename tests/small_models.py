"""Untrained models of several families, so small that a test makes many of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

CONTEXT: Final = 32
"""Tokens, where the family has a limit."""

_SIZE: Final[dict[str, Any]] = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}


def neox(vocabulary: int, layers: int = 2, **keys: Any) -> Any:
    """A GPT-NeoX: rotary positions, a head of its own."""
    size = _SIZE | {"num_hidden_layers": layers, "max_position_embeddings": CONTEXT}
    return GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=vocabulary, **size, **keys))


def llama(vocabulary: int, layers: int = 2, **keys: Any) -> Any:
    """A Llama: rotary positions, a head of its own."""
    size = _SIZE | {"num_hidden_layers": layers, "max_position_embeddings": CONTEXT}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **size, **keys))


def bloom(vocabulary: int, layers: int = 2) -> Any:
    """A Bloom: biases by distance, its head tied to the embeddings."""
    return BloomForCausalLM(BloomConfig(vocab_size=vocabulary, hidden_size=16, n_layer=layers, n_head=2))


def gpt2(vocabulary: int, layers: int = 2) -> Any:
    """A GPT-2: learned positions, its head tied to the embeddings."""
    return GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_positions=CONTEXT, n_embd=16, n_layer=layers, n_head=2))


FAMILIES: Final[dict[str, Callable[..., Any]]] = {"neox": neox, "llama": llama, "bloom": bloom, "gpt2": gpt2}
"""By name, made for a vocabulary."""
