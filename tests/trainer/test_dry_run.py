"""What `datamix train --dry-run` says, from figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_mix.packing import Conversations, Ragged, Statistics, make_packs
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.dry_run import DryRun
from data_mix_trainer.memory import ParameterCount, memory_by_stage
from data_mix_trainer.schedule import Schedule, make_schedule
from training import Place

SETTINGS = TrainSettings(model_name="tiny-model", max_length=10, per_device_train_batch_size=1, gradient_accumulation_steps=2)
COUNT = ParameterCount(trainable=1_000_000, frozen=24)
MEMORY = memory_by_stage(COUNT, world=2, dtype="fp16")


def packed(*lengths: int) -> Statistics:
    """The statistics of conversations that were packed: the second half of each is trained."""
    ends = np.array(lengths, np.int64)
    offsets = np.arange(len(lengths) + 1, dtype=np.int64)
    conversations = Conversations(
        lengths=ends,
        span_starts=Ragged(offsets=offsets, values=ends // 2),
        span_ends=Ragged(offsets=offsets, values=ends),
    )
    return make_packs(conversations, SETTINGS.max_length).statistics


def dry_run(statistics: Statistics, schedule: Schedule | None = None) -> DryRun:
    """The run of these packs on two processes."""
    return DryRun(
        settings=SETTINGS,
        build="mix",
        statistics=statistics,
        schedule=schedule or make_schedule(SETTINGS, packs=statistics.packs, world=2),
        world=2,
        engine="deepspeed stage 3",
        parameters=COUNT,
        memory=MEMORY,
    )


def test_it_says_what_the_run_would_be() -> None:
    """Conversations of 6, 4, 8 and 12 tokens, one of them too long, make two packs of 10, of which two tokens are padding."""
    assert dict(dry_run(packed(6, 4, 8, 12)).rows()) == {
        "model": "tiny-model, 1,000,024 parameters, 24 of them frozen",
        "engine": "deepspeed stage 3, fp16",
        "build": "mix",
        "conversations": "4 read, 3 kept, 1 dropped (no_turn_fits 1)",
        "packs": "2 of 10 tokens",
        "tokens": "18",
        "trained tokens": "9 (50.0%)",
        "padding": "10.00%",
        "global batch": "4 packs: processes 2 × rows 1 × forward passes 2",
        "steps per epoch": "1",
        "steps": "3, 3 epochs",
        "warm-up": "600 steps: the run ends before it does",
        "tokens per step": "18, 9 of them trained",
    }


def test_conversations_that_were_cut_or_split_are_told() -> None:
    """Changed conversations are among those that are kept; where nothing was dropped, that is said."""
    statistics = replace(packed(6, 4), cut=1, split=1)
    assert dict(dry_run(statistics).rows())["conversations"] == "2 read, 2 kept (1 cut, 1 split), none dropped"


def test_the_steps_are_the_schedules() -> None:
    """A run of more steps than its warm-up says nothing of it, and parts of an epoch are seen."""
    rows = dict(dry_run(packed(*[10] * 40), Schedule(packs=40, global_batch=4, steps=1005)).rows())
    assert rows["steps per epoch"] == "10"
    assert (rows["steps"], rows["warm-up"]) == ("1,005, 100 epochs", "600 steps")
    assert rows["tokens per step"] == "40, 20 of them trained"


def test_a_run_that_goes_on_says_what_is_done() -> None:
    """The steps of a checkpoint count among all."""
    assert dict(replace(dry_run(packed(6, 4)), done=2).rows())["steps"] == "3, 3 epochs, 2 of them done"


def test_as_text_it_is_two_tables() -> None:
    """Names and values are aligned, and so is the memory by stage under its heading."""
    lines = dry_run(packed(6)).as_text().splitlines()
    assert lines[0] == "model            tiny-model, 1,000,024 parameters, 24 of them frozen"
    assert lines[-7:] == [
        "memory of the model's states, of each process",
        "ZeRO stage    on the device  in the machine's memory",
        "0             15.3 MiB       0 B",
        "1             9.5 MiB        0 B",
        "2             8.6 MiB        0 B",
        "3             7.6 MiB        0 B",
        "3, offloaded  0 B            7.6 MiB",
    ]


def test_as_plain_data_it_is_json_with_every_figure() -> None:
    """`--json` holds the same, unrounded."""
    plain = json.loads(json.dumps(dry_run(packed(6, 4, 8, 12)).as_dict()))
    assert plain["packing"]["padding_share"] == 1 - 18 / 20
    assert plain["packing"]["dropped"] == {"no_turn_fits": 1}
    assert plain["schedule"] == {"packs": 2, "global_batch": 4, "steps": 3, "steps_per_epoch": 1}
    assert plain["parameters"] == {"trainable": 1_000_000, "frozen": 24}
    assert [row["stage"] for row in plain["memory"]] == [0, 1, 2, 3, 3]
    assert (plain["tokens_per_step"], plain["trained_tokens_per_step"], plain["processes"]) == (18.0, 9.0, 2)


def test_the_command_prints_it_and_does_nothing(place: Place, out: Path) -> None:
    """`datamix train --dry-run` reads a build, its token shards and a model's configuration, and writes nothing."""
    arguments = ["train", *place.arguments(out), "--deepspeed", "--dry-run"]
    printed = place.shell().ok(*arguments)
    plain = json.loads(place.shell().ok(*arguments, "--json"))
    assert f"\nbuild            {place.build}\n" in printed
    assert "\nengine           deepspeed stage 3, fp32\n" in printed
    assert plain["schedule"]["steps"] == 6
    assert plain["packing"]["conversations"] == 162
    assert plain["memory"][0]["device"] == 16 * plain["parameters"]["trainable"]
    assert not out.exists()
