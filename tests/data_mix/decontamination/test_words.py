"""Texts as words, in plain Python and compiled."""

from __future__ import annotations

import unicodedata

import numpy as np
import polars as pl
import pytest

from data_mix.decontamination.layer import text_buffers
from data_mix.decontamination.matching import split, split_all
from data_mix.decontamination.tables import Words
from data_mix.decontamination.words import alphabet, words

ODD = [
    "",
    " \n\t",
    "A. One (b) two\u00a0three, I_say: don't!",
    "École e\u0301cole ÉCOLE STRASSE Straße ﬁne Ⅷ ½ ① Ａｂｃ",
    "zero\u200bwidth soft\u00adhyphen vari\ufe0fant",
    "漢字かな交じりﾃｷｽﾄ㍿ กำลังดี ລາວ မြန်မာ ខ្មែរ",
    "Привет, мир и я. Γειά σας. שלום عربي हिन्दी 한국어 단어",
    "\U00020000\U0003ffff\U000e0041\U0001f600 \ufdfa \u0000x\u0001 y\u2028z9",
    "[ [ { 3x + y } ] ] == <a|b> `$` 1,000.5 x2",
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What IS it, then?", ["what", "is", "it", "then"]),
        ("(A) a gull\nB. b C", ["gull"]),
        ("École e\u0301cole", ["ecole", "ecole"]),
        ("3 x 14 = 42", ["3", "14", "42"]),
        ("漢字 ok", ["漢", "字", "ok"]),
        ("zero\u200bwidth", ["zerowidth"]),
    ],
)
def test_only_letters_and_digits_of_words_are_compared(text: str, wanted: list[str]) -> None:
    """Case, accents, blanks, punctuation and lone letters make no difference."""
    assert words(text) == wanted


def test_symbols_are_words_where_they_are_asked_for() -> None:
    """Read as symbols, every sign and lone letter is a word."""
    assert words("[ (a] <b x1.", symbols=True) == ["[", "(", "a", "]", "<", "b", "x1", "."]


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("text", ODD)
def test_the_compiled_loop_makes_the_same_words(text: str, symbols: bool) -> None:
    """As many words as in plain Python, each of which is read from its own bytes alone, and equal hashes for equal words."""
    data = np.frombuffer(text.encode(), np.uint8)
    out = Words(np.empty(200, np.uint64), np.empty(200, np.int64), np.empty(200, np.int64))
    count = split(data, 0, len(data), alphabet(symbols), out)
    wanted = words(text, symbols=symbols)
    assert count == len(wanted)
    hashes = dict(zip(wanted, out.hashes[:count].tolist(), strict=True))
    assert [hashes[word] for word in wanted] == out.hashes[:count].tolist()
    assert len(set(hashes.values())) == len(hashes)
    for place, word in enumerate(wanted):
        assert word in words(bytes(data[out.begins[place] : out.ends[place]]).decode(), symbols=symbols)


def test_every_character_is_read_the_same_by_both() -> None:
    """No character of Unicode makes another number of words in one than in the other."""
    chars = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) != "Cs"]
    texts = [f"ab{''.join(chars[at : at + 40])}9c {' '.join(chars[at : at + 40])}" for at in range(0, 140_000, 40)]
    starts, _ = split_all(*text_buffers(pl.Series(texts)), alphabet())
    assert np.diff(starts).tolist() == [len(words(text)) for text in texts]


def test_a_text_of_more_words_than_there_is_room_for_is_read_whole() -> None:
    """The room grows with the text."""
    starts, hashes = split_all(*text_buffers(pl.Series(["ab " * 100_000, "", "漢" * 70_000])), alphabet())
    assert np.diff(starts).tolist() == [100_000, 0, 70_000]
    assert len(set(hashes.tolist())) == 2
