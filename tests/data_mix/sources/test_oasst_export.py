"""The source oasst_export: which rows come of trees, flat messages and the hub's Parquet rows."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from data_mix.errors import BadRecordError, ConfigError
from data_mix.schema import as_frame
from data_mix.source import Entry, Hub, LocalFile, sources
from data_mix.sources.oasst_export import SOURCE, OasstOptions

Object = dict[str, Any]

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "packages/data_mix/src/data_mix/samples/oasst_export/2023-04-12_oasst_ready.trees.jsonl.gz"
GOLDEN = ROOT / "tests/data_mix/golden/oasst_export.jsonl"
EXPORT = ROOT.parent / "shared/local/2023-04-12_oasst_release_ready_synth.jsonl.gz"
CARD = "bg,ca,cs,da,de,en,es,fr,hr,hu,it,nl,pl,pt,ro,ru,sl,sr,sv,uk,zh,ja,th,ko"
LEVELS = 10_000
NO_HUB = cast(Hub, None)  # this source names its file without asking

needs_export = pytest.mark.skipif(not EXPORT.exists(), reason="needs ../shared, which is not part of the repository")


def entry(*, max_record_bytes: int = 64_000_000, **options: object) -> Entry:
    """Make an entry of this source, checked as a build checks it."""
    made = Entry(
        name="oasst_export",
        source=SOURCE,
        params={},
        options=OasstOptions.model_validate(options),
        seed=7,
        max_record_bytes=max_record_bytes,
    )
    if SOURCE.check:
        SOURCE.check(made)
    return made


def frames(paths: Path | Sequence[Path], **options: Any) -> Iterator[pl.DataFrame]:
    """Read files as one entry, frame by frame."""
    files = [paths] if isinstance(paths, Path) else paths
    return SOURCE.read(entry(**options), tuple(LocalFile(name=path.name, path=path, sha256="") for path in files))


def read(paths: Path | Sequence[Path], **options: Any) -> pl.DataFrame:
    """Read files as one entry."""
    return pl.concat(as_frame(frame) for frame in frames(paths, **options))


def outcome(frame: pl.DataFrame) -> dict[str, str]:
    """Map each row's key to its messages if it is kept, else to why it is dropped."""
    said = frame["messages"].list.eval(pl.element().struct.field("content")).list.join(" ")
    return dict(zip(frame["key"], frame["drop"].fill_null(said), strict=True))


def said(name: str, *replies: Object, **fields: object) -> Object:
    """Make a message, u… or a…, in the layout of an export, with its name as id and text."""
    role = {"u": "prompter", "a": "assistant"}[name[0]]
    return {
        "message_id": name,
        "text": name,
        "role": role,
        "lang": "en",
        "review_result": True,
        "replies": list(replies),
    } | fields


def tree(prompt: Object, state: str = "ready_for_export") -> Object:
    """Make a tree in the layout of an export."""
    return {"message_tree_id": f"tree-{prompt['message_id']}", "tree_state": state, "prompt": prompt}


def write(path: Path, *values: object) -> Path:
    """Write JSON Lines."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf8")
    return path


def flattened(trees: Iterable[Object]) -> Iterator[Object]:
    """Lay trees out as flat messages, the way upstream's `…messages.jsonl` has them."""
    for whole in trees:
        stack: list[tuple[Object, str | None]] = [(whole["prompt"], None)]
        while stack:
            node, parent = stack.pop()
            stack += [(reply, node["message_id"]) for reply in node.get("replies") or []]
            own = {name: value for name, value in node.items() if name != "replies"}
            yield own | {"parent_id": parent, "message_tree_id": whole["message_tree_id"], "tree_state": whole["tree_state"]}


def as_columns(labels: Object) -> Object:
    """Lay labels out as the hub's Parquet files have them."""
    return {"name": list(labels)} | {key: [label[key] for label in labels.values()] for key in ("value", "count")}


def write_parquet(path: Path, messages: Iterable[Object]) -> Path:
    """Write flat messages as the hub's Parquet rows, with a null for each field that a message lacks."""
    names = ["message_id", "parent_id", "text", "role", "lang", "review_result", "deleted", "rank", "synthetic"]
    names += ["message_tree_id", "tree_state"]
    rows = [{name: of.get(name) for name in names} | {"labels": as_columns(of.get("labels") or {})} for of in messages]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


def trees_of(path: Path) -> list[Object]:
    """Read the trees of an export, the first of those that come twice."""
    trees: dict[str, Object] = {}
    with gzip.open(path, "rt", encoding="utf8") as lines:
        for whole in map(json.loads, lines):
            trees.setdefault(whole["message_tree_id"], whole)
    return list(trees.values())


def leaves(whole: Object) -> int:
    """Count the leaves of a tree."""
    answered = Counter(of["parent_id"] for of in flattened([whole]))
    return sum(of["message_id"] not in answered for of in flattened([whole]))


def mixed_languages(tmp_path: Path) -> Path:
    """Write a tree whose thread goes from French to Catalan and on, and whose second reply is in Basque."""
    thread = said("u0", said("a1", said("u2", said("a3"), lang="ca"), lang="fr"), said("a4", lang="eu"), lang="fr")
    return write(tmp_path / "export.jsonl", tree(thread))


def test_source_is_found_by_name() -> None:
    """The mix's entry `oasst_export` finds this source."""
    assert sources()["oasst_export"] is SOURCE


def test_sample_gives_the_golden_rows() -> None:
    """The shipped sample, read with the reference mix's languages, gives exactly the rows that were checked by eye."""
    rows = read(SAMPLE, lang=CARD).select("key", "group", "lang", "drop", "turn_ids", "messages").to_dicts()
    assert rows == [json.loads(line) for line in GOLDEN.read_text(encoding="utf8").splitlines()]


def test_sample_holds_every_reason() -> None:
    """The shipped sample has a row for each thing that can befall a thread by default."""
    reasons = {"deleted", "synthetic", "rejected", "language", "prefix", "no_assistant", "tree_state", "duplicate_tree"}
    assert set(read(SAMPLE, lang=CARD)["drop"].drop_nulls()) == reasons


def test_sample_is_packed_without_a_clock() -> None:
    """The sample's gzip header holds no time, so that the same sample is the same bytes."""
    assert SAMPLE.read_bytes()[4:8] == bytes(4)


def test_default_is_upstreams_file_at_a_fixed_commit() -> None:
    """Without a file of the user's own, upstream's ready trees are read, at a commit and not at a branch."""
    (file,) = SOURCE.files(entry(), NO_HUB)
    assert (file.repo, file.path) == ("OpenAssistant/oasst1", SAMPLE.name)
    assert len(file.revision or "") == 40


def test_revision_of_the_entry_wins() -> None:
    """An entry's `revision` takes the place of the fixed commit."""
    assert SOURCE.files(entry(revision="main"), NO_HUB)[0].revision == "main"


def test_row_of_a_thread(tmp_path: Path) -> None:
    """A thread's key is its last message, its group the tree, its language the last assistant's, its turns the assistants'."""
    thread = said("u0", said("a1", said("u2", said("a3", lang="pt-BR"))))
    (row,) = read(write(tmp_path / "export.jsonl", tree(thread))).to_dicts()
    assert (row["key"], row["group"], row["lang"], row["turn_ids"], row["drop"]) == (
        "a3",
        "tree-u0",
        "pt-BR",
        ["a1", "a3"],
        None,
    )
    assert [one["role"] for one in row["messages"]] == ["user", "assistant", "user", "assistant"]


def test_threads_share_the_ids_of_their_turns(tmp_path: Path) -> None:
    """Two threads that share an assistant message name it alike, so that the build can train it once."""
    thread = said("u0", said("a1", said("u2", said("a3"), said("a4"))))
    assert read(write(tmp_path / "export.jsonl", tree(thread)))["turn_ids"].to_list() == [["a1", "a3"], ["a1", "a4"]]


def test_train_every_names_no_turn(tmp_path: Path) -> None:
    """With `train: every` no turn is named, so that each is trained in every thread."""
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1"))))
    assert read(path, train="every")["turn_ids"].to_list() == [None]


def test_base_language_finds_regions(tmp_path: Path) -> None:
    """`pt` and `uk` find messages tagged pt-BR and uk-UA, which the original left out."""
    values = [tree(said(f"u{lang}", said(f"a{lang}", lang=lang), lang=lang)) for lang in ("pt-BR", "uk-UA", "eu")]
    kept = read(write(tmp_path / "export.jsonl", *values), lang="pt,uk").filter(pl.col("drop").is_null())
    assert kept["lang"].to_list() == ["pt-BR", "uk-UA"]


@pytest.mark.parametrize("lang", ["fr,ca,eu", " fr , ca,  eu ", ["fr", "ca", "eu"], None])
def test_language_list_is_text_or_list(tmp_path: Path, lang: object) -> None:
    """Languages may stand in one string, with blanks, or in a YAML list; without any, all are wanted."""
    whole = said("u0", said("a1", lang="ca"), said("a2", lang="eu"), lang="fr")
    assert read(write(tmp_path / "export.jsonl", tree(whole)), lang=lang)["drop"].to_list() == [None, None]


def test_every_message_must_speak_a_wanted_language(tmp_path: Path) -> None:
    """By default a message in another language cuts its branch, wherever it stands."""
    assert outcome(read(mixed_languages(tmp_path), lang="fr")) == {"a1": "u0 a1", "a4": "language"}


def test_root_alone_may_be_asked_for_its_language(tmp_path: Path) -> None:
    """With `lang_mode: root` what follows a wanted root may be in any language."""
    assert outcome(read(mixed_languages(tmp_path), lang="fr", lang_mode="root")) == {"a3": "u0 a1 u2 a3", "a4": "u0 a4"}


def test_root_in_another_language_drops_its_tree(tmp_path: Path) -> None:
    """With `lang_mode: root` a root in another language drops every thread of its tree."""
    assert set(outcome(read(mixed_languages(tmp_path), lang="ca", lang_mode="root")).values()) == {"language"}


def test_message_without_tag_is_in_no_wanted_language(tmp_path: Path) -> None:
    """Where languages are asked for, a message without a tag is left out; where not, it stays."""
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", lang=None))))
    assert [read(path, lang=lang)["drop"].item() for lang in ("en", None)] == ["language", None]


@pytest.mark.parametrize("lang", ["english", "en;de", "", "en,", "e"])
def test_language_that_is_no_tag_is_refused(lang: str) -> None:
    """What cannot be a BCP-47 tag is an error before anything is fetched, since it would find nothing."""
    with pytest.raises(ConfigError, match=r"'oasst_export': lang: '.*' is no language tag"):
        entry(lang=lang)


@pytest.mark.parametrize("limits", ["max_labels", "min_labels"])
def test_unknown_label_names_the_nearest(limits: str) -> None:
    """A limit on a label that does not exist is an error that names the nearest one."""
    with pytest.raises(
        ConfigError, match=r"unknown label 'qualty', wanted one of spam, .*, violence; did you mean 'quality'\?"
    ):
        entry(**cast(Any, {limits: {"qualty": 0.5}}))


@pytest.mark.parametrize(
    "options", [{"top_k": 0}, {"max_labels": {"spam": 2}}, {"train": "twice"}, {"lang_mode": "all"}, {"lng": "en"}]
)
def test_impossible_option_is_refused(options: Object) -> None:
    """An option out of its range, of no known choice or of no known name does not make an entry."""
    with pytest.raises(ValidationError):
        entry(**options)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"deleted": True}, "deleted"),
        ({"synthetic": True}, "synthetic"),
        ({"review_result": False}, "rejected"),
        ({"review_result": None}, None),
        ({"deleted": None, "synthetic": None}, None),
    ],
)
def test_field_cuts_a_message(tmp_path: Path, fields: Object, reason: str | None) -> None:
    """Deleted, synthetic and rejected messages are cut; null is neither of these, and no review is no rejection."""
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", **fields))))
    assert read(path)["drop"].item() == reason


def test_synthetic_messages_on_request(tmp_path: Path) -> None:
    """With `include_synthetic` what a model wrote stays."""
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", synthetic=True))))
    assert outcome(read(path, include_synthetic=True)) == {"a1": "u0 a1"}


def test_labels_cut_a_message(tmp_path: Path) -> None:
    """A label above its most or below its least cuts the branch, and the reason names the label."""
    labels = {"spam": {"value": 0.6, "count": 3}, "quality": {"value": 0.4, "count": 3}}
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", labels=labels))))
    limits: list[Object] = [{"max_labels": {"spam": 0.5}}, {"min_labels": {"quality": 0.5}}, {"max_labels": {"spam": 0.6}}]
    assert [read(path, **limit)["drop"].item() for limit in limits] == ["label_spam", "label_quality", None]


def test_message_without_the_label_passes(tmp_path: Path) -> None:
    """A limit on a label says nothing of messages that nobody labelled."""
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", labels=None), said("a2", labels={}))))
    assert read(path, min_labels={"quality": 0.5})["drop"].to_list() == [None, None]


@pytest.mark.parametrize(("limit", "reason"), [(0.29, "label_toxicity"), (0.3, None), (1.0, None), (0.0, "label_toxicity")])
def test_a_label_at_its_limit_passes(tmp_path: Path, limit: float, reason: str | None) -> None:
    """The most that a label may be is still allowed, however few volunteers gave it."""
    labels = {"toxicity": {"value": 0.3, "count": 1}}
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", labels=labels))))
    assert read(path, max_labels={"toxicity": limit})["drop"].item() == reason


def test_what_stands_above_a_labelled_message_stays(tmp_path: Path) -> None:
    """A limit cuts as a rejection does: the branch goes, and the conversation above it is kept."""
    labels = {"hate_speech": {"value": 0.9, "count": 3}}
    branch = said("u2", said("a3"), labels=labels)
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", branch), said("a4", labels=labels))))
    found = outcome(read(path, max_labels={"hate_speech": 0.5}))
    assert found == {"a1": "u0 a1", "a4": "label_hate_speech"}


def test_a_labelled_prompt_cuts_its_whole_tree(tmp_path: Path) -> None:
    """A root beyond a limit leaves nothing of its tree, and each thread says so."""
    labels = {"violence": {"value": 0.9, "count": 3}, "humor": {"value": 1.0, "count": 3}}
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1"), said("a2"), labels=labels)))
    limits = {"max_labels": {"violence": 0.5}, "min_labels": {"humor": 0.5}}
    assert outcome(read(path, **limits)) == dict.fromkeys(("a1", "a2"), "label_violence")


@needs_export
def test_label_limits_on_the_real_export() -> None:
    """Of the real export's threads some pass each limit and some do not, and no row is lost."""
    limits = {"toxicity": 0.5, "hate_speech": 0.3, "sexual_content": 0.3}
    found = Counter(read(EXPORT, lang=CARD, max_labels=limits)["drop"])
    assert found.total() == 2_078
    assert {f"label_{name}" for name in limits} <= set(found)


def test_labels_in_the_hubs_layout(tmp_path: Path) -> None:
    """Labels as lists of names and values, which the hub has, are limited alike."""
    labels = {"name": ["spam", "quality"], "value": [0.0, 0.4], "count": [3, 3]}
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", labels=labels))))
    assert read(path, min_labels={"quality": 0.5})["drop"].item() == "label_quality"


def test_top_k_by_rank(tmp_path: Path) -> None:
    """`top_k: 1` keeps the best reply; a rank that a data frame made a float is a rank all the same."""
    path = write(tmp_path / "export.jsonl", tree(said("u0", said("a1", rank=1), said("a2", rank=0.0), said("a3"))))
    assert outcome(read(path, top_k=1)) == {"a2": "u0 a2", "a1": "rank", "a3": "rank"}


def test_tree_that_is_not_ready_is_dropped(tmp_path: Path) -> None:
    """Every thread of a tree in another state is a drop that can be read."""
    frame = read(write(tmp_path / "export.jsonl", tree(said("u0", said("a1"), said("a2")), "growing")))
    assert outcome(frame) == {"a1": "tree_state", "a2": "tree_state"}
    assert frame["messages"].list.len().to_list() == [2, 2]


def test_tree_that_comes_again_is_dropped(tmp_path: Path) -> None:
    """Of a tree that comes three times the first stays; the others' rows are drops under ids of their own."""
    first, other = tree(said("u0", said("a1"))), tree(said("u0", said("a1"), said("a2")))
    found = outcome(read(write(tmp_path / "export.jsonl", first, other, first)))
    assert found == {"a1": "u0 a1", "a1#2": "duplicate_tree", "a2#2": "duplicate_tree", "a1#3": "duplicate_tree"}


def test_flat_messages_that_come_again_are_a_tree_that_does(tmp_path: Path) -> None:
    """Flat messages of a tree that was exported twice give its threads once, in whatever order they come."""
    messages = list(flattened([tree(said("u0", said("a1"), said("a2")))])) * 2
    random.Random(3).shuffle(messages)
    found = outcome(read(write(tmp_path / "export.jsonl", *messages)))
    assert found == {"a1": "u0 a1", "a2": "u0 a2", "a1#2": "duplicate_tree", "a2#2": "duplicate_tree"}


def test_trees_and_flat_messages_in_one_file(tmp_path: Path) -> None:
    """Trees and flat messages may stand in one file, and a tree that comes in both layouts comes twice."""
    one, two = tree(said("u0", said("a1"))), tree(said("u2", said("a3")))
    found = outcome(read(write(tmp_path / "export.jsonl", *flattened([one]), two, *flattened([two]))))
    assert found == {"a1": "u0 a1", "a3": "u2 a3", "a3#2": "duplicate_tree"}


def test_tree_whose_messages_are_in_two_files(tmp_path: Path) -> None:
    """A tree may be spread over the files of an entry."""
    prompt, reply = flattened([tree(said("u0", said("a1")))])
    paths = [write(tmp_path / "one.jsonl", reply), write(tmp_path / "two.jsonl", prompt)]
    assert outcome(read(paths)) == {"a1": "u0 a1"}


@pytest.mark.parametrize("shape", ["jsonl", "parquet"])
def test_sample_in_any_layout_and_order(tmp_path: Path, shape: str) -> None:
    """Flat messages and Parquet rows, shuffled, give the very rows that the trees give."""
    trees = trees_of(SAMPLE)
    messages = list(flattened(trees))
    random.Random(5).shuffle(messages)
    path = tmp_path / "messages"
    flat = write_parquet(path, messages) if shape == "parquet" else write(path, *messages)
    limits: Object = {"lang": CARD, "top_k": 2, "max_labels": {"spam": 0.5}}
    assert read(flat, **limits).sort("key").equals(read(write(tmp_path / "trees", *trees), **limits).sort("key"))


def broken() -> Iterator[tuple[str, list[object], str]]:
    """Give records that are bad: a name, the lines, what the error says."""
    orphan = {**said("a1"), "parent_id": "u9", "message_tree_id": "t", "tree_state": "ready_for_export"}
    loop: list[object] = [
        {**said(one), "parent_id": other, "message_tree_id": "t"} for one, other in (("u1", "a2"), ("a2", "u1"))
    ]
    yield "orphan", [orphan], "export.jsonl:1: message 'a1' answers 'u9', which is not in its tree"
    yield "cycle", loop, "export.jsonl:1: the tree of message 'u1' has 0 roots, wanted one"
    yield (
        "two roots",
        [{**said(name), "message_tree_id": "t"} for name in ("u0", "u1")],
        "export.jsonl:2: the tree of message 'u1'",
    )
    yield "assistant first", [tree(said("a0"))], "export.jsonl:1: message 'a0' is of role assistant at the root"
    yield "role twice", [tree(said("u0", said("u1")))], "message 'u1' is of role user below another user message"
    yield (
        "unknown role",
        [tree(said("u0", said("a1", role="system")))],
        "message 'a1': role is 'system', wanted prompter or assistant",
    )
    yield "no text", [tree(said("u0", text=None))], "message 'u0': text is None, wanted str"
    yield "text of a wrong type", [tree(said("u0", said("a1", text=["x"])))], "message 'a1': text is ['x'], wanted str"
    yield "id of a wrong type", [tree(said("u0", message_id=7))], "message_id is 7, wanted str"
    yield "rank of a wrong type", [tree(said("u0", said("a1", rank="0")))], "message 'a1': rank is '0', wanted int"
    yield "half a rank", [tree(said("u0", said("a1", rank=0.5)))], "message 'a1': rank is 0.5, wanted int"
    yield "flag of a wrong type", [tree(said("u0", deleted="no"))], "message 'u0': deleted is 'no', wanted bool"
    yield "replies of a wrong type", [tree(said("u0", replies={}))], "message 'u0': replies is {}, wanted list"
    yield "reply of a wrong type", [tree(said("u0", replies=["a1"]))], "a message is 'a1', wanted an object"
    yield "no prompt", [{"message_tree_id": "t", "tree_state": "growing"}], "a message is None, wanted an object"
    yield "no tree id", [said("u0")], "message_tree_id is None, wanted str"
    yield "no record of ours", [{"conversations": []}], "is neither a tree (message_tree_id, prompt) nor a message (message_id)"
    yield "a list", [[1]], "is neither a tree"
    yield "other parent", [tree(said("u0", said("a1", parent_id="u7")))], "message 'a1': parent_id is 'u7', wanted 'u0'"
    yield "id twice in a tree", [tree(said("u0", said("a1"), said("a1")))], "message id 'a1' comes twice in its tree"
    yield (
        "id in two trees",
        [tree(said("u0", said("a1"))), tree(said("u2", said("a1")))],
        "export.jsonl:2: message id 'a1' stands in",
    )
    yield "not JSON", [tree(said("u0", said("a1"))), ...], "export.jsonl:2: "


@pytest.mark.parametrize(("values", "what"), [pytest.param(values, what, id=name) for name, values, what in broken()])
def test_bad_record_is_an_error_with_its_place(tmp_path: Path, values: list[object], what: str) -> None:
    """A record that is no tree or message is an error that names file, line, message and what was wanted."""
    path = tmp_path / "export.jsonl"
    path.write_text("".join("{broken\n" if value is ... else json.dumps(value) + "\n" for value in values), encoding="utf8")
    with pytest.raises(BadRecordError) as caught:
        read(path)
    assert what in str(caught.value)
    assert str(caught.value).startswith("export.jsonl:")


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values, _ in broken()])
def test_bad_record_can_be_a_counted_drop(tmp_path: Path, values: list[object]) -> None:
    """With `on_bad_record: drop` a bad record or tree is one dropped row, named by its line, and the others are read."""
    path = tmp_path / "export.jsonl"
    lines = ["{broken\n" if value is ... else json.dumps(value) + "\n" for value in [*values, tree(said("u5", said("a5")))]]
    path.write_text("".join(lines), encoding="utf8")
    found = outcome(read(path, on_bad_record="drop"))
    assert found["a5"] == "u5 a5"
    assert [key.partition(":")[0] for key, drop in found.items() if drop == "bad_record"] == ["export"]


def test_dropped_record_is_named_by_its_number(tmp_path: Path) -> None:
    """A dropped record has no messages, and its key is the file's stem and the record's number from 0."""
    (row,) = read(write(tmp_path / "export.2023.jsonl", [1]), on_bad_record="drop").to_dicts()
    assert (row["key"], row["group"], row["messages"]) == ("export:0", None, None)


def test_broken_parquet_row_can_be_a_counted_drop(tmp_path: Path) -> None:
    """A Parquet row that is too long is an error, or a dropped row; the others are read."""
    flat = write_parquet(
        tmp_path / "rows.parquet", flattened([tree(said("u0", said("a1"))), tree(said("u2", text="x" * 9_000))])
    )
    assert outcome(read(flat, on_bad_record="drop", max_record_bytes=5_000)) == {"a1": "u0 a1", "rows:2": "bad_record"}
    with pytest.raises(BadRecordError, match=r"^rows\.parquet:3: "):
        read(flat, max_record_bytes=5_000)


def test_flat_message_that_comes_twice_is_a_bad_record(tmp_path: Path) -> None:
    """A flat message that comes twice, without the rest of its tree, is an error at its second place."""
    messages = list(flattened([tree(said("u0", said("a1")))]))
    path = write(tmp_path / "export.jsonl", *messages, messages[1])
    with pytest.raises(BadRecordError, match=r"^export\.jsonl:3: message id 'a1' comes twice in tree 'tree-u0'"):
        read(path)


def test_tree_of_many_levels(tmp_path: Path) -> None:
    """A tree of 10,000 levels, nested in one line, gives its one thread of 10,000 messages."""
    ends = [json.dumps(said(f"{'ua'[level % 2]}{level}"))[:-2] for level in range(LEVELS)]
    path = tmp_path / "export.jsonl"
    path.write_text(
        '{"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": ' + "".join(ends) + "]}" * LEVELS + "}\n"
    )
    assert read(path)["messages"].list.len().to_list() == [LEVELS]


def test_threads_of_a_comb_come_in_bounded_frames(tmp_path: Path) -> None:
    """A tree with a leaf at each of 300 levels, whose threads repeat one another's text, comes in frames of bounded size."""
    levels = [said(f"{'ua'[level % 2]}{level}", text="x" * 2_000, parent_id=None) for level in range(300)]
    for level, one in enumerate(levels):
        one |= {
            "parent_id": levels[level - 1]["message_id"] if level else None,
            "message_tree_id": "t",
            "tree_state": "ready_for_export",
        }
    teeth = [one | {"message_id": f"{one['message_id']}-tooth"} for one in levels if one["parent_id"]]
    sizes = [
        int(frame["messages"].explode().struct.field("content").str.len_bytes().sum())
        for frame in frames(write(tmp_path / "c", *levels, *teeth))
    ]
    assert len(sizes) > 3
    assert max(sizes) < 20_000_000


@needs_export
def test_real_export_keeps_regional_languages() -> None:
    """Of the real export, with the reference mix's languages, the threads tagged pt-BR and uk-UA are in."""
    kept = read(EXPORT, lang=CARD).filter(pl.col("drop").is_null())
    assert {"pt-BR": 8, "uk-UA": 8}.items() <= Counter(kept["lang"]).items()


@needs_export
def test_real_export_adds_up() -> None:
    """Of the real export each leaf of each tree is a row, kept or dropped, under an id of its own."""
    with gzip.open(EXPORT, "rt", encoding="utf8") as lines:
        expected = sum(leaves(json.loads(line)) for line in lines)
    frame = read(EXPORT, lang=CARD)
    assert len(frame) == frame["key"].n_unique() == expected == 2_078


@needs_export
def test_real_export_holds_six_trees_twice() -> None:
    """Of the six trees that the real export holds twice, the second copies are counted drops."""
    repeated = read(EXPORT).filter(pl.col("drop") == "duplicate_tree")
    assert repeated["group"].n_unique() == 6


@needs_export
@pytest.mark.parametrize("shape", ["jsonl", "parquet"])
def test_real_export_in_any_layout_and_order(tmp_path: Path, shape: str) -> None:
    """The real export's messages, flat or as Parquet rows, shuffled, give the very rows that its trees give."""
    trees = trees_of(EXPORT)
    messages = list(flattened(trees))
    random.Random(11).shuffle(messages)
    path = tmp_path / "messages"
    flat = write_parquet(path, messages) if shape == "parquet" else write(path, *messages)
    expected = read(EXPORT, lang=CARD, top_k=2).filter(pl.col("drop").ne_missing("duplicate_tree"))
    assert read(flat, lang=CARD, top_k=2).sort("key").equals(expected.sort("key"))
