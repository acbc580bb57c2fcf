"""What of a trained model is sent: its weights, configuration, tokenizer and card. No state of training is."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

from data_mix.errors import FormatError, PublishError
from data_mix.files import file_sha256
from data_mix.licence import from_hub, redistribution, restrictions
from data_mix.publish.build_plan import Plan
from data_mix.publish.files import PlannedFile

CONFIG: Final = "config.json"
CARD: Final = "README.md"
TRAINING: Final = "training.json"

_FILES: Final = re.compile(
    r"[^/]+\.safetensors(\.index\.json)?|(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens"
    r"|vocab|chat_template|preprocessor_config|adapter_config)\.json|merges\.txt|vocab\.txt|[^/]+\.(model|tiktoken|jinja)"
    r"|README\.md|LICENSE[^/]*"
)
"""What a model consists of; of the folder itself, not of folders in it."""


def is_model(folder: Path) -> bool:
    """Whether a folder is a model's, not a build's."""
    return (folder / CONFIG).is_file()


def belongs_to_a_model(path: str) -> bool:
    """Whether a file of a repository is one that a model consists of."""
    return _FILES.fullmatch(path) is not None


def plan_model(folder: Path, repo: str) -> Plan:
    """What is sent of a model's folder.

    Raises FormatError where it has no weights or a file is no safetensors, PublishError where it has no card with a licence.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and belongs_to_a_model(path.name))
    _check_weights(folder, names)
    _check_card(folder)
    found = [folder / name for name in names]
    files = {p.name: PlannedFile(path=p.name, size=p.stat().st_size, sha256=file_sha256(p), data=p) for p in found}
    digest = hashlib.sha256("".join(f"{name} {file.sha256}\n" for name, file in files.items()).encode())
    return Plan(repo=repo, kind="model", files=files, label=digest.hexdigest()[:12], stops=_stops(folder))


def _check_weights(folder: Path, names: list[str]) -> None:
    weights = [name for name in names if name.endswith(".safetensors")]
    index = folder / "model.safetensors.index.json"
    wanted = sorted(set(_read(index)["weight_map"].values())) if index.is_file() else weights[:1] or ["model.safetensors"]
    for name in wanted:
        if name not in weights:
            raise FormatError(f"{folder}: has no {name}, so it is no whole model; copy the folder whole")
    for name in weights:
        size = (folder / name).stat().st_size
        with (folder / name).open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if not 0 < header <= size - 8:
            raise FormatError(f"{folder / name}: is no safetensors, or cut short ({size} bytes); copy the folder whole")


def _check_card(folder: Path) -> None:
    """Refuse a model whose card does not say under which licence it is."""
    card = folder / CARD
    if not card.is_file():
        raise PublishError(f"{folder}: has no {CARD}; write the model's card with datamix card {folder}")
    licence = _licence(card.read_text(encoding="utf8"))
    if "unknown" in restrictions(licence):
        raise PublishError(f"{card}: names no licence that is known, wanted license: in its front matter; write it there")


def _licence(text: str) -> str:
    """The licence that a card names; `other` counts where it has a name."""
    from huggingface_hub import ModelCardData  # noqa: PLC0415  slow to import
    from huggingface_hub.repocard import RepoCard  # noqa: PLC0415

    try:
        data: Any = RepoCard(text, ignore_metadata_errors=True).data or ModelCardData()
    except ValueError:
        return from_hub(None)
    named = data.get("license_name") if data.get("license") == "other" else data.get("license")
    return from_hub(named)


def _stops(folder: Path) -> list[str]:
    """Why the data that it was trained on keep it from everybody."""
    path = folder / TRAINING
    sources = _read(path).get("sources", {}) if path.is_file() else {}
    found = redistribution({name: str(source.get("licence")) for name, source in sources.items()})
    return [sentence.partition("; or leave")[0].partition("; leave")[0] for sentence in found]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise FormatError(f"{path}: is no JSON ({error}); copy the folder whole") from error
