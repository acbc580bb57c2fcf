"""The proof of the encoder, made for every build: pieces of a sample of its messages are encoded by `tokenizers` as well."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import tokenizers
from numpy.typing import NDArray

from data_mix.arrays import from_numpy, strings, to_numpy
from data_mix.errors import BuildError
from data_mix.hashing import purpose_seed
from data_mix.schema import ROLES, SPLITS
from data_mix.shards import Build
from data_mix.tokens.encode import Encoder, PlainText, beside_control_tokens, encoder
from data_mix.tokens.tokenizer import ControlTokens, Tokenizer

log = logging.getLogger(__name__)

SAMPLE: Final = 500
"""Messages at most that are encoded twice, to prove the fast encoder."""

_LEAST, _ONE_IN = 200, 100
"""Of a small build it is one of so many conversations, and never fewer messages: a proof is not to outlast what it proves."""

SAMPLE_CHARACTERS: Final = 120
"""Of each of them, from any place in it: a long message is not to take longer than all others."""


class Reference:
    """`tokenizers` with the template's control tokens, as a model's users have it: what all ids are proven by."""

    def __init__(self, tokenizer: Tokenizer, control: ControlTokens, fence: str) -> None:
        data = beside_control_tokens(tokenizer)
        self._backend = tokenizers.Tokenizer.from_str(json.dumps(data))
        added = [tokenizers.AddedToken(token, special=True, normalized=False) for token in control.ids]
        self._backend.add_special_tokens(added)
        self._control = {*tokenizer.special_tokens, *control.ids}
        self._fence = fence
        if {token: self._backend.token_to_id(token) for token in control.ids} != dict(control.ids):
            raise BuildError(f"{tokenizer.where}: its ids have gaps, so that new tokens cannot follow the last; name another")

    def encode(self, text: str) -> list[int]:
        """The ids of a text between two control tokens; where it holds what looks like one, of the text as plain characters."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        looks_like_control = [any(token in text for token in self._control) for text in texts]
        fence = self._fence
        fenced = self._encode(
            [f"{fence}{text}{fence}" for text, like in zip(texts, looks_like_control, strict=True) if not like]
        )
        self._backend.encode_special_tokens = True
        plain = self._encode([text for text, like in zip(texts, looks_like_control, strict=True) if like])
        self._backend.encode_special_tokens = False
        return [next(plain) if like else next(fenced)[1:-1] for like in looks_like_control]

    def _encode(self, texts: list[str]) -> Iterator[list[int]]:
        return iter([list(each.ids) for each in self._backend.encode_batch_fast(texts, add_special_tokens=False)])


def proven(plain: PlainText, reference: Reference, sample: Sequence[str], where: str) -> PlainText:
    """The encoder that gives the reference's ids for the sample: gigatoken, else `tokenizers`, with a warning."""
    wanted = reference.encode_all(sample)
    slow = plain._replace(is_fast=False)
    try:
        different = _differences(encoder(plain), sample, wanted)
    except RuntimeError as error:
        log.warning("%s: gigatoken refuses it (%s); tokenizers encodes, many times slower", where, str(error).splitlines()[0])
    else:
        if not different:
            return plain
        log.warning(
            "%s: gigatoken encodes %d of %d messages otherwise than tokenizers, which now encodes all, many times slower",
            where,
            different,
            len(sample),
        )
    if different := _differences(encoder(slow), sample, wanted):
        log.warning(
            "%s: encodes %d of %d messages otherwise beside a control token than by themselves; they are encoded by themselves",
            where,
            different,
            len(sample),
        )
    return slow


def _differences(encode: Encoder, sample: Sequence[str], wanted: list[list[int]]) -> int:
    offsets, ids = encode(strings(sample))
    found = [ids[start:end].tolist() for start, end in pairwise(offsets)]
    return sum(one != other for one, other in zip(found, wanted, strict=True))


def sample_texts(build: Build, literals: Sequence[str]) -> list[str]:
    """Texts of messages, as they are encoded, drawn by the hash of their place in the build: the same in every run."""
    counts = [part.rows for part in build.parts if part.split in SPLITS]
    total = sum(counts)
    draws = (purpose_seed(place, "token sample") for place in range(sample_size(total)))
    wanted = np.array(sorted({draw % total for draw in draws}), dtype=np.int64)
    texts, first = [], 0
    for split in SPLITS:
        for chunk in (chunk for _, table in build.tables(split) for chunk in table["messages"].chunks):
            places = wanted[(wanted >= first) & (wanted < first + len(chunk))] - first
            texts += [_piece(message, literals, number) for number, message in enumerate(_one_of_each(chunk, places))]
            first += len(chunk)
    return texts


def sample_size(conversations: int) -> int:
    """How many messages are drawn; one that is drawn twice is in the sample once."""
    return min(max(conversations // _ONE_IN, _LEAST), SAMPLE) if conversations else 0


def _one_of_each(conversations: pa.ListArray, places: NDArray[np.int64]) -> list[dict[str, Any]]:
    """One message of each of these conversations: over many of them, each place in a conversation has its turn."""
    starts, ends = to_numpy(conversations.offsets)[:-1][places], to_numpy(conversations.offsets)[1:][places]
    chosen = conversations.values.take(from_numpy(starts + np.arange(len(places)) % (ends - starts)))
    messages: list[dict[str, Any]] = chosen.to_pylist()
    return messages


def _piece(message: dict[str, Any], literals: Sequence[str], number: int) -> str:
    content = message["content"]
    start = purpose_seed(number, "token sample piece") % max(len(content) - SAMPLE_CHARACTERS + 1, 1)
    return str(literals[ROLES.index(message["role"])] + content[start : start + SAMPLE_CHARACTERS])
