"""Files of conversations: the layouts that are known, and what is said of the others."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.conversation_file import ROLES
from data_mix.errors import BadRecordError, ConfigError, RawFileError
from data_mix.sources.conversations import SOURCE
from reading import NoHub, local, make_entry, read, write_lines

HUMAN, GPT = {"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}
Turn = tuple[str, str]
TALK: list[Turn] = [("user", "Why?"), ("assistant", "So.")]


def turns(path: Path, **options: Any) -> list[list[Turn]]:
    """What is said in each row of a file, and by whom."""
    rows = read(SOURCE, path, **options)["messages"].to_list()
    return [[(message["role"], message["content"]) for message in messages] for messages in rows]


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": [HUMAN, GPT]},
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
        {"messages": [HUMAN, {"role": "ASSISTANT", "text": "So."}], "prompt": "Other?", "response": "Other."},
        {"conversation": [{"from": "User", "value": "Why?"}, {"from": "ChatGPT", "value": "So."}], "system": " "},
        {"prompt": "Why?", "response": "So."},
        {"instruction": "Why?", "input": "", "output": "So.", "history": None},
        {"question": "Why?", "answer": "So.", "context": " \n", "messages": None},
        {"input": "Why?", "completion": "So.", "extra": [1, {"a": None}]},
    ],
)
def test_the_usual_layouts_are_known(tmp_path: Path, record: object) -> None:
    """ShareGPT turns, messages and prompts with responses, under any of their usual names, are the same conversation."""
    assert turns(write_lines(tmp_path, record)) == [TALK]


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_every_usual_speaker_has_a_role(tmp_path: Path, name: str, role: str) -> None:
    """Whatever a speaker is called, and however it is spelt, the role is one of three."""
    record = {"conversations": [{"from": name.title(), "value": "Hello."}]}
    assert turns(write_lines(tmp_path, record)) == [[(role, "Hello.")]]


def test_a_context_stands_below_the_prompt(tmp_path: Path) -> None:
    """Context and input go into the user turn, each after a blank line."""
    record = {"instruction": "Sum up.", "context": " It rained. ", "input": "It snowed.", "output": "Wet."}
    assert turns(write_lines(tmp_path, record))[0][0] == ("user", "Sum up.\n\nIt rained.\n\nIt snowed.")


def test_earlier_turns_come_first(tmp_path: Path) -> None:
    """A system message opens the conversation, and a history of pairs stands before the prompt."""
    record = {"system": "Be brief.", "prompt": "Why?", "response": "So.", "history": [["Who?", "He."], ["When?", "Now."]]}
    assert turns(write_lines(tmp_path, record))[0] == [
        ("system", "Be brief."),
        *[("user", "Who?"), ("assistant", "He."), ("user", "When?"), ("assistant", "Now.")],
        *TALK,
    ]


def test_a_system_message_beside_the_turns_opens_them(tmp_path: Path) -> None:
    """It is put before the turns, but not before a system turn of their own."""
    own = {"conversations": [{"from": "system", "value": "Mine."}, HUMAN, GPT], "system": "Other."}
    beside = {"conversations": [HUMAN, GPT], "system_prompt": "Be brief."}
    assert [row[0] for row in turns(write_lines(tmp_path, own, beside))] == [("system", "Mine."), ("system", "Be brief.")]


def test_what_is_unpaired_is_left_to_the_stages(tmp_path: Path) -> None:
    """A first turn of the model, two turns in a row, an empty one and none at all are read as they stand."""
    records: tuple[list[dict[str, str]], ...] = ([GPT, HUMAN], [HUMAN, HUMAN, GPT], [HUMAN, {"from": "gpt", "value": ""}], [])
    read_turns = turns(write_lines(tmp_path, *({"conversations": record} for record in records)))
    assert [[role for role, _ in row] for row in read_turns] == [
        ["assistant", "user"],
        ["user", "user", "assistant"],
        ["user", "assistant"],
        [],
    ]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (["a", "list"], "holds a list, wanted an object"),
        ({"conversations": "text"}, r"conversations is a string \('text'\), wanted a list of turns"),
        ({"conversations": ["text"]}, r"turn 1 is a string \('text'\), wanted an object"),
        (
            {"conversations": [HUMAN, {"from": "narrator", "value": "So."}]},
            "turn 2 is from 'narrator', wanted one of system, .*gpt",
        ),
        ({"conversations": [{"from": ["gpt"], "value": "So."}]}, r"turn 1 is from \['gpt'\]"),
        ({"messages": [{"role": "user"}]}, r"turn 1 has the fields \['role'\], wanted from and value, or role and content"),
        ({"messages": [{"role": "user", "content": None}]}, "turn 1 has the fields"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "content is a list, wanted a string"),
        ({"prompt": "Why?"}, r"has the fields \['prompt'\], wanted conversations or .* a response \(response, output"),
        ({"prompt": "Why?", "response": 3}, r"response is a number \(3\), wanted a string"),
        ({"prompt": "Why?", "response": "So.", "history": [["Who?"]]}, "history holds a list, wanted .prompt, response."),
        ({"prompt": "Why?", "response": "So.", "history": "Who?"}, "history is a string"),
        ({"conversations": [HUMAN, GPT], "id": [1]}, "id is a list, wanted a string or a whole number"),
        ({"conversations": [HUMAN, GPT], "lang": "English, mostly"}, "lang is a string .* wanted a BCP-47 tag such as en"),
        (b'{"conversations": [', "not JSON"),
        (b'{"prompt": "\xff", "response": ""}', "not UTF-8"),
    ],
)
def test_a_record_of_no_known_shape_is_broken(tmp_path: Path, record: object, said: str) -> None:
    """The error says what was found, what is wanted and in which line; on request the record is a counted drop."""
    path = write_lines(tmp_path, {"conversations": [HUMAN, GPT]}, record)
    with pytest.raises(BadRecordError, match=rf"^own\.jsonl:2: .*{said}"):
        read(SOURCE, path)
    rows = read(SOURCE, path, on_bad_record="drop")
    assert rows.select("key", "drop").rows() == [("own:0", None), ("own:1", "bad_record")]
    assert rows["messages"][1].to_list() == []


def test_an_id_is_the_key_of_its_first_row(tmp_path: Path) -> None:
    """A repeated id, an empty one and none give way to the record's number, and no key comes twice whatever the ids are."""
    ids = ["a", 7, "a", None, "", "own:6", "b", "own:6", 7]
    records = [{"id": given, "conversations": [HUMAN, GPT]} for given in ids]
    keys = read(SOURCE, write_lines(tmp_path, *records))["key"].to_list()
    assert keys == ["a", "7", "own:2", "own:3", "own:4", "own:6", "b", "own:7", "own:8"]


def test_keys_stay_apart_from_ids_that_look_like_them(tmp_path: Path) -> None:
    """An id that is written like a record's number does not collide with the record of that number."""
    records = [{"id": "own:1", "conversations": [HUMAN, GPT]}, {"conversations": [HUMAN, GPT]}]
    assert read(SOURCE, write_lines(tmp_path, *records))["key"].to_list() == ["own:1", "own:1'"]


def test_keys_are_unique_over_several_files(tmp_path: Path) -> None:
    """The files of an entry are read together, so that an id that stands in two of them is known."""
    paths = [write_lines(tmp_path, {"id": "a", "conversations": [HUMAN, GPT]}, name=name) for name in ("x.jsonl", "y.jsonl")]
    assert read(SOURCE, *paths)["key"].to_list() == ["a", "y:0"]


def test_a_language_tag_is_kept(tmp_path: Path) -> None:
    """The tag is the record's own, and no tag is null, for the stages to fill."""
    records = [{"conversations": [HUMAN, GPT], "lang": lang} for lang in ("en", "zh-TW", "", None)]
    assert read(SOURCE, write_lines(tmp_path, *records))["lang"].to_list() == ["en", "zh-TW", None, None]


@pytest.mark.parametrize("packed", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)], ids=["gzip", "zstd"])
def test_packed_files_are_read(tmp_path: Path, packed: Any) -> None:
    """A file packed with gzip or zstd gives the rows of the plain one."""
    plain = write_lines(tmp_path, {"conversations": [HUMAN, GPT]}, {"prompt": "Why?", "response": "So."})
    (tmp_path / "own.jsonl.x").write_bytes(packed(plain.read_bytes()))
    assert read(SOURCE, tmp_path / "own.jsonl.x").equals(read(SOURCE, plain))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    """Half a gzip file is an error of the file, whatever becomes of bad records."""
    data = gzip.compress(json.dumps({"prompt": "Why?", "response": "So."}).encode() * 50)
    (tmp_path / "own.jsonl.gz").write_bytes(data[:-20])
    with pytest.raises(RawFileError, match=r"own\.jsonl\.gz.*truncated"):
        read(SOURCE, tmp_path / "own.jsonl.gz", on_bad_record="drop")


def test_frames_are_of_bounded_size(tmp_path: Path) -> None:
    """Neither many short conversations nor a few long ones pile up in memory."""
    short = write_lines(tmp_path, *[{"prompt": "Why?", "response": "So."}] * 50_001, name="short.jsonl")
    long = write_lines(tmp_path, *[{"prompt": "Why?", "response": "So " * 2_000_000}] * 5, name="long.jsonl")
    entry = make_entry(SOURCE)
    heights = [[len(frame) for frame in SOURCE.read(entry, (local(path),))] for path in (short, long)]
    assert heights == [[50_000, 1], [3, 2]]


def test_without_a_file_the_way_out_is_told() -> None:
    """There is no upstream to fall back to, so the error offers to leave the entry out."""
    with pytest.raises(ConfigError, match=r"'conversations' has no input_file_path.*--without conversations"):
        SOURCE.files(make_entry(SOURCE), NoHub())


def talks() -> st.SearchStrategy[list[Turn]]:
    """Conversations of any texts."""
    return st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(st.characters(exclude_categories=["Cs"])))
    )


@given(st.lists(talks(), min_size=1))
def test_texts_come_through_as_they_are(tmp_path_factory: pytest.TempPathFactory, rows: list[list[Turn]]) -> None:
    """Any Unicode in any number of turns is read back unchanged, in its order."""

    def records() -> Iterator[object]:
        for number, row in enumerate(rows):
            who, what = ("role", "content") if number % 2 else ("from", "value")
            yield {"messages": [{who: role, what: text} for role, text in row]}

    assert turns(write_lines(tmp_path_factory.mktemp("own"), *records())) == rows
