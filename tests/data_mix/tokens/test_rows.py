"""Messages → rows of ids: equal to the rendered text, masked by construction, and safe from what a user typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from data_mix.errors import FormatError
from data_mix.template import TEMPLATES, ChatTemplate, chat_template
from data_mix.tokens import load_tokenizer
from data_mix.tokens.rows import Rows, encode_rows, encode_texts
from data_mix.tokens.tokenizing import prepare
from sample_tokenizers import HOSTILE, PLAIN, as_users_have_it, messages_column, rendered_ids

FAMILIES = ("bytes", "neox", "gpt2", "bloom", "llama", "llama-first")
CASES = [(name, family) for name in TEMPLATES for family in FAMILIES]

Talk = Sequence[tuple[str, str]]

TALKS: list[Talk] = [
    *([("user", text), ("assistant", other)] for text, other in zip(PLAIN, PLAIN[::-1], strict=True)),
    *([("system", text), ("user", "Hi"), ("assistant", text), ("user", text), ("assistant", "Bye.")] for text in PLAIN),
]


def template_for(name: str, folder: Path) -> ChatTemplate:
    """A template with the tokenizer's eos."""
    return chat_template(name, load_tokenizer(folder).eos)


def encoded(name: str, folder: Path, talks: Sequence[Talk], *, train: bool = True) -> Rows:
    """Conversations as rows."""
    tokenizer = load_tokenizer(folder)
    prepared = prepare(tokenizer, name, tokenizer.eos or "")
    return encode_rows(column(talks, train=train), prepared.layout, prepared.plain, np.uint16)


def column(talks: Sequence[Talk], *, train: bool = True) -> pa.ListArray:
    """Conversations as a build has them."""
    series = messages_column(*talks)
    if not train:
        series = series.list.eval(pl.element().struct.with_fields(train=pl.lit(value=False)))
    array: Any = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())])
    return array.cast(pa.list_(fields))


def texts_of(template: ChatTemplate, talks: Sequence[Talk]) -> list[str]:
    """Conversations as text."""
    texts: list[str] = template.render(column(talks)).to_pylist()
    return texts


@pytest.mark.parametrize(("name", "family"), CASES)
def test_rows_are_what_the_rendered_text_gives(name: str, family: str, tokenizers: dict[str, Path]) -> None:
    """Encoding message by message gives exactly the ids of the whole conversation as text, literal text included."""
    folder = tokenizers[family]
    template = template_for(name, folder)
    wanted = rendered_ids(as_users_have_it(folder, template), texts_of(template, TALKS))
    assert encoded(name, folder, TALKS).input_ids.to_pylist() == wanted


@pytest.mark.parametrize("family", ["bytes", "bloom"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_spans_are_the_assistant_s_words_and_the_end_of_its_turn(name: str, family: str, tokenizers: dict[str, Path]) -> None:
    """What is trained, decoded, is each assistant's text and the end of its turn (but for texts that begin with a line)."""
    folder, talks = tokenizers[family], [talk for talk in TALKS if not talk[0][1].startswith("\n")]
    talks = [[(role, text.lstrip("\n")) for role, text in talk] for talk in talks]
    template = template_for(name, folder)
    tokenizer, rows = as_users_have_it(folder, template), encoded(name, folder, talks)
    end = next(segment.text for segment in template.roles["assistant"] if segment.trained and segment.kind == "control")
    for talk, ids, spans in zip(talks, rows.input_ids.to_pylist(), rows.loss.to_pylist(), strict=True):
        found = [tokenizer.decode(ids[span["start"] : span["end"]], skip_special_tokens=False) for span in spans]
        assert found == [text + end for role, text in talk if role == "assistant"]


def test_spans_of_a_sentencepiece_tokenizer_hold_the_words(tokenizers: dict[str, Path]) -> None:
    """As above; the blank that the tokenizer puts before a text is part of the text."""
    talks: list[Talk] = [[("user", "How?"), ("assistant", "This way."), ("user", "So?"), ("assistant", "日本語")]]
    rows = encoded("openassistant", tokenizers["llama"], talks)
    tokenizer = as_users_have_it(tokenizers["llama"], chat_template("openassistant", "</s>"))
    ids, spans = rows.input_ids.to_pylist()[0], rows.loss.to_pylist()[0]
    found = [tokenizer.decode(ids[span["start"] : span["end"]], skip_special_tokens=False) for span in spans]
    assert found == ["This way.</s>", "日本語</s>"]
    assert rows.trained == sum(span["end"] - span["start"] for span in spans)


@pytest.mark.parametrize("name", ["chatml", "llama3"])
def test_a_token_across_the_border_belongs_to_the_message(name: str, tokenizers: dict[str, Path]) -> None:
    """Where literal text and message share a token, the span begins with it, so that no character goes untrained."""
    template = template_for(name, tokenizers["bytes"])
    rows = encoded(name, tokenizers["bytes"], [[("user", "Hi"), ("assistant", "\n\nHello")]])
    tokenizer, (span,) = as_users_have_it(tokenizers["bytes"], template), rows.loss.to_pylist()[0]
    ids = rows.input_ids.to_pylist()[0]
    trained = tokenizer.decode(ids[span["start"] : span["end"]], skip_special_tokens=False)
    before = tokenizer.decode(ids[: span["start"]], skip_special_tokens=False)
    assert trained.lstrip("\n").startswith("Hello")
    assert trained.startswith("\n\n\n")  # a line of the literal text, in one token with the message's
    assert not before.endswith("\n\n\n")


@pytest.mark.parametrize(("name", "family"), CASES)
def test_nobody_can_inject_a_turn(name: str, family: str, tokenizers: dict[str, Path]) -> None:
    """With control tokens typed into every message, the row has the template's own and the spans of one answer."""
    folder, tame = tokenizers[family], [[("system", "Be."), ("user", "Hi"), ("assistant", "Yes.")]]
    hostile: list[Talk] = [[("system", text), ("user", text), ("assistant", text)] for text in HOSTILE]
    plain = prepare(load_tokenizer(folder), name, load_tokenizer(folder).eos or "").plain
    counts = [
        [sum(id_ in plain.guarded for id_ in ids) for ids in encoded(name, folder, talks).input_ids.to_pylist()]
        for talks in (tame, hostile)
    ]
    assert counts[1] == counts[0] * len(HOSTILE)
    assert [len(spans) for spans in encoded(name, folder, hostile).loss.to_pylist()] == [1] * len(HOSTILE)


def test_only_turns_that_count_have_spans(tokenizers: dict[str, Path]) -> None:
    """An assistant turn whose `train` is false is in the row, and in no span."""
    yes, no = (encoded("openassistant", tokenizers["bytes"], TALKS, train=train) for train in (True, False))
    assert yes.input_ids == no.input_ids
    assert no.trained == 0
    assert no.loss.to_pylist() == [[]] * len(TALKS)


def test_a_slice_of_a_column_is_encoded_as_what_it_shows(tokenizers: dict[str, Path]) -> None:
    """Rows do not depend on what stands before them in memory."""
    tokenizer = load_tokenizer(tokenizers["bytes"])
    prepared = prepare(tokenizer, "chatml", "<|endoftext|>")
    part = encode_rows(column(TALKS)[5:9], prepared.layout, prepared.plain, np.uint32)
    assert part.input_ids.to_pylist() == encoded("chatml", tokenizers["bytes"], TALKS).input_ids.to_pylist()[5:9]


@pytest.mark.parametrize(("name", "wanted"), [("openassistant", 3), ("chatml", 4), ("llama3", 3)])
def test_each_different_text_is_encoded_once(name: str, wanted: int, tokenizers: dict[str, Path]) -> None:
    """Of 4,000 messages the encoder is given the different ones, literal text before them included: chatml's names the role."""
    talks: list[Talk] = [[("user", "Hi"), ("assistant", "Hi"), ("user", "So?"), ("assistant", "Bye.")]] * 1000
    prepared, messages = prepare(load_tokenizer(tokenizers["bytes"]), name, "<|endoftext|>"), column(talks).flatten()
    roles = np.array([1, 2, 1, 2] * 1000)
    texts = encode_texts(messages.field("content"), roles, prepared.layout, prepared.plain)
    assert len(texts.encoded.offsets) - 1 == wanted
    assert len(texts.unit) == 4000
    assert encoded(name, tokenizers["bytes"], talks).input_ids.to_pylist() == (
        encoded(name, tokenizers["bytes"], talks[:1]).input_ids.to_pylist() * 1000
    )


def test_texts_that_all_differ_are_encoded_in_their_order(tokenizers: dict[str, Path]) -> None:
    """Where no text comes twice, each is its own."""
    prepared = prepare(load_tokenizer(tokenizers["bytes"]), "openassistant", "<|endoftext|>")
    contents = column([[("user", f"{number}"), ("assistant", f"{number}.")] for number in range(50)]).flatten().field("content")
    texts = encode_texts(contents, np.array([1, 2] * 50), prepared.layout, prepared.plain)
    assert texts.unit.tolist() == list(range(100))
    assert len(texts.encoded.offsets) == 101


@pytest.mark.parametrize("turn", [("narrator", "Hi"), ("user", None)])
def test_a_message_that_breaks_the_contract_is_refused(turn: Any, tokenizers: dict[str, Path]) -> None:
    """An unknown role or a missing text is an error, and never a row that looks right."""
    with pytest.raises(FormatError, match="has no text, or a role that is not known"):
        encoded("openassistant", tokenizers["bytes"], [[turn, ("assistant", "Yes.")]])


@pytest.mark.parametrize("name", TEMPLATES)
def test_control_tokens_stand_where_the_encoding_relies_on_them(name: str) -> None:
    """Every template begins each turn with a control token and ends each message with one."""
    template = chat_template(name)
    for segments in template.roles.values():
        place = [segment.kind for segment in segments].index("message")
        assert segments[0].kind == segments[place + 1].kind == "control"
        assert all(segment.kind == "control" for segment in template.start)
