"""A checkpoint on the disk or on the hub → a model and its tokenizer; what keeps it from being loaded is one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

from data_mix.errors import EvalError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Dtype = Literal["auto", "float32", "bfloat16", "float16"]

CONTEXT: Final = 2048
"""Tokens that a model is taken to read where neither it nor its tokenizer says."""

_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
_CONTEXT_KEYS: Final = ("n_positions", "max_position_embeddings", "n_ctx")
_UNLIMITED: Final = int(1e30)
"""What a tokenizer says that knows no limit."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder: Path
    """Where its files are."""

    @property
    def context(self) -> int:
        """Tokens that the model can read, found as lm-evaluation-harness does."""
        config = self.model.config.get_text_config()
        found = next((value for key in _CONTEXT_KEYS if (value := getattr(config, key, None)) is not None), None)
        own: Any = self.tokenizer.model_max_length
        return int(found or (own if own and own < _UNLIMITED else CONTEXT))

    @property
    def ends(self) -> tuple[int, ...]:
        """Every token that ends an answer: as the model's generation config, its config and the tokenizer say."""
        generation: Any = self.model.generation_config or GenerationConfig()  # type: ignore[no-untyped-call]
        said = (generation.eos_token_id, self.model.config.get_text_config().eos_token_id, self.tokenizer.eos_token_id)
        ids = [end for each in said for end in (each if isinstance(each, list | tuple) else [each])]
        return tuple(dict.fromkeys(end for end in ids if end is not None))


def load_checkpoint(name: str, *, dtype: Dtype | None = None, device: str | None = None) -> Checkpoint:
    """The checkpoint of a folder, or of this name on the hub.

    `dtype` is by default float32 on a CPU, and what the checkpoint was saved in on a GPU; `device` is by default a GPU where
    there is one. Raises EvalError where there is no model, no tokenizer, or one that does not go with the model.
    """
    place = Path(name).expanduser()
    if place.exists() or _is_path(name):
        _refuse_incomplete(name, place)
    source = str(place) if place.exists() else name
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with _loading(name, device):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = _load_model(name, source, dtype or ("float32" if device == "cpu" else "auto")).to(device)  # type: ignore[arg-type]
        config = cached_file(source, "config.json")
    _refuse_other_vocabulary(name, model, tokenizer)
    return Checkpoint(model=model.eval(), tokenizer=tokenizer, folder=Path(str(config)).parent)


def _is_path(name: str) -> bool:
    """Whether the name can be no repository's."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1


def _refuse_incomplete(name: str, folder: Path) -> None:
    if not folder.is_dir():
        raise EvalError(f"{name}: is no folder, wanted one that holds a model; check the path")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise EvalError(f"{name}: is an adapter without its base model; run `datamix merge {name} -o DIR` and score DIR")
    if not (folder / "config.json").is_file():
        raise EvalError(f"{name}: holds no config.json, so it is no model; name the folder that training wrote")
    if not any(folder.glob("*.safetensors")):
        pickled = "only weights that could run code" if any(folder.glob("*.bin")) else "no weights"
        raise EvalError(f"{name}: holds {pickled}, wanted model.safetensors; save the model by transformers once more")
    if not any((folder / each).is_file() for each in _TOKENIZERS):
        raise EvalError(f"{name}: holds no tokenizer, wanted tokenizer.json; copy the files of the base model's there")


def _load_model(name: str, source: str, dtype: str) -> PreTrainedModel:
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        source, dtype=dtype, trust_remote_code=False, use_safetensors=True, output_loading_info=True
    )
    model: PreTrainedModel = loaded[0]
    if missing := sorted(loaded[1]["missing_keys"]):
        raise EvalError(
            f"{name}: lacks {len(missing)} of the weights of {type(model).__name__} ({missing[0]}); name a whole language model"
        )
    return model


@contextmanager
def _loading(name: str, device: str) -> Iterator[None]:
    """Say in one line why a checkpoint cannot be loaded."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EvalError(f"{name}: does not fit the memory of {device}; try dtype bfloat16, or another device") from error
    except (OSError, ValueError, SafetensorError, StrictDataclassError) as error:
        line = " ".join(str(error).split("\n", maxsplit=1)[0].split()).rstrip(".:")
        raise EvalError(
            f"{name}: cannot be loaded ({line}); check the name and the folder, and the network for the hub"
        ) from error


def _refuse_other_vocabulary(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """A model may know more tokens than its tokenizer, which is filled up, but never fewer."""
    embeddings: Any = model.get_input_embeddings()
    known, largest = embeddings.weight.shape[0], max(tokenizer.get_vocab().values(), default=-1)
    if largest >= known:
        raise EvalError(
            f"{name}: its tokenizer has the token {largest}, its model knows {known} tokens; the tokenizer is another model's"
        )
