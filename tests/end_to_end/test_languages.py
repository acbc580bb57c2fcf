"""Languages through a whole build: who is kept, who is dropped, and under which tag."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from commands import Shell, section
from sentences import SENTENCES, SERBIAN
from slow_reference import Folder, read_folder

WANTED: Final = "bg,ca,cs,da,de,en,es,fr,hr,hu,it,nl,pl,pt,ro,ru,sl,sr,sv,uk,zh,ja,th,ko"
LINES: Final = 60
"""FLORES lines of each language."""


def chats(folder: Path, texts: dict[str, list[str]], **declared: str) -> Folder:
    """Conversations that say no language, built by each of the card's 24 languages; the id is `<tag>-<number>`."""
    records = [
        {"id": f"{tag}-{number}", "prompt": f"{number}?", "response": text}
        for tag, lines in texts.items()
        for number, text in enumerate(lines)
    ]
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs/chats.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    language = json.dumps({"keep": WANTED, **declared})
    entry = "{type: conversations, input_file_path: chats.jsonl}"
    section(folder, f"mine:\n  datasets:\n    - chats: {entry}\n  stages: {{language: {language}}}\n")
    shell = Shell(cwd=folder, home=folder / "home")
    shell.build(folder / "out", "--configs", "mine", "--keep-dropped")
    return read_folder(folder / "out")


def tags(built: Folder, prefix: str) -> Counter[str]:
    """The tags of the kept rows whose id begins so."""
    return Counter(row["lang"] for row in built.of("chats", "train", "validation") if row["id"].startswith(f"chats/{prefix}-"))


def dropped(built: Folder) -> Counter[tuple[str, str]]:
    """How many rows of each language were dropped, by reason."""
    return Counter((row["id"].split("/")[1].rpartition("-")[0], row["drop"]) for row in built.of("chats", "dropped"))


def lines(shared: Path, *names: str) -> dict[str, list[str]]:
    """Real sentences by the name of their FLORES file."""
    return {name: (shared / f"langid/flores200/{name}.devtest").read_text().splitlines()[:LINES] for name in names}


@pytest.mark.parametrize("detector", ["py3langid", "langdetect"])
def test_serbian_survives(tmp_path: Path, detector: str) -> None:
    """In either script and with either detector no Serbian conversation is dropped for its language."""
    built = chats(tmp_path, {name: [text, text.upper()] for name, text in SERBIAN.items()}, detector=detector)
    assert not dropped(built)
    assert sum(sum(tags(built, name).values()) for name in SERBIAN) == 4


@pytest.mark.parametrize("detector", ["py3langid", "langdetect"])
def test_real_serbian_survives(tmp_path: Path, shared: Path, detector: str) -> None:
    """Of FLORES lines in Serbian, and in its neighbours, none is dropped, whether the detector knows Serbian or not."""
    built = chats(tmp_path, lines(shared, "srp_Cyrl", "hrv_Latn", "bul_Cyrl", "eng_Latn"), detector=detector)
    assert not dropped(built)
    assert sum(tags(built, "srp_Cyrl").values()) == LINES
    if detector == "py3langid":
        assert tags(built, "srp_Cyrl").most_common(1)[0][0] == "sr"


def test_a_language_that_is_not_wanted_is_dropped(tmp_path: Path) -> None:
    """With a detector that knows all languages that are kept, a conversation surely in another one is a counted drop."""
    texts = {tag: [SENTENCES[tag]] for tag in ("de", "ja", "th")}
    built = chats(tmp_path, texts, keep="de,fr")
    assert dropped(built) == {("ja", "wrong_language"): 1, ("th", "wrong_language"): 1}


def test_every_language_of_the_mix_gets_its_tag(tmp_path: Path) -> None:
    """A conversation without a tag in any of the 24 languages is kept, and its tag begins with its language."""
    built = chats(tmp_path, {tag: [text] for tag, text in SENTENCES.items()})
    assert not dropped(built)
    confusable = {"hr", "sr", "da", "ca", "es"}
    assert all(set(tags(built, tag)) == {tag.partition("-")[0]} for tag in SENTENCES if tag not in confusable)


def message(name: str, lang: str, role: str, *replies: dict[str, Any]) -> dict[str, Any]:
    """A message of an export."""
    return {"message_id": name, "role": role, "text": f"{name} says so.", "lang": lang, "replies": list(replies)}


def tree(root: str, *replies: tuple[str, str]) -> dict[str, Any]:
    """A tree whose root is in one language, and replies (id, language) to it."""
    prompt = message(f"root-{replies[0][0]}", root, "prompter", *(message(*reply, "assistant") for reply in replies))
    return {"message_tree_id": prompt["message_id"], "tree_state": "ready_for_export", "prompt": prompt}


@pytest.mark.parametrize(
    ("mode", "kept", "reasons"),
    [("every", {"de1", "br1"}, {"language": 3}), ("root", {"de1", "en1", "br1", "en3"}, {"language": 1})],
)
def test_threads_of_mixed_languages_differ_by_mode(tmp_path: Path, mode: str, kept: set[str], reasons: dict[str, int]) -> None:
    """By every message a thread with an English reply is out, by the root alone it is in; an English root is out in both."""
    trees = [
        tree("de", ("de1", "de"), ("en1", "en")),
        tree("en", ("de2", "de")),
        tree("pt-BR", ("br1", "pt-BR"), ("en3", "en")),
    ]
    (tmp_path / "trees.jsonl").write_text("".join(json.dumps(each) + "\n" for each in trees))
    options = f"{{input_file_path: {tmp_path}/trees.jsonl, lang: 'de, pt', lang_mode: {mode}, val_split: 0}}"
    section(tmp_path, f"mine:\n  datasets:\n    - oasst_export: {options}\n")
    manifest = Shell(cwd=tmp_path, home=tmp_path / "home").build(tmp_path / "out", "--configs", "mine")
    rows = read_folder(tmp_path / "out").of("oasst_export", "train")
    assert {row["id"].split("/")[1] for row in rows} == kept
    assert manifest["sources"]["oasst_export"]["rows"]["dropped"] == reasons


def test_one_export_may_stand_twice_in_a_mix(tmp_path: Path) -> None:
    """Two entries of one export, each with its languages, share nothing but the split of a tree, and train no message twice."""
    trees = [tree("de", (f"de{number}", "de"), (f"en{number}", "en")) for number in range(40)]
    (tmp_path / "trees.jsonl").write_text("".join(json.dumps(each) + "\n" for each in trees))
    options = f"input_file_path: {tmp_path}/trees.jsonl, val_split: 0.3"
    german = f"{{type: oasst_export, lang: de, {options}}}"
    text = f"mine:\n  datasets:\n    - german: {german}\n    - oasst_export: {{lang: 'de,en', {options}}}\n"
    section(tmp_path, text)
    manifest = Shell(cwd=tmp_path, home=tmp_path / "home").build(tmp_path / "out", "--configs", "mine")
    kept = {name: source["rows"]["kept"] for name, source in manifest["sources"].items()}
    assert kept["german"] == kept["oasst_export"]
    assert manifest["sources"]["oasst_export"]["rows"]["dropped"] == {"duplicate": 40}
