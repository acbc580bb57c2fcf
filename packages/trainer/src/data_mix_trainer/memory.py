"""How much memory a model's states take in each process, by ZeRO stage: known before a weight is read.

States are weights, gradients and what the optimizer keeps. Of a parameter in 16 bits that is 2 + 2 + 12 bytes (AdamW keeps a
32-bit copy and two moments), of one in 32 bits 4 + 4 + 8. Stage 1 shares the optimizer's among the processes, stage 2 the
gradients too, stage 3 the weights as well (https://arxiv.org/abs/1910.02054, table 1). Activations and buffers come on top, and
at stage 3 the layers that are gathered to compute with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from data_mix.errors import ConfigError
from data_mix_trainer.config import TrainSettings

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from data_mix.tokens import ControlTokens

_BYTES_16: Final = (2, 2, 12)
"""Weights, gradients, optimizer: bytes per parameter."""
_BYTES_32: Final = (4, 4, 8)
_FULL: Final = frozenset({"fp32", "float32"})


@dataclass(frozen=True, kw_only=True)
class ParameterCount:
    """The parameters of a model; one that several modules share counts once."""

    trainable: int
    frozen: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.trainable + self.frozen


@dataclass(frozen=True, kw_only=True)
class StateMemory:
    """The bytes of a model's states in one process."""

    stage: int
    is_offloaded: bool = False
    """Whether all states lie in the machine's memory, as with zero3_offload.json."""
    device: int
    """On the GPU, or wherever the model is computed."""
    host: int = 0
    """In the machine's memory beside that."""


def memory_by_stage(count: ParameterCount, *, world: int, dtype: str) -> tuple[StateMemory, ...]:
    """The memory at stages 0, 1, 2, 3 and 3 with all states offloaded, shared by `world` processes."""
    weight, gradient, optimizer = _BYTES_32 if dtype in _FULL else _BYTES_16
    weights, gradients, kept = weight * count.total, gradient * count.trainable, optimizer * count.trainable
    whole = (weights + gradients + kept, weights + gradients, weights, 0)
    shared = (0, kept, gradients + kept, weights + gradients + kept)
    stages = [
        StateMemory(stage=stage, device=mine + -(-ours // world))
        for stage, (mine, ours) in enumerate(zip(whole, shared, strict=True))
    ]
    return (*stages, StateMemory(stage=3, is_offloaded=True, device=0, host=stages[3].device))


def run_parameters(settings: TrainSettings, tokens: ControlTokens) -> ParameterCount:
    """The parameters of a run's model: its vocabulary widened, its lowest layers frozen, its adapters added.

    Raises ConfigError where the settings ask for what the model cannot be; other errors as of `meta_model`.
    """
    import torch  # noqa: PLC0415  heavy

    from data_mix_trainer.lora import add_lora  # noqa: PLC0415  heavy
    from data_mix_trainer.model import freeze, widen_vocabulary  # noqa: PLC0415  heavy

    model = meta_model(str(settings.model_name))
    has_new = bool(tokens.added)
    with torch.device("meta"):
        widen_vocabulary(model, tokens, multiple=settings.pad_vocab_size_to_multiple_of)
        freeze(model, settings, has_new_tokens=has_new)
        return count_parameters(add_lora(model, settings.lora, has_new_tokens=has_new) if settings.lora else model)


def count_parameters(model: nn.Module) -> ParameterCount:
    """The parameters of a model, by whether they are trained."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return ParameterCount(
        trainable=sum(size for size, is_trained in sizes if is_trained),
        frozen=sum(size for size, is_trained in sizes if not is_trained),
    )


def meta_model(model_name: str) -> PreTrainedModel:
    """A base model made of its configuration alone: shapes without weights, which take no memory.

    Raises ConfigError where the name has no configuration of a language model, FetchError where the hub does not give it.
    """
    import torch  # noqa: PLC0415  heavy
    from transformers import AutoModelForCausalLM  # noqa: PLC0415  heavy

    from data_mix_trainer.model_folder import read_config  # noqa: PLC0415  heavy

    config = read_config(model_name)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-any-return, no-untyped-call]
    except ValueError as error:
        raise ConfigError(f"{model_name}: is no language model, but {config.model_type}; name one that writes text") from error
