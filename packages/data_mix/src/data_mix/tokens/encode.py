"""Plain text → ids: fast by gigatoken, proven by `tokenizers`.

What is encoded here is data: whatever it says, no control token comes out. The tokenizer that does it is a copy without its
special added tokens, so that `<|endoftext|>`, typed by a user, is a row of characters like any other.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import tokenizers
from numpy.typing import NDArray

from data_mix.arrays import text_offsets
from data_mix.errors import BuildError
from data_mix.tokens.tokenizer import ControlTokens, Tokenizer

_BLOCK = 1000
"""Texts that `tokenizers` is given at once: it answers with objects, which are large."""


class Ragged(NamedTuple):
    """Lists of ids, one after the other; list i is `ids[offsets[i]:offsets[i + 1]]`."""

    offsets: NDArray[np.int64]
    ids: NDArray[np.uint32]


class Encoder(Protocol):
    """Encodes texts (an Arrow array of strings)."""

    def __call__(self, texts: pa.Array) -> Ragged:
        """The ids of each text."""


class PlainText(NamedTuple):
    """All that it takes to make an encoder in another process."""

    json: str
    """A tokenizer.json without control tokens."""
    guarded: tuple[int, ...]
    """Ids that no text may become."""
    lost: tuple[int, ...]
    """Bytes that the tokenizer has no token for: no text may hold them."""
    is_fast: bool
    """Whether gigatoken encodes; else `tokenizers` does, to the same ids."""


def plain_text(tokenizer: Tokenizer, control: ControlTokens, *, is_fast: bool = True) -> PlainText:
    """A tokenizer for data: its special tokens and the template's control tokens taken out."""
    data, gone = beside_control_tokens(tokenizer), {*tokenizer.special_tokens, *control.ids}
    data["added_tokens"] = [token for token in tokenizer.added_tokens if token["content"] not in gone]
    ids = {tokenizer.vocabulary[token] for token in tokenizer.special_tokens} | set(control.ids.values())
    unknown = tokenizer.vocabulary.get(data["model"].get("unk_token") or "")
    return PlainText(json.dumps(data), tuple(sorted(ids - {unknown})), tokenizer.lost, is_fast)


def beside_control_tokens(tokenizer: Tokenizer) -> dict[str, Any]:
    """The tokenizer as it works on what stands between control tokens: nothing is there at the beginning of a text."""
    data = copy.copy(tokenizer.data)
    data["pre_tokenizer"] = _without_first(data.get("pre_tokenizer"))
    data["model"] = data["model"] | {"dropout": None}  # a way to train, which would draw other ids each time
    return data | {"post_processor": None, "truncation": None, "padding": None}


def _without_first(part: Any) -> Any:
    """A pre-tokenizer that puts a blank before the first word of a whole text puts none before a message's."""
    if not isinstance(part, dict):
        return part
    if part.get("prepend_scheme") == "first":
        return part | {"prepend_scheme": "never"}
    inner = part.get("pretokenizers")
    return part | {"pretokenizers": [_without_first(each) for each in inner]} if inner else part


@cache
def encoder(plain: PlainText) -> Encoder:
    """The encoder, made once in each process; RuntimeError where gigatoken is asked for and refuses the tokenizer."""
    encode = _gigatoken(plain.json) if plain.is_fast else _tokenizers(plain.json)
    guarded, lost = np.array(plain.guarded, dtype=np.uint32), np.array(plain.lost, dtype=np.uint8)

    def encode_guarded(texts: pa.Array) -> Ragged:
        if plain.lost and _occurs(lost, _characters(texts)):
            raise BuildError(
                "a text holds a control character, or one beyond U+3FFFF, that this tokenizer has no token for and would lose; "
                "mend the raw file, or name another tokenizer"
            )
        encoded = encode(texts)
        if _occurs(guarded, encoded.ids):
            raise BuildError("a text became a control token by the tokenizer's own rules; this tokenizer cannot be used")
        return encoded

    return encode_guarded


def _characters(texts: pa.Array) -> NDArray[np.uint8]:
    """All texts as bytes, one after the other."""
    data, offsets = texts.buffers()[2] if len(texts) else None, text_offsets(texts)
    return np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]] if data else np.zeros(0, dtype=np.uint8)


def _occurs(wanted: NDArray[Any], ids: NDArray[Any]) -> bool:
    if not len(ids):
        return False
    wanted = wanted[(wanted >= ids.min()) & (wanted <= ids.max())]  # mostly none: control tokens are the first or the last ids
    if not len(wanted):
        return False
    is_wanted = np.zeros(ids.max() + 1, dtype=np.bool_)
    is_wanted[wanted] = True
    return bool(is_wanted[ids].any())


def _gigatoken(text: str) -> Encoder:
    import awkward as ak  # noqa: PLC0415  a fifth of a second that the fallback does not need
    from gigatoken.gigatoken_rs import load_hf_json  # noqa: PLC0415  as above

    backend = load_hf_json(text)

    def encode(texts: pa.Array) -> Ragged:
        if not len(texts):
            return _NOTHING
        data = texts.buffers()[2]
        characters = np.frombuffer(data, dtype=np.uint8) if data else np.zeros(0, dtype=np.uint8)
        content = ak.contents.NumpyArray(characters, parameters={"__array__": "char"})
        ends = ak.index.Index64(text_offsets(texts).astype(np.int64))
        strings = ak.contents.ListOffsetArray(ends, content, parameters={"__array__": "string"})
        layout = backend.encode_batch(ak.Array(strings), parallel=False).layout
        return Ragged(layout.offsets.data, layout.content.data)

    return encode


def _tokenizers(text: str) -> Encoder:
    backend = tokenizers.Tokenizer.from_str(text)

    def encode(texts: pa.Array) -> Ragged:
        lists = [ids for start in range(0, len(texts), _BLOCK) for ids in _encode_block(backend, texts[start : start + _BLOCK])]
        if not lists:
            return _NOTHING
        offsets = np.cumsum([0, *(len(ids) for ids in lists)], dtype=np.int64)
        return Ragged(offsets, np.concatenate(lists))

    return encode


def _encode_block(backend: tokenizers.Tokenizer, texts: pa.Array) -> list[NDArray[np.uint32]]:
    encoded = backend.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
    return [np.array(each.ids, dtype=np.uint32) for each in encoded]


_NOTHING = Ragged(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint32))


@cache
def decoder(plain: PlainText) -> Callable[[Sequence[int]], str]:
    """Ids → text, control tokens aside; made once in each process."""
    backend = tokenizers.Tokenizer.from_str(plain.json)
    return lambda ids: str(backend.decode(list(ids), skip_special_tokens=False))
