"""What a mix may say of decontamination.

decontaminate_against:
  - benchmarks.jsonl                       # as `datamix eval --export-prompts benchmarks.jsonl` writes it
  - name: gsm8k-test                       # any JSON Lines, Parquet or CSV, of one's own or on the hub
    repo: openai/gsm8k
    path: main/test-*.parquet
    columns: [question, answer]
decontamination:
  action: report
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

RUN: Final = 5
"""Words that must stand one after the other to be looked at."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BenchmarkFile(_Settings):
    """A file, or a glob of files, that holds items of benchmarks."""

    path: str = Field(
        min_length=1,
        description="JSON Lines, Parquet or CSV (plain, .gz or .zst): a local path, a URL, or with repo a path or glob in it.",
    )
    name: str | None = Field(
        default=None, min_length=1, description="What the benchmark is called, where the file does not say."
    )
    repo: str | None = Field(default=None, min_length=1, description="The data set on the hub that holds the file, OWNER/NAME.")
    revision: str | None = Field(default=None, min_length=1, description="Commit, branch or tag of the data set; unset: main.")
    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The columns of texts, first of what is asked, then of answers; unset: it is an export of datamix eval.",
    )
    id: str | None = Field(default=None, min_length=1, description="The column of the items' ids; unset: file stem and number.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.columns is None) != (self.name is None):
            found, lacking = ("name", "columns") if self.columns is None else ("columns", "name")
            raise ValueError(f"found {found} without {lacking}, wanted both, or neither for an export of datamix eval")
        if self.columns is None and self.id is not None:
            raise ValueError("found id without columns; an export of datamix eval says the ids itself")
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError(f"found columns {', '.join(self.columns)}, wanted each once")
        if self.revision is not None and self.repo is None:
            raise ValueError("found revision without repo; a local file has no revision")
        return self


def _from_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


Benchmark = Annotated[BenchmarkFile, BeforeValidator(_from_path, json_schema_input_type=str | BenchmarkFile)]
"""An item of `decontaminate_against`: a path alone is that of an export of `datamix eval`."""


class DecontaminationOptions(_Settings):
    """How items of benchmarks are found, and what becomes of the rows that hold them."""

    ngram: int = Field(
        default=13, ge=RUN, description="An item with fewer words of its own is found only whole, word for word."
    )
    min_words: int = Field(
        default=7,
        ge=RUN,
        description="Items with fewer words, or answers with fewer than `ngram`, are left out: chance explains them.",
    )
    min_share: float = Field(
        default=0.85,
        gt=0.4,
        le=1,
        description="A longer item is found where a text holds this share of its words, in their order or in runs of five.",
    )
    action: Literal["drop", "report"] = Field(
        default="drop", description="Drop the rows that hold an item (contaminated), or only count and list them."
    )
