"""Which measures a mix asks for: what it says of near duplicates, benchmarks and budgets of tokens, made ready to be taken.

The modules of a measure are imported only where a mix asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from data_mix.fetch import Fetcher
from data_mix.measure import Measure
from data_mix.mix import Mix
from data_mix.mixing.settings import needs_tokens
from data_mix.template import chat_template

if TYPE_CHECKING:
    from data_mix.decontamination.index import Prepared


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The measures of a mix, and what the manifest says of them beside their values."""

    measures: tuple[Measure, ...]
    items: Mapping[str, int]
    """How many items of each benchmark were looked for."""
    left_out: Mapping[str, int]
    """How many of them are too short to be found."""
    find_near_duplicates: Callable[[pl.DataFrame], pl.DataFrame] | None
    """Keys of all rows, with the values of the measures → the rows to drop (`near_duplicates.search.FOUND`)."""


def measures_of(mix: Mix, fetcher: Fetcher, home: Path) -> Asked:
    """Fetch what the measures need, and make them ready.

    Raises ConfigError where a file or a tokenizer does not fit, FetchError, FormatError or RawFileError for a file that cannot
    be had or read.
    """
    benchmarks = _prepare_benchmarks(mix, fetcher, home / "benchmarks") if mix.settings.decontaminate_against else None
    return Asked(
        measures=(*_signatures(mix), *_contamination(benchmarks), *_token_counts(mix)),
        items=benchmarks.items if benchmarks else {},
        left_out=benchmarks.left_out if benchmarks else {},
        find_near_duplicates=_search(mix),
    )


def _search(mix: Mix) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    settings = mix.settings.near_duplicates
    if settings is None:
        return None
    from data_mix.near_duplicates.search import find_near_duplicates

    return partial(find_near_duplicates, settings=settings)


def _signatures(mix: Mix) -> Iterator[Measure]:
    settings = mix.settings.near_duplicates
    if settings is not None:
        from data_mix.measures.minhash import MinHash

        yield MinHash(settings)


def _prepare_benchmarks(mix: Mix, fetcher: Fetcher, folder: Path) -> Prepared:
    from data_mix.decontamination.index import prepare
    from data_mix.decontamination.items import fetch_items, read_items

    settings = mix.settings
    items = [read_items(each, fetch_items(each, fetcher, mix.folders)) for each in settings.decontaminate_against]
    return prepare(pl.concat(items), settings.decontamination, folder)


def _contamination(benchmarks: Prepared | None) -> Iterator[Measure]:
    if benchmarks is not None:
        from data_mix.measures.contamination import Contamination

        yield Contamination(benchmarks.path, benchmarks.digest)


def _token_counts(mix: Mix) -> Iterator[Measure]:
    if needs_tokens(mix.settings.mixing, {entry.name: entry.options for entry in mix.entries}):
        yield token_count(mix)


def token_count(mix: Mix) -> Measure:
    """The measure that counts tokens by `mixing.tokenizer`, which the mix must name."""
    from data_mix.measures.token_count import TokenCount
    from data_mix.tokens import load_tokenizer

    template = chat_template(mix.settings.template.name, mix.settings.template.eos)
    return TokenCount(load_tokenizer(mix.settings.mixing.tokenizer or ""), template.name, template.eos)
