"""What this process runs on, and what that forces: a processor or a GPU, alone or one of many, and which number formats.

Launchers (`deepspeed`, `torchrun`, Slurm by torchrun) name the processes by environment variables; without them the process is
alone.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from data_mix.errors import TrainingError
from data_mix_trainer.config import TrainSettings

if TYPE_CHECKING:
    import torch

_MISTAKEN: Final = {
    # Some models say so once; an attention mask is what would let the conversations of a row see each other.
    "transformers.modeling_utils": ("We strongly recommend passing in an `attention_mask` since your input_ids may be padded",),
    # Where the output folder was moved; the best checkpoint is found by its step.
    "transformers.trainer": ("The best checkpoint ",),
}
"""By logger, how messages begin that are wrong here, and would have users mend what is right."""

Dtype = Literal["fp16", "bf16", "fp32"]

_SHORT: Final[dict[str, Dtype]] = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}
_ALONE: Final = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
"""What a launcher would say to a single process."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this process is, among the processes of its run."""

    rank: int
    world: int
    on_cpu: bool
    dtype: Dtype

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number format as torch names it."""
        import torch  # noqa: PLC0415  heavy

        return {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[self.dtype]


def rank() -> int:
    """The number of this process among those that the launcher started; 0 without one."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes the launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def this_machine(settings: TrainSettings, *, is_dry: bool = False) -> Machine:
    """Look at the machine; TrainingError where it cannot compute in the format that is asked for, but for a dry run."""
    import torch  # noqa: PLC0415  heavy

    on_cpu = not torch.cuda.is_available()
    dtype = _SHORT.get(settings.dtype, settings.dtype)
    if dtype == "fp16" and on_cpu and not is_dry:
        raise TrainingError(f"dtype: found {settings.dtype}, but without a GPU there is no training in it; use --dtype fp32")
    if dtype == "bf16" and not (on_cpu or is_dry) and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise TrainingError(f"dtype: found {settings.dtype}, which this GPU does not compute in; use --dtype fp16 or fp32")
    return Machine(rank=rank(), world=world(), on_cpu=on_cpu, dtype=dtype)  # type: ignore[arg-type]


@contextmanager
def processes(machine: Machine, *, by_deepspeed: bool) -> Iterator[None]:
    """Join the run's processes for as long as the block lasts; where it ends well they leave together.

    The group is left in any case: a process that ends in it may be aborted while it waits for the others.
    """
    from torch import distributed  # noqa: PLC0415  heavy

    if by_deepspeed:
        _join_by_deepspeed(machine)
    try:
        yield
        if distributed.is_initialized():
            distributed.barrier()
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def quiet() -> None:
    """Leave out what libraries say of each other, which nobody who trains can mend, and their bars."""
    import torch  # noqa: PLC0415  heavy
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415  heavy

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else every library that imports deepspeed says that it found no GPU
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if rank():
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the first process warns for all
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    for name in _MISTAKEN:
        logging.getLogger(name).addFilter(_is_apt)


def _is_apt(record: logging.LogRecord) -> bool:
    """Whether a message of a library is right about what is done here."""
    return not any(record.getMessage().startswith(opening) for opening in _MISTAKEN.get(record.name, ()))


def _join_by_deepspeed(machine: Machine) -> None:
    if machine.world == 1 and "RANK" not in os.environ:
        os.environ.update(_ALONE)
        os.environ.setdefault("MASTER_PORT", str(_free_port()))
    import deepspeed  # noqa: PLC0415  heavy
    import deepspeed.ops  # noqa: PLC0415

    # An operator for inference alone, which deepspeed compiles for more than a minute, and fails where there is no compiler.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo" if machine.on_cpu else None)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
