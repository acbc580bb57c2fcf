"""Results as files: what is written is read, what is damaged is refused, and nothing else is overwritten."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from data_mix.errors import FormatError, OutputError
from data_mix_eval.question import ChatPrompt, Sampling, TextPrompt
from data_mix_eval.results import Item, Results, check_folder, prompt_sha256, read_items, read_results, write_results
from data_mix_eval.run import Marked
from data_mix_eval.subset import Subset
from scored import ComputedModel, asked, scored, sums


def written(folder: Path, **changes: object) -> tuple[Results, list[Item]]:
    """Results of a run, as they stand in a folder."""
    results, marked = scored(ComputedModel(), [asked()], folder / "home")
    results = replace(results, **changes)  # type: ignore[arg-type]
    items = items_of(marked)
    write_results(folder, results, items, b"<!doctype html>")
    return results, items


def items_of(marked: list[Marked]) -> list[Item]:
    """The items of all tasks."""
    return [item for each in marked for item in each.items()]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Results and items come back equal, every digit of them."""
    results, items = written(tmp_path)
    assert read_results(tmp_path) == results
    assert list(read_items(tmp_path)) == items


def test_texts_of_a_model_come_back(tmp_path: Path) -> None:
    """Line ends of all kinds, control characters and quotes in what a model says do not break lines."""
    _, marked = scored(ComputedModel(), [asked(sums(1, sampling=Sampling(max_tokens=2)))], tmp_path / "home")
    results, _ = written(tmp_path)
    items = [replace(item, completions=('a\n"b"\u2028\x00\r', "\\"), picked="</script>") for item in items_of(marked)]
    write_results(tmp_path, results, items, b"")
    assert list(read_items(tmp_path)) == items


def test_results_are_written_last(tmp_path: Path) -> None:
    """Where the items cannot be written there are no results, and what stood there before is whole."""
    (tmp_path / "out/items.jsonl").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"items\.jsonl"):
        written(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["home", "items.jsonl"]


def test_times_stand_apart(tmp_path: Path) -> None:
    """All that differs between two runs of the same is one block."""
    first, second = (scored(ComputedModel(), [asked()], tmp_path / name)[0] for name in "ab")
    assert replace(first, times={}) == replace(second, times={})
    assert set(first.times) == {"began", "seconds", "tasks"}


def test_a_prompt_has_the_digest_of_its_text() -> None:
    """The digest of a text is that of its bytes, which lm-eval logs too; a chat has one of its parts."""
    prompt = TextPrompt(header="a\n\n", shots=("b ",), question="c", overflow="cut_left")
    assert prompt_sha256(prompt) == hashlib.sha256(b"a\n\nb c").hexdigest()
    assert prompt_sha256(ChatPrompt(question="c")) != prompt_sha256(ChatPrompt(question="c", opening="d"))


def test_a_folder_without_results(tmp_path: Path) -> None:
    """A folder in which no run has ended is named."""
    with pytest.raises(FormatError, match=r"holds no results\.json, so no run has ended there"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no results file"),
        ("[]", "is no results file"),
        ('{"format": 2}', "has format 2, wanted 1; install"),
        ('{"format": 1}', "is damaged \\(protocol: Field required\\); score the model again"),
    ],
)
def test_damaged_results_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """A file that is cut, of another format or of another program is one line."""
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(FormatError, match=said):
        read_results(tmp_path)


def test_a_truncated_item_is_refused(tmp_path: Path) -> None:
    """A cut line of the items is an error that names the file."""
    written(tmp_path)
    os.truncate(tmp_path / "items.jsonl", 500)
    with pytest.raises(FormatError, match=r"items\.jsonl: is damaged"):
        list(read_items(tmp_path))


def test_the_same_may_be_written_again(tmp_path: Path) -> None:
    """A rerun, and one of more tasks, takes the place of what was there."""
    results, _ = written(tmp_path)
    check_folder(tmp_path, results)
    check_folder(tmp_path, replace(results, tasks=results.tasks | {"more": results.tasks["sums"]}))
    check_folder(tmp_path / "elsewhere", results)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": "card"}, "protocol standard"),
        ({"seed": 1}, "seed 0"),
        ({"model": {"name": "computed", "digest": "e" * 64}}, "model digest dddd"),
        ({"tasks": {}}, "task sums"),
    ],
)
def test_results_of_something_else_are_not_overwritten(tmp_path: Path, change: dict[str, object], said: str) -> None:
    """Another protocol, seed or model, or fewer tasks, is refused with what the folder holds and what to do."""
    results, _ = written(tmp_path)
    before = json.loads((tmp_path / "results.json").read_text())
    with pytest.raises(OutputError, match=rf"holds results of something else \({said}.*\); .*name another folder with -o"):
        check_folder(tmp_path, replace(results, **change))  # type: ignore[arg-type]
    assert json.loads((tmp_path / "results.json").read_text()) == before


def test_results_of_other_tasks_say_how_to_add(tmp_path: Path) -> None:
    """Where nothing but tasks differ, all of them are named, so that the folder can hold both."""
    results, _ = written(tmp_path)
    with pytest.raises(OutputError, match=r"\(task sums\); score all, whose answers are kept, by --task sums more; or name"):
        check_folder(tmp_path, replace(results, tasks={"more": results.tasks["sums"]}))


def test_what_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    """A results.json of another program or a newer format is somebody's: it stays."""
    (tmp_path / "results.json").write_text('{"format": 9}')
    results = scored(ComputedModel(), [asked()], tmp_path / "home")[0]
    with pytest.raises(OutputError, match=r"has format 9.*that is not overwritten: name another folder with -o, or remove"):
        check_folder(tmp_path, results)


def test_results_of_a_part_are_not_overwritten_by_the_whole(tmp_path: Path) -> None:
    """A subset, a recipe or benchmark files that differ make another result."""
    results, _ = written(tmp_path)
    for change in ({"subset": str(Subset(limit=3))}, {"recipe": "sums/2"}, {"files_sha256": "1" * 64}):
        task = replace(results.tasks["sums"], **change)  # type: ignore[arg-type]
        with pytest.raises(OutputError, match=f"sums {next(iter(change))} "):
            check_folder(tmp_path, replace(results, tasks={"sums": task}))
