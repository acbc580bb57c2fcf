"""DeepSpeed's states for another number of processes: its universal checkpoint, made beside them and removed after use.

checkpoint-200/global_step200/              as many processes wrote it
               global_step200_universal/    parameter by parameter (https://www.deepspeed.ai/tutorials/universal-checkpointing/)
               latest_universal             the name of the folder above
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from data_mix.errors import CheckpointError

logger = logging.getLogger(__name__)

_SUFFIX: Final = "_universal"
_LATEST: Final = "latest_universal"


def make_universal(checkpoint: Path) -> None:
    """Convert the states of a checkpoint; one process does so, before the others load them. Raises CheckpointError."""
    remove_universal(checkpoint)
    (states,) = [path for path in checkpoint.glob("global_step*") if path.is_dir()]
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"]
    command += ["--input_folder", str(states), "--output_folder", f"{states}{_SUFFIX}"]
    logger.warning("%s: converting DeepSpeed's states for another number of processes", checkpoint)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (checkpoint / _LATEST).is_file():
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise CheckpointError(
            f"{checkpoint}: DeepSpeed cannot convert its states ({last}); resume with as many processes as it was trained with"
        )


def remove_universal(checkpoint: Path) -> None:
    """Remove what `make_universal` made."""
    for path in checkpoint.glob(f"global_step*{_SUFFIX}"):
        shutil.rmtree(path)
    (checkpoint / _LATEST).unlink(missing_ok=True)
