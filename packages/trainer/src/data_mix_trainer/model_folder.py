"""A model as a folder, or as a repository of the hub: reading it, and writing it whole or not at all.

What keeps transformers from loading one is an error in one line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM

from data_mix.errors import ConfigError, FetchError, OutputError
from data_mix.files import output_errors, writing_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def read_config(name: str) -> PreTrainedConfig:
    """The configuration of a model's folder or of a model of the hub; errors as of `read_model`."""
    path = Path(name).expanduser()
    if path.is_dir() and not (path / "config.json").is_file():
        raise ConfigError(f"{name}: holds no config.json, so it is no model; of an adapter, datamix merge makes one")
    with _loading(name):
        config: PreTrainedConfig = AutoConfig.from_pretrained(_place(name), trust_remote_code=False)
    return config


def read_model(
    name: str, config: PreTrainedConfig, *, dtype: torch.dtype | str, attention: str | None = None
) -> PreTrainedModel:
    """A model's weights, every one of them.

    Raises ConfigError where it is no whole language model, FetchError where the hub does not give it.
    """
    with _loading(name):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            _place(name),
            config=config,
            dtype=dtype,
            attn_implementation=attention,
            trust_remote_code=False,
            output_loading_info=True,
        )
    model: PreTrainedModel = loaded[0]
    if missing := sorted(loaded[1]["missing_keys"]):
        raise ConfigError(
            f"{name}: lacks {len(missing)} of the weights of {type(model).__name__} ({missing[0]}); name a whole language model"
        )
    return model


def _place(name: str) -> str:
    path = Path(name).expanduser()
    return str(path) if path.exists() else name


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Say in one line why transformers cannot load a model."""
    try:
        yield
    except (OSError, ValueError, SafetensorError, StrictDataclassError) as error:
        cause, line = error.__cause__, _first_line(error)
        if isinstance(cause, GatedRepoError):
            raise FetchError(f"{name}: is gated; accept its terms on its page, then log in with `hf auth login`") from error
        if isinstance(cause, LocalEntryNotFoundError | HfHubHTTPError):
            raise FetchError(
                f"{name}: is no folder, and the hub does not give it ({line}); check the name and the network, or name a folder"
            ) from error
        raise ConfigError(f"{name}: is no model that transformers can load ({line}); check the name and the folder") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n", maxsplit=1)[0].split()).rstrip(".:")


def refuse_full(folder: Path) -> None:
    """Refuse to write into a folder that holds something already; OutputError."""
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty, and nothing is overwritten; name another folder, or remove it")


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model and its tokenizer into a new folder, whole or not at all; OutputError where that cannot be."""
    with writing_folder(folder) as partial, output_errors(folder):
        try:
            model.save_pretrained(partial)
        except SafetensorError as error:
            raise OutputError(f"cannot write {folder}: {_first_line(error)}; choose another place") from error
        tokenizer.save_pretrained(partial)
        for path in partial.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
