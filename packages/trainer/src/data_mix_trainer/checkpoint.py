"""Checkpoints that are whole or not believed, and that know what they were trained on.

    output_dir/checkpoint-200/model.safetensors …    the model, as `from_pretrained` loads it
                              global_step200/        DeepSpeed's states, or optimizer.pt without it
                              trainer_state.json rng_state_0.pth …
                              datamix.json           sealed, written last: cursor, data, settings, versions, sizes of files

A checkpoint without datamix.json, or with a file of another size, is unfinished: it is passed over and never removed by hand of
ours. The cursor (epoch, packs) is what a run goes on from, not a number of steps: it holds for any number of processes.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from data_mix.errors import CheckpointError
from data_mix.files import output_errors, read_sealed, sync_folder, write_sealed
from data_mix_trainer.schedule import Cursor

logger = logging.getLogger(__name__)

RECORD: Final = "datamix.json"
FORMAT: Final = 1

_NAME: Final = re.compile(r"checkpoint-(\d+)")
_PACKAGES: Final = ("data-mix-builder", "data-mix-trainer", "transformers", "accelerate", "deepspeed", "peft")
_FREE: Final = {"resume_from_checkpoint", "output_dir", "log_dir", "data_path", "gradient_accumulation_steps", "report_to"}
"""Settings that a run may change on the way without a word: they change nothing of what is trained."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a checkpoint says of itself."""

    step: int
    cursor: Cursor
    global_batch: int
    world: int
    engine: str
    """`torch`, or `deepspeed stage 3`."""
    data: Mapping[str, Any]
    """What decides which tokens each step is trained on."""
    settings: Mapping[str, Any]
    versions: Mapping[str, str]


def package_versions() -> dict[str, str]:
    """The versions of what a run's figures depend on; of torch with its build, for which device it is."""
    import torch  # noqa: PLC0415  heavy

    return {name: found for name in _PACKAGES if (found := _version(name))} | {"torch": str(torch.__version__)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def seal_checkpoint(folder: Path, record: Record) -> None:
    """Declare a checkpoint whole, once every process has written its files. OutputError where that cannot be written."""
    with output_errors(folder):
        files = {name: _synced_size(folder / name) for name in _files(folder)}
        for path in sorted({(folder / name).parent for name in files} | {folder}):
            sync_folder(path)
    note = {"format": FORMAT, "files": files, **asdict(record)}
    write_sealed(folder / RECORD, json.dumps(note, sort_keys=True).encode())


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != RECORD)


def _synced_size(path: Path) -> int:
    """The size of a file once it is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def read_checkpoint(folder: Path) -> Record:
    """What a whole checkpoint says; CheckpointError where it is half written, damaged, or of a newer format."""
    sealed = read_sealed(folder / RECORD)
    note: dict[str, Any] = json.loads(sealed) if sealed else {}
    if not note:
        state = "is damaged" if (folder / RECORD).is_file() else "is not there, so the checkpoint is half written"
        raise CheckpointError(f"{folder}: its {RECORD} {state}; remove the folder, or resume from another checkpoint")
    if note.pop("format") != FORMAT:
        raise CheckpointError(f"{folder}: was written by a newer datamix; install a newer data-mix-trainer")
    for name, size in note.pop("files").items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes, wanted {size}"
            raise CheckpointError(f"{folder / name}: {state}; remove {folder.name}, or copy it whole")
    return Record(**note | {"cursor": Cursor(**note["cursor"])})


def checkpoint_folder(output_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return output_dir / f"checkpoint-{step}"


def checkpoints(output_dir: Path) -> list[Path]:
    """The folders of checkpoints, whole or not, by their steps."""
    found = [path for path in output_dir.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_step)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def last_checkpoint(output_dir: Path) -> tuple[Path, Record] | None:
    """The last whole checkpoint; None where there is none. Unfinished ones after it are named in a warning."""
    for folder in reversed(checkpoints(output_dir)):
        try:
            return folder, read_checkpoint(folder)
        except CheckpointError as error:
            logger.warning("%s; going on from the one before it", error)
    return None


def remove_unfinished(output_dir: Path, step: int) -> None:
    """Remove what a killed run has written after this step: it is written again."""
    for folder in checkpoints(output_dir):
        if _step(folder) > step:
            with output_errors(folder):
                shutil.rmtree(folder)


def remove_old(output_dir: Path, limit: int | None, best: Path | None) -> None:
    """Keep the last `limit` checkpoints (None: all) and the best."""
    found = checkpoints(output_dir)
    for folder in found[: max(len(found) - limit, 0)] if limit is not None else []:
        if folder != best:
            with output_errors(folder):
                (folder / RECORD).unlink(missing_ok=True)  # first of all: what is half removed is not whole
                shutil.rmtree(folder)


def take_weights(checkpoint: Path, output_dir: Path) -> None:
    """Put a checkpoint's weights in place of those of a model that was saved after it, whatever engine has written them."""
    with output_errors(output_dir):
        for path in checkpoint.glob("*.safetensors*"):
            shutil.copyfile(path, output_dir / path.name)


def check_resume(record: Record, now: Record, folder: Path) -> None:
    """Refuse to go on with other data or another engine; warn of settings and versions that differ."""
    if other := _differences(record.data, now.data):
        raise CheckpointError(
            f"{folder}: was trained on other data ({other}); name another output_dir, or the data that it knows"
        )
    if record.engine != now.engine:
        raise CheckpointError(
            f"{folder}: holds the states of {record.engine}, this run is {now.engine}; "
            "choose the deepspeed_config that it was trained with"
        )
    kept = {name: value for name, value in now.settings.items() if name not in _FREE}
    for what, difference in (
        ("settings", _differences({name: record.settings.get(name) for name in kept}, kept)),
        ("packages", _differences(record.versions, now.versions)),
    ):
        if difference:
            logger.warning(
                "%s: its %s differ from this run's (%s); the run will not be the one it was", folder, what, difference
            )


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The differing entries, `name: then, now …`; empty where there are none."""
    names = [name for name in {**then, **now} if _plain(then.get(name)) != _plain(now.get(name))]
    return "; ".join(f"{name}: it has {_plain(then.get(name))}, now {_plain(now.get(name))}" for name in names)


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
