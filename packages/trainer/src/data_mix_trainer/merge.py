"""`datamix merge`: adapters and their base model → a model that needs neither.

ADAPTER/  adapter_config.json adapter_model.safetensors   peft's; the first names the base
          config.json generation_config.json              of the model that was trained, as `lora.save_adapter` writes them
          tokenizer.json tokenizer_config.json …
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from peft import PeftModel
from safetensors import SafetensorError
from transformers import GenerationConfig, PreTrainedTokenizerFast

from data_mix.errors import ConfigError, FetchError
from data_mix_trainer.lora import without_deprecations
from data_mix_trainer.model_folder import read_config, read_model, refuse_full, save_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CONFIG: Final = "adapter_config.json"
_NEEDED: Final = ("adapter_model.safetensors", "tokenizer.json")


def merge(adapter: Path, out: Path) -> None:
    """Write the merged model with the adapter's tokenizer into a new folder.

    Raises ConfigError where `adapter` is no adapter with a tokenizer, or its base is not there or another one; FetchError where
    the hub does not give the base; OutputError where `out` holds something or cannot be written.
    """
    refuse_full(out)
    model = _base(adapter, _base_name(adapter))
    try:
        with without_deprecations():
            merged: Any = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (RuntimeError, SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{adapter}: cannot be merged into {model.name_or_path} ({reason}); is that its base?") from error
    if (adapter / "generation_config.json").is_file():
        merged.generation_config = GenerationConfig.from_pretrained(adapter)
    save_model(merged, PreTrainedTokenizerFast.from_pretrained(adapter), out)


def _base_name(adapter: Path) -> str:
    """What the adapter's configuration names as its base."""
    try:
        name = json.loads((adapter / _CONFIG).read_text(encoding="utf8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{adapter}: is no adapter: no {_CONFIG} that names a base model; name the output_dir of a run with lora, "
            "or a checkpoint of it"
        ) from error
    missing = next((file for file in _NEEDED if not (adapter / file).is_file()), None)
    if missing:
        raise ConfigError(f"{adapter}: is no whole adapter, it lacks {missing}; name the output_dir of a run with lora")
    return str(name)


def _base(adapter: Path, name: str) -> PreTrainedModel:
    """The base model as it was trained upon: with the rows and the positions of the adapter's configuration."""
    try:
        own = read_config(name)
        trained = read_config(str(adapter)) if (adapter / "config.json").is_file() else own
        text, rows = trained.get_text_config(), trained.get_text_config().vocab_size
        text.vocab_size = own.get_text_config().vocab_size
        model = read_model(name, trained, dtype=trained.dtype or "auto")
    except (ConfigError, FetchError) as error:
        raise type(error)(f"{adapter}: its base model cannot be had: {error}") from error
    if rows > text.vocab_size:
        model.resize_token_embeddings(rows, mean_resizing=False)  # the adapter holds what stands in them
    return model
