"""The keys of a mix: pydantic models that check them, and that the JSON schema for editors is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from data_mix.decontamination.settings import Benchmark, DecontaminationOptions
from data_mix.mixing.settings import MixingSettings
from data_mix.near_duplicates.settings import NearDuplicateSettings
from data_mix.source import sources
from data_mix.stage import StageOptions, stages


def _entry_item(item: object) -> object:
    """Refuse what is neither a name nor one name with its options."""
    options = next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 else None
    if isinstance(item, str) or (isinstance(item, dict) and len(item) == 1 and isinstance(options, dict | None)):
        return item
    if isinstance(item, dict) and len(item) > 1:
        raise ValueError(f"found an entry with the keys {', '.join(item)}, wanted one name; indent its options under it")
    raise ValueError(f"found {item!r}, wanted the name of a source, or a name with its options indented under it")


class _EntrySchema:
    """The JSON schema of an entry: the options of each source under the names that it goes by."""

    def __get_pydantic_json_schema__(self, _core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = [f"^{re.sub(r'{.*?}', '[A-Za-z-]+', source.name)}$" for source in sources().values()]
        # Inside of a tuple pydantic writes each model as a reference; by itself it would be written out at every use.
        models = core_schema.tuple_schema([source.options.__pydantic_core_schema__ for source in sources().values()])
        found = list(zip(names, handler(models)["prefixItems"], strict=True))
        by_name = {name: {"anyOf": [options, {"type": "null"}, {"required": ["type"]}]} for name, options in found}
        typed = [
            {"allOf": [options, {"required": ["type"], "properties": {"type": {"pattern": name}}}]} for name, options in found
        ]
        one = {"type": "object", "minProperties": 1, "maxProperties": 1, "patternProperties": by_name}
        known = {"type": "string", "anyOf": [{"pattern": name} for name, _ in found]}
        return {"anyOf": [known, {**one, "additionalProperties": {"anyOf": typed}}]}


class _StagesSchema:
    """Makes of `stages` a mapping from the name of each stage to its options."""

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(_stages_model())


@cache
def _stages_model() -> type[BaseModel]:
    fields: dict[str, Any] = {
        stage.name: (stage.options, Field(default_factory=stage.options, description=f"Options of the stage {stage.name}."))
        for stage in stages()
    }
    return create_model("Stages", __base__=StageOptions, **fields)


def _default_stages() -> BaseModel:
    return _stages_model()()


EntryItem = Annotated[Any, AfterValidator(_entry_item), _EntrySchema()]


class TemplateSettings(BaseModel):
    """How conversations become text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(default="openassistant", description="The chat template: openassistant, chatml or llama3.")
    eos: str | None = Field(
        default=None, min_length=1, description="The tokenizer's end of text; where none is given, the template's own."
    )


class MixSettings(BaseModel):
    """The keys of a mix."""

    # The stages and sources are asked for when the settings are first used, not when this module is imported.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    datasets: tuple[EntryItem, ...] = Field(
        default=(), description="The entries of the mix: names of sources, each with its options."
    )
    datasets_extra: tuple[EntryItem, ...] = Field(default=(), description="Entries that come after those of `datasets`.")
    data_seed: int = Field(default=0, description="The seed of everything that is drawn: splits, caps, instructions.")
    data_path: str | None = Field(default=None, description="The build folder; where none is given, $DATAMIX_HOME/builds/NAME.")
    template: TemplateSettings = Field(default=TemplateSettings(), description="How conversations become text.")
    stages: Annotated[BaseModel, _StagesSchema()] = Field(
        default_factory=_default_stages, description="The options of each stage, by its name."
    )
    deduplicate: bool = Field(
        default=True, description="Of conversations that are the same, keep the first in the order of the mix."
    )
    near_duplicates: NearDuplicateSettings | None = Field(
        default=None, description="Of conversations that are nearly the same, keep the first; {} does it with the defaults."
    )
    decontaminate_against: tuple[Benchmark, ...] = Field(
        default=(), description="Files with items of benchmarks, which are looked for in every conversation."
    )
    decontamination: DecontaminationOptions = Field(
        default=DecontaminationOptions(), description="How items are found, and what becomes of the rows that hold them."
    )
    mixing: MixingSettings = Field(
        default=MixingSettings(), description="How the entries are weighed against each other in train."
    )
    max_record_bytes: int = Field(default=64_000_000, gt=0, description="A raw record of more bytes than this is a bad record.")

    @property
    def stage_options(self) -> Mapping[str, StageOptions]:
        """The options of each stage, by its name."""
        return {stage.name: getattr(self.stages, stage.name) for stage in stages()}
