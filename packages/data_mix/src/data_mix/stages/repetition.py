"""Drops conversations with an answer that repeats itself: `repetitive`.

The measures are those of Gopher (Rae et al. 2021, "Scaling Language Models", arXiv 2112.11446, table A1), which judges texts
from 50 words on. Its limits stand in the descriptions of the options.

    duplicate lines         lines that repeat an earlier one, as a part of all lines, by number and by characters
    most frequent n-gram    characters of all its occurrences, as a part of the characters of all words, where it occurs twice
    duplicate n-grams       characters of words that stand in a second or later occurrence of an n-gram, each counted once

A word is a run of letters and digits; in Chinese, Japanese and Thai, which write no blanks between words, a letter. Blank lines
are no lines; blanks at the ends of a line do not tell it from another.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from data_mix.stage import Stage, StageOptions, drop_where

_DENSE: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
_WORD: Final = rf"[{_DENSE}]|[\p{{L}}\p{{M}}\p{{N}}--[{_DENSE}]]+"
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)

Share = Annotated[float, Field(ge=0, le=1)]
Words = Annotated[int, Field(ge=1, le=20)]


class RepetitionOptions(StageOptions):
    """The limits; with the defaults nothing is dropped."""

    max_duplicate_lines: Share | None = Field(
        default=None, description="Most of an answer's lines that may repeat an earlier one, as a part of 1 (Gopher: 0.3)."
    )
    max_duplicate_line_chars: Share | None = Field(default=None, description="The same by their characters (Gopher: 0.2).")
    max_top_ngram: Share | None = Field(
        default=None,
        description="Most of an answer's characters that its most frequent n-gram may take "
        "(Gopher: 0.2 for 2 words, 0.18 for 3, 0.16 for 4).",
    )
    top_ngram: Words = Field(default=3, description="Words of that n-gram.")
    max_duplicate_ngrams: Share | None = Field(
        default=None,
        description="Most of an answer's characters that may stand in repeated n-grams "
        "(Gopher: 0.15 for 5 words to 0.1 for 10).",
    )
    duplicate_ngram: Words = Field(default=10, description="Words of those n-grams.")
    min_words: int = Field(default=50, ge=1, description="An answer with fewer words is not judged.")


def apply(frame: pl.DataFrame, options: RepetitionOptions) -> pl.DataFrame:
    """Fill `drop` of the rows with an answer beyond one of the limits."""
    limits = (
        options.max_duplicate_lines,
        options.max_duplicate_line_chars,
        options.max_top_ngram,
        options.max_duplicate_ngrams,
    )
    if all(limit is None for limit in limits):
        return frame
    answers = _answers(frame)
    words = answers["content"].str.extract_all(_WORD)
    is_long = words.list.len() >= options.min_words
    answers, words = answers.filter(is_long), words.filter(is_long)
    rows = answers["row"].filter(_is_beyond(answers["content"], words, options)).unique()
    repetitive = pl.Series(np.isin(np.arange(len(frame)), rows.to_numpy()))
    return frame.with_columns(drop_where(pl.lit(repetitive), "repetitive"))


def _answers(frame: pl.DataFrame) -> pl.DataFrame:
    """The answers of the rows that are not dropped, each with its row's place."""
    rows = frame.select(row=pl.int_range(pl.len(), dtype=pl.UInt32), messages=pl.col("messages"), drop=pl.col("drop"))
    told = rows.filter(pl.col("drop").is_null()).explode("messages", empty_as_null=False).unnest("messages")
    return told.filter((pl.col("role") == "assistant") & pl.col("content").is_not_null()).select("row", "content")


def _is_beyond(texts: pl.Series, words: pl.Series, options: RepetitionOptions) -> pl.Series:
    """Whether each text passes a limit."""
    beyond = np.zeros(len(texts), dtype=bool)
    if options.max_duplicate_lines is not None or options.max_duplicate_line_chars is not None:
        lines, chars = duplicate_lines(texts)
        beyond |= lines > _limit(options.max_duplicate_lines)
        beyond |= chars > _limit(options.max_duplicate_line_chars)
    if options.max_top_ngram is not None:
        beyond |= Ngrams(words, options.top_ngram).top_share() > options.max_top_ngram
    if options.max_duplicate_ngrams is not None:
        beyond |= Ngrams(words, options.duplicate_ngram).repeated_share() > options.max_duplicate_ngrams
    return pl.Series(beyond)


def _limit(share: float | None) -> float:
    return 1.0 if share is None else share


def duplicate_lines(texts: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The part of each text's lines that repeat an earlier one, by number and by characters."""
    lines = pl.DataFrame({"line": texts.str.split("\n")}).with_row_index("text").explode("line", empty_as_null=False)
    lines = lines.with_columns(pl.col("line").str.strip_chars()).filter(pl.col("line") != "")
    lines = lines.with_columns(again=~pl.struct("text", "line").is_first_distinct(), size=pl.col("line").str.len_chars())
    size = pl.col("size")
    shares = lines.group_by("text").agg(lines=pl.col("again").mean(), chars=size.filter("again").sum() / size.sum())
    found = np.zeros((2, len(texts)))
    found[:, shares["text"].to_numpy()] = shares.select("lines", "chars").to_numpy().T
    return found[0], found[1]


class Ngrams:
    """The n-grams of many texts, by the hashes of their words; those of different texts are different."""

    def __init__(self, words: pl.Series, length: int) -> None:
        counts = words.list.len().to_numpy().astype(np.int64)
        flat = words.explode(empty_as_null=False)
        self._length, self._texts = length, len(counts)
        self._text = np.repeat(np.arange(len(counts)), counts)
        self._sizes = flat.str.len_chars().to_numpy().astype(np.int64)
        self._starts = np.flatnonzero(self._text[length - 1 :] == self._text[: max(len(flat) - length + 1, 0)])
        grams = self._hashes(flat.hash().to_numpy() if len(flat) else np.zeros(0, np.uint64))
        _, first, gram, times = np.unique(grams, return_index=True, return_inverse=True, return_counts=True)
        self._first, self._gram, self._times = first, gram, times

    def top_share(self) -> NDArray[np.float64]:
        """The part of each text's characters that all occurrences of one n-gram take, at most 1; 0 where none comes twice."""
        ends = np.concatenate([[0], np.cumsum(self._sizes)])
        starts = self._starts[self._first]
        taken = np.where(self._times > 1, self._times * (ends[starts + self._length] - ends[starts]), 0)
        most = np.zeros(self._texts, dtype=np.int64)
        np.maximum.at(most, self._text[starts], taken)
        return np.minimum(self._share(most), 1)  # occurrences may overlap

    def repeated_share(self) -> NDArray[np.float64]:
        """The part of each text's characters in words that a second or later occurrence of an n-gram covers."""
        again = np.ones(len(self._starts), dtype=bool)
        again[self._first] = False
        covered = np.zeros(len(self._sizes), dtype=bool)
        for step in range(self._length):
            covered[self._starts[again] + step] = True
        return self._share(np.bincount(self._text, weights=self._sizes * covered, minlength=self._texts))

    def _hashes(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """A hash of every n-gram and its text, modulo 2^64."""
        grams = self._text[self._starts].astype(np.uint64)
        for step in range(self._length):
            grams = grams * _ODD + words[self._starts + step]
        return grams

    def _share(self, characters: NDArray[Any]) -> NDArray[np.float64]:
        whole = np.bincount(self._text, weights=self._sizes, minlength=self._texts)
        share: NDArray[np.float64] = characters / np.maximum(whole, 1)
        return share


STAGE = Stage(name="repetition", order=50, apply=apply, options=RepetitionOptions)
