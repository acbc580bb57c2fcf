"""What a run is trained on: the build that belongs to its mix, the token shards of its tokenizer, their packs.

Nothing is built or tokenised here. What is missing is an error with the command that makes it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.config import Config
from data_mix.errors import ConfigError, OutputError, TrainingError
from data_mix.home import datamix_home, default_build
from data_mix.mix import ORDER, Mix, resolve_mix, settings_by_name
from data_mix.packing import Conversations, Layout, PackKey, Packs, find_turns, make_packs, packs_of, read_conversations
from data_mix.schema import SPLITS
from data_mix.shards import Build, open_build
from data_mix.template import ChatTemplate
from data_mix.tokens import (
    ControlTokens,
    Tokenizer,
    Tokens,
    control_tokens,
    load_tokenizer,
    read_tokens,
    template_of,
    user_opening,
)
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.dataset import TokenRows, check_fits

logger = logging.getLogger(__name__)

_MIX_KEYS: Final = ("datasets", "datasets_extra")


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split of a run's data."""

    rows: TokenRows
    packs: Packs


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Everything that is known of a run's data before a model is loaded."""

    build: Build
    template: ChatTemplate
    control: ControlTokens
    train: Split
    validation: Split | None
    """None where the build's has no row."""
    layout: Layout
    facts: Mapping[str, Any]
    """What decides which tokens each step is trained on, for checkpoints to remember."""


@dataclass(frozen=True, kw_only=True)
class AskedMix:
    """The mix that a run asks for, as it is and as it is of the shipped samples."""

    mixes: tuple[Mix, ...]
    sections: tuple[str, ...]

    @property
    def name(self) -> str:
        """The section that holds its entries."""
        return self.mixes[0].name


def open_data(settings: TrainSettings, mix: AskedMix | None) -> TrainingData:
    """Open the data of a run, of the mix that it asks for; None: of any.

    Raises FormatError where build or token shards are missing or damaged, TrainingError where the build is of another mix, and
    ConfigError where the tokenizer does not fit or no conversation fits into `max_length`.
    """
    build = open_build(_folder(settings, mix))
    _refuse_other_mix(build, mix)
    tokenizer = load_tokenizer(_tokenizer_name(settings))
    template = template_of(build)
    control = control_tokens(tokenizer, template)
    tokens = read_tokens(build.path, tokenizer)
    layout = _layout(settings)
    train, validation = (_open_split(split, tokens, tokenizer, template, settings, layout) for split in SPLITS)
    if train is None:
        raise TrainingError(f"{build.path}: its train split holds no conversation; look at the mix and its val_split")
    return TrainingData(
        build=build,
        template=template,
        control=control,
        train=train,
        validation=validation,
        layout=layout,
        facts=_facts(build, tokens, settings, layout),
    )


def asked_mix(config: Config, without: tuple[str, ...]) -> AskedMix | None:
    """The mix that a configuration asks for; None where it names none."""
    if not any(key in config.owners for key in _MIX_KEYS):
        return None
    mixes = tuple(resolve_mix(config, without=without, samples=samples, find_files=False) for samples in (False, True))
    return AskedMix(mixes=mixes, sections=config.sections)


def _folder(settings: TrainSettings, mix: AskedMix | None) -> Path:
    if settings.data_path is None and mix is None:
        raise ConfigError("found neither data_path nor a mix; name a build folder with --data_path, or the mix in --configs")
    return default_build(mix.name if mix else "", settings.data_path, datamix_home())


def _refuse_other_mix(build: Build, mix: AskedMix | None) -> None:
    found = build.manifest["mix"]
    if mix is None or any(each.portable() == found for each in mix.mixes):
        return
    wanted = min((each.portable() for each in mix.mixes), key=lambda each: _count_differences(found, each))
    raise TrainingError(
        f"{build.path}: is a build of another mix ({_difference(found, wanted)}); "
        f"make the right one with datamix build --configs {' '.join(mix.sections)} -o {build.path}, or set data_path"
    )


def _count_differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> int:
    """In how many settings two mixes differ: those of samples are told from those of the real sources so."""
    has = settings_by_name(found)
    return sum(has.get(name) != value for name, value in settings_by_name(wanted).items())


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first thing that two mixes do not have in common."""
    has, wants = settings_by_name(found), settings_by_name(wanted)
    if extra := [name for name in has[ORDER] if name not in wants[ORDER]]:
        return f"it has {', '.join(extra)}, which this mix has not"
    if missing := [name for name in wants[ORDER] if name not in has[ORDER]]:
        return f"it lacks {', '.join(missing)}; leave them out with --without {','.join(missing)}"
    name = next(name for name in (has | wants) if has.get(name) != wants.get(name))
    if name == ORDER:
        return "the order of its entries"
    return f"{name.removeprefix('datasets.')} is {has.get(name)!r} there and {wants.get(name)!r} here"


def _tokenizer_name(settings: TrainSettings) -> str:
    name = settings.tokenizer_name or settings.model_name
    if name is None:
        raise ConfigError("found no model_name; name a base model with --model_name, or a section that has one")
    return name


def _layout(settings: TrainSettings) -> Layout:
    """How packs are laid out for the model."""
    from data_mix_trainer.model import takes_positions  # noqa: PLC0415  heavy

    if takes_positions(str(settings.model_name)):
        return "row"
    for name in ("per_device_train_batch_size", "per_device_eval_batch_size"):
        if (found := getattr(settings, name)) != 1:
            raise ConfigError(
                f"{name}: found {found}, wanted 1: {settings.model_name} takes no positions, so each conversation has a row of "
                "its own, and a pack is a whole batch; raise gradient_accumulation_steps in its place"
            )
    return "rectangle"


def _open_split(
    split: str, tokens: Tokens, tokenizer: Tokenizer, template: ChatTemplate, settings: TrainSettings, layout: Layout
) -> Split | None:
    table = tokens.table(split)
    if not table.num_rows:
        return None

    def conversations() -> Conversations:
        ids = table["input_ids"]
        turns = find_turns(ids, user_opening(tokenizer, template)) if settings.packing_policy == "split" else None
        return read_conversations(ids, table["loss"], turns)

    key = PackKey(
        tokens=f"{tokens.path.stem}:{split}", max_length=settings.max_length, policy=settings.packing_policy, layout=layout
    )
    rows, folder = TokenRows(table), tokens.path.with_suffix(".packs")
    try:
        packs = packs_of(folder, key, conversations)
    except OutputError as error:
        logger.warning("%s; packs are made anew at every start", error)
        packs = make_packs(conversations(), key.max_length, key.policy, key.layout)
    check_fits(packs, rows)
    return Split(rows=rows, packs=packs)


def _facts(build: Build, tokens: Tokens, settings: TrainSettings, layout: Layout) -> dict[str, Any]:
    return {
        "build": build.manifest["fingerprint"],
        "tokens": tokens.path.stem,
        "max_length": settings.max_length,
        "packing_policy": settings.packing_policy,
        "seed": settings.seed,
        "layout": layout,
    }
