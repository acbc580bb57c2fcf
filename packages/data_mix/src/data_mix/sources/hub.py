"""Any data set of the Hugging Face hub, or any file of Parquet, JSON Lines or CSV, by the names of its columns.

https://huggingface.co/datasets. An entry of any name says `type: hub`, the repository (or `input_file_path`), and which column
holds what:

    - garden_talk:                                         - my_questions:
        type: hub                                              type: hub
        repo: OWNER/garden-talk                                input_file_path: questions.csv
        validation_split: test                                 columns: {prompt: question, response: answer}

One record of each: the turns of a column of messages may be `role` and `content`, or `from` and `value`.

    {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}], "category": "Chat"}
    {"question": "…", "answer": "…"}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal, cast

import polars as pl
import pyarrow as pa
from pydantic import Field

from data_mix.conversation_file import ROLES
from data_mix.errors import BadRecordError, ConfigError
from data_mix.fetch.ranges import open_parquet
from data_mix.fetch.repo_files import RepoFiles, readme_licence
from data_mix.licence import UNKNOWN
from data_mix.records import is_parquet, json_values, read_records, record_key
from data_mix.records.json_record import shown
from data_mix.records.record_frame import BAD_RECORD, record_place
from data_mix.records.required import required
from data_mix.schema import Split, pair, turns, unless_dropped, with_context
from data_mix.source import Entry, Hub, LocalFile, Origin, RawFile, Source, SourceOptions

_HUB: Final = "https://huggingface.co/datasets"

_Column = Literal["messages", "prompt", "response", "system", "context"]

_SPEAKER: Final = ("role", "from")
_SAID: Final = ("content", "value")


class HubOptions(SourceOptions):
    """What an entry of this source may say."""

    repo: str | None = Field(None, description="The data set's name on the hub, OWNER/NAME.")
    config: str | None = Field(None, description="Which of the data set's configurations to read; none: its default one.")
    split: str = Field("train", description="Which of upstream's splits to read.")
    validation_split: str | None = Field(
        None, description="Which of upstream's splits is the validation split; none: it is ours to make."
    )
    data_files: str | None = Field(
        None, description="The files to read, as a glob in the repository, where it does not say itself."
    )
    columns: dict[_Column, str] = Field(
        default_factory=lambda: cast(dict[_Column, str], {"messages": "messages"}),
        description="Which column holds the messages, or the prompt, response, system and context.",
    )


def _options(entry: Entry) -> HubOptions:
    return cast(HubOptions, entry.options)


def _check(entry: Entry) -> None:
    options = _options(entry)
    given = set(options.columns)
    if not options.repo and not options.input_file_path:
        raise ConfigError(f"entry {entry.name!r} names no data set; give it a repo (OWNER/NAME), or an input_file_path")
    if given != {"messages"} and ("messages" in given or not given >= {"prompt", "response"}):
        raise ConfigError(
            f"entry {entry.name!r}: columns names {', '.join(sorted(given)) or 'nothing'}; "
            "wanted messages alone, or prompt and response (and system, context)"
        )
    if options.data_files and options.validation_split:
        raise ConfigError(f"entry {entry.name!r} has both data_files and validation_split; leave one out")


def _files(entry: Entry, hub: Hub) -> list[RawFile]:
    options, repo = _options(entry), _options(entry).repo or ""
    found = RepoFiles(hub, repo, options.revision)
    paths: dict[str, Split | None] = {}
    if options.data_files:
        paths = dict.fromkeys(found.matching(options.data_files))
    else:
        paths = dict.fromkeys(found.of_split(options.config, options.split), "train" if options.validation_split else None)
    if options.validation_split:
        paths |= dict.fromkeys(found.of_split(options.config, options.validation_split), "validation")
    return [RawFile(repo=repo, revision=options.revision, path=path, split=split) for path, split in paths.items()]


def _origin(entry: Entry, hub: Hub) -> Origin:
    """Licence and homepage of the data set; of a file of one's own nothing is known."""
    options = _options(entry)
    if options.input_file_path or not options.repo:
        return Origin(licence=UNKNOWN, homepage="")
    readme = hub.read_text(options.repo, options.revision, "README.md") or ""
    return Origin(licence=readme_licence(readme), homepage=f"{_HUB}/{options.repo}")


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    columns = _options(entry).columns
    needed = [columns[name] for name in ("messages", "prompt", "response") if name in columns]
    for file in files:
        schema = _schema(file, entry, needed)
        for records in read_records(file, entry, schema):
            rows = required(records, file, entry, needed)
            if "messages" in columns:
                rows = _with_messages(rows, file, entry)
            else:
                rows = rows.with_columns(unless_dropped(_from_texts(columns)))
            yield rows.select("messages", "drop", key=_key(file))


def _key(file: LocalFile) -> pl.Expr:
    """The number of a record, set apart where upstream's validation split has files of the same names."""
    return pl.concat_str(pl.lit("validation/"), record_key(file)) if file.split == "validation" else record_key(file)


def _schema(file: LocalFile, entry: Entry, needed: Sequence[str]) -> dict[str, pl.DataType]:
    """The columns to read and their types; raises ConfigError where the file lacks one that is needed."""
    columns = _options(entry).columns
    if not is_parquet(file):
        _check_columns(entry, file, needed, _first_keys(file, entry))
        fields = [*_SPEAKER, *_SAID]
    else:
        with open_parquet(file) as opened:
            found = opened.schema_arrow
        _check_columns(entry, file, needed, found.names)
        fields = _turn_fields(found, columns.get("messages"))
    if "messages" in columns:
        return {columns["messages"]: pl.List(pl.Struct({name: pl.String() for name in fields}))}
    return {name: pl.String() for name in columns.values()}


def _first_keys(file: LocalFile, entry: Entry) -> Sequence[str]:
    """The keys of the first record of JSON Lines; none where it is no object, which the reader then says of it."""
    if ".csv" in file.name or ".tsv" in file.name:
        return ()
    first = next(json_values(file, entry), (0, None))[1]
    return list(first) if isinstance(first, dict) else ()


def _check_columns(entry: Entry, file: LocalFile, needed: Sequence[str], found: Sequence[str]) -> None:
    for name in needed:
        if found and name not in found:
            nearest = get_close_matches(name, found, n=1, cutoff=0)[0]
            raise ConfigError(
                f"entry {entry.name!r}: {file.name} has no column {name!r}, did you mean {nearest!r}? "
                f"(columns: {', '.join(found)}); say which is which with columns:"
            )


def _turn_fields(found: pa.Schema, column: str | None) -> list[str]:
    """Which fields of a turn a Parquet column of messages has; all where it is no list of turns, which the reader then says."""
    kind = found.field(column).type if column in found.names else None
    turn = getattr(kind, "value_type", None)
    names = {field.name for field in turn} if isinstance(turn, pa.StructType) else set()
    return [name for name in (*_SPEAKER, *_SAID) if name in names] or [*_SPEAKER, *_SAID]


def _from_texts(columns: Mapping[_Column, str]) -> pl.Expr:
    """Messages of the columns of a prompt and a response, and of a system message and a context where there are any."""
    response = columns["response"]
    prompt = with_context(columns["prompt"], columns["context"]) if "context" in columns else pl.col(columns["prompt"])
    if "system" not in columns:
        return pair(prompt, response)
    system = pl.col(columns["system"])
    three = turns(("system", system), ("user", prompt), ("assistant", response))
    return pl.when(system.str.strip_chars() != "").then(three).otherwise(pair(prompt, response))


def _with_messages(rows: pl.DataFrame, file: LocalFile, entry: Entry) -> pl.DataFrame:
    """The rows with their column of messages in our terms; one with a turn that has no known role or no text is broken."""
    column = _options(entry).columns["messages"]
    fields = [field.name for field in rows.schema[column].inner.fields]  # type: ignore[attr-defined]
    speaker, said = ([pl.element().struct.field(name) for name in names if name in fields] for names in (_SPEAKER, _SAID))
    role = pl.coalesce(speaker).str.to_lowercase().replace_strict(ROLES, default=None, return_dtype=pl.String)
    turn = pl.struct(role=role, content=pl.coalesce(said))
    is_unreadable = pl.any_horizontal(pl.element().struct.field("role", "content").is_null())
    rows = rows.with_columns(messages=pl.col(column).list.eval(turn), raw=column)
    bad = rows.filter(pl.col("drop").is_null() & pl.col("messages").list.eval(is_unreadable).list.any())
    if bad.is_empty():
        return rows
    if entry.options.on_bad_record == "error":
        wanted = f"role and content (or from and value) in every turn, and a role of {', '.join(ROLES)}"
        raise BadRecordError(
            record_place(file, bad["record"][0]), f"{column} is {shown(bad['raw'][0].to_list())}, wanted {wanted}"
        )
    is_bad = pl.col("record").is_in(bad["record"].implode())
    rows = rows.with_columns(drop=pl.when(is_bad).then(pl.lit(BAD_RECORD)).otherwise("drop"))
    return rows.with_columns(unless_dropped(pl.col("messages")))


SOURCE: Final = Source(
    name="hub",
    licence=UNKNOWN,
    homepage=_HUB,
    languages=(),
    rows=None,
    files=_files,
    read=_read,
    origin=_origin,
    options=HubOptions,
    check=_check,
    sample_options={
        "repo": "data-mix/sample",
        "config": None,
        "split": "train",
        "validation_split": None,
        "data_files": None,
        "columns": {"messages": "messages"},
    },
)
