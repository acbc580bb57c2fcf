"""Writes every text in one way: Unicode in composed form (NFC), and line ends as a line feed.

Never NFKC, which would turn ① into 1 and ﬁ into fi. All else is kept as it came: NUL and other control characters, tabs,
spaces at the end of a line, the separators U+0085, U+2028 and U+2029. Dropped rows are written in the same way, for reading.
"""

from __future__ import annotations

from typing import Final
from unicodedata import is_normalized, normalize

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_mix.schema import change_where, map_contents
from data_mix.stage import Stage, StageOptions

_COMBINING: Final = 0xCC
"""The first byte of U+0300, before which no character is ever changed or combined by composing."""
_PUNCTUATION: Final = (0xE2, 0x80, 0x82)
"""The bytes of U+2002, from which on up to U+203F none is: the dashes and quotation marks of Latin texts."""


def apply(frame: pl.DataFrame, _options: StageOptions) -> pl.DataFrame:
    """Mend the contents of all messages; those that are right already are not touched."""
    return frame.with_columns(map_contents(_mend))


def _mend(contents: pl.Series) -> pl.Series:
    return _compose(_end_lines(contents))


def _end_lines(contents: pl.Series) -> pl.Series:
    """A carriage return, alone or before a line feed, becomes a line feed."""
    return change_where(
        contents,
        contents.str.contains("\r", literal=True),
        lambda texts: texts.str.replace_all("\r\n", "\n", literal=True).str.replace_all("\r", "\n", literal=True),
    )


def _compose(contents: pl.Series) -> pl.Series:
    # Composing costs ten times as much as asking, and most texts need not even be asked.
    places = (contents.str.len_bytes() != contents.str.len_chars()).arg_true()
    places = places.gather(_places_of_odd(contents.gather(places)))
    open_texts = {
        place: text for place, text in zip(places, contents.gather(places), strict=True) if not is_normalized("NFC", text)
    }
    if not open_texts:
        return contents
    texts = pl.Series([normalize("NFC", text) for text in open_texts.values()], dtype=pl.String)
    return contents.clone().scatter(list(open_texts), texts)


def _places_of_odd(texts: pl.Series) -> NDArray[np.int64]:
    """The texts that hold other characters than Latin letters and their punctuation."""
    if texts.is_empty():
        return np.zeros(0, np.int64)
    _, offsets, data = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    characters = np.frombuffer(data, np.uint8)
    starts = np.flatnonzero(characters >= _COMBINING)  # the bytes of a character but its first are smaller
    first, second, third = _PUNCTUATION
    is_odd = characters[starts] != first
    alike = starts[~is_odd]
    is_odd[~is_odd] = (characters[alike + 1] != second) | (characters[alike + 2] < third)
    return np.unique(np.searchsorted(np.frombuffer(offsets, np.int64), starts[is_odd], side="right") - 1)


STAGE = Stage(name="text", order=10, apply=apply)
