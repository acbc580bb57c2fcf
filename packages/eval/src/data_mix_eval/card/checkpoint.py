"""What is known of a model from its folder: its configuration, how it was trained, and how it scored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.errors import EvalError
from data_mix.fetch import DigestStore
from data_mix.home import datamix_home
from data_mix_eval.models.digest import checkpoint_digest
from data_mix_eval.results import BASE, RESULTS, Results, read_results

TRAINING: Final = "training.json"
"""What the trainer writes beside a model: everything that it takes to repeat the run."""
_KEYS: Final = (
    *("settings", "sections", "overrides", "processes", "deepspeed", "schedule", "packing"),
    *("mix", "sources", "licence_warnings", "versions"),
)
"""What a card reads of it."""
_IN_DIGEST: Final = ("engine", "dtype", "device", "context")
"""What the digest of a model is of, beside its files."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What is known of a model from its folder."""

    name: str
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    """What the trainer wrote; empty where something else has trained it."""
    results: Sequence[Results]
    """Of each protocol that it was scored by."""
    base_results: Sequence[Results | None]
    """Of each of them what its base model scored; None where that is not known."""

    @property
    def base_model(self) -> str:
        """What it was trained from; nothing where that is not known."""
        return str(self.training.get("settings", {}).get("model_name") or "")


def read_checkpoint(folder: Path, results: Sequence[Path] = (), base_results: Sequence[Path] = ()) -> Checkpoint:
    """Read a checkpoint's folder and folders of results: those named, or all below the checkpoint.

    Raises EvalError where it is no checkpoint or results are of other weights, FormatError for results that cannot be read.
    """
    found = results or _results_below(folder)
    scored = [read_results(path) for path in found]
    for path, each in zip(found, scored, strict=True):
        _refuse_others(folder, path, each)
    named = [read_results(path) for path in base_results]
    return Checkpoint(
        name=folder.resolve().name,
        config=_read_json(folder / "config.json", needed=True),
        training=_read_training(folder / TRAINING),
        results=scored,
        base_results=[_base(*each, named) for each in zip(found, scored, strict=True)],
    )


def _refuse_others(folder: Path, place: Path, results: Results) -> None:
    """A model that was trained on since, or another one, must not be given these scores."""
    model = results.model
    if str(model.get("engine")).startswith("lm-eval"):
        return  # it does not say how it read the model, so the digest cannot be taken again
    names = ("engine", "dtype", "context", "name") if str(model.get("engine")).startswith("vllm") else _IN_DIGEST
    settings = {name: model.get(name) for name in names}
    if checkpoint_digest(folder, settings, DigestStore(datamix_home() / "digests")) != model["digest"]:
        raise EvalError(f"{place}: is of other files than {folder} holds now; score the model again, or remove these results")


def _base(folder: Path, scored: Results, named: Sequence[Results]) -> Results | None:
    """What the base model scored: the results named for this protocol, else those beside the model's own."""
    if named:
        return next((each for each in named if each.protocol == scored.protocol), None)
    return read_results(folder / BASE) if (folder / BASE / RESULTS).is_file() else None


def _results_below(folder: Path) -> list[Path]:
    """Where `datamix eval` puts results, those of the base model left out."""
    places = (path.parent for path in (folder / "eval").glob(f"**/{RESULTS}"))
    return sorted(place for place in places if place.name != BASE)


def _read_training(path: Path) -> dict[str, Any]:
    training = _read_json(path, needed=False)
    if missing := [key for key in _KEYS if training and key not in training]:
        raise EvalError(f"{path}: holds no {missing[0]!r}, so this trainer has not written it; remove it, or train again")
    return training


def _read_json(path: Path, *, needed: bool) -> dict[str, Any]:
    if not needed and not path.exists():
        return {}
    try:
        read = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError as error:
        raise EvalError(f"{path.parent}: holds no {path.name}; name the folder of a trained model") from error
    except (OSError, ValueError) as error:
        raise EvalError(f"{path}: cannot be read ({error}); name the folder of a trained model") from error
    if not isinstance(read, dict):
        raise EvalError(f"{path}: holds no object of JSON; name the folder of a trained model")
    return read
