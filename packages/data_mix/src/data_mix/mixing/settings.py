"""The keys of `mixing:`, and which of them ask for counts of tokens.

mixing:
  temperature: 2
  unit: tokens
  total: 50000000
  max_epochs: 3
  tokenizer: EleutherAI/gpt-neox-20b
  languages:
    ja: {max_tokens: 5000000, weight: 2}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, field_validator

from data_mix.errors import ConfigError
from data_mix.language.tags import is_tag, normalise_tag
from data_mix.source import SourceOptions

Unit = Literal["rows", "tokens", "trained_tokens"]
"""What sizes, shares and the total are counted in."""

_STRICT: Final = ConfigDict(extra="forbid", frozen=True, strict=True)


def _without_infinity(value: Any) -> Any:
    """YAML's `.inf` by the word for it: JSON, which a manifest is written in, has no number for it."""
    return "inf" if isinstance(value, float) and value == math.inf else value


class LanguageMix(BaseModel):
    """What a mix says of one language."""

    model_config = _STRICT

    max_tokens: int | None = Field(
        default=None, ge=0, description="At most so many tokens of this language in train, copies included, over all entries."
    )
    weight: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="How much denser than others the rows of this language are taken."
    )


class MixingSettings(BaseModel):
    """How the entries of a mix are weighed against each other in train; with the defaults every row is taken once.

    Where a weight, a temperature or a total is given, the share of an entry is proportional to weight × n^(1/temperature), n
    being what it has in `unit` after drops, duplicates, caps and its own budget. An entry with `epochs` stands outside of the
    shares: it is taken so often, and of a total the others share what it leaves.
    """

    model_config = _STRICT

    temperature: Annotated[
        Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["inf"] | None, BeforeValidator(_without_infinity)
    ] = Field(default=None, description="T in n^(1/T): 1 (where none is given) is proportional to size, inf is equal shares.")
    temperature_over: Literal["entries", "languages"] = Field(
        default="entries",
        description="Whose sizes the temperature evens out: those of the entries, or of the languages of the mix.",
    )
    unit: Unit = Field(default="rows", description="What sizes, shares and the total are counted in.")
    total: int | None = Field(
        default=None,
        ge=0,
        description="Size of train in `unit`; where none is given, the largest at which no entry passes max_epochs.",
    )
    max_epochs: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="How often a row may be taken at most to fill a share; 1: never again.",
    )
    languages: Mapping[str, LanguageMix] = Field(
        default={}, description="Weight and budget of single languages, by BCP-47 tag."
    )
    tokenizer: str | None = Field(
        default=None, description="Counts tokens: a tokenizer's folder, its tokenizer.json, or a repository of the hub."
    )

    @field_validator("languages")
    @classmethod
    def _known_tags(cls, languages: Mapping[str, LanguageMix]) -> Mapping[str, LanguageMix]:
        for tag in languages:
            if not is_tag(tag):
                raise ValueError(f"found {tag!r}, wanted a language tag such as ja or zh-TW")
        return {normalise_tag(tag): of for tag, of in languages.items()}

    @field_serializer("tokenizer", when_used="json")
    def _portable(self, name: str | None) -> str | None:
        """A tokenizer of one's own by its base name: where it lies is no business of a manifest's."""
        return Path(name).name if name is not None and Path(name).expanduser().exists() else name

    def has_shares(self, options: Sequence[SourceOptions]) -> bool:
        """Whether entries are weighed against each other, rather than each taken for itself."""
        weights = [each.weight for each in options] + [each.weight for each in self.languages.values() if each.weight != 1]
        return self.temperature is not None or self.total is not None or any(weight is not None for weight in weights)

    def is_idle(self, options: Sequence[SourceOptions]) -> bool:
        """Whether every row is taken once."""
        own = any(each.epochs is not None or each.max_train_tokens is not None for each in options)
        return not (own or self.has_shares(options) or self.languages)


def needs_tokens(settings: MixingSettings, options: Mapping[str, SourceOptions]) -> bool:
    """Whether tokens must be counted; `options` are those of the entries by name.

    Raises ConfigError where they must and `mixing.tokenizer` names nothing to count them by.
    """
    wanting = [f"datasets.{name}.max_train_tokens" for name, each in options.items() if each.max_train_tokens is not None]
    wanting += [f"mixing.languages.{tag}.max_tokens" for tag, each in settings.languages.items() if each.max_tokens is not None]
    if settings.unit != "rows" and settings.has_shares(list(options.values())):
        wanting.append(f"mixing.unit {settings.unit}")
    if wanting and settings.tokenizer is None:
        raise ConfigError(
            f"mixing.tokenizer: found none, wanted one because {wanting[0]} counts tokens; "
            "name the tokenizer of the model to be trained, e.g. --mixing.tokenizer EleutherAI/gpt-neox-20b"
        )
    return bool(wanting)
