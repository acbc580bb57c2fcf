"""Answers on disk: what was written is read, what was cut is not, and processes may share a folder."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from data_mix.errors import OutputError
from data_mix_eval.cache import AnswerCache, batch_key, code_digest, open_answers
from data_mix_eval.question import Answer, Question, Sampling, TextPrompt
from scored import sums

ANSWERS = (
    Answer(logprobs=(-0.1, -1e-17, -3.141592653589793), prompt_tokens=4, left_out=2),
    Answer(completions=("a\nb \u2028", "", "\ud800"), prompt_tokens=0, generated_tokens=7),
)


def opened(home: Path, rank: int = 0) -> AnswerCache:
    """The cache of one model and recipe."""
    return open_answers(home, "digest", "mmlu/lm-eval-0.4.13", rank)


def answers_file(home: Path) -> Path:
    """The file of the first rank."""
    return home / "eval/digest/mmlu__lm-eval-0.4.13/00000.jsonl"


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    """What is added is there for the next process, every digit and every character of it."""
    opened(tmp_path).add("key", ANSWERS, 1.5)
    found = opened(tmp_path).get("key")
    assert found is not None
    assert (found.answers, found.seconds) == (ANSWERS, 1.5)


def test_a_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    """Cut anywhere, the last line is not believed, and the next one that is added stands alone."""
    cache = opened(tmp_path)
    cache.add("one", ANSWERS, 1)
    whole = answers_file(tmp_path).read_bytes()
    cache.add("two", ANSWERS, 1)
    both = answers_file(tmp_path).read_bytes()
    for end in range(len(whole), len(both), 7):
        answers_file(tmp_path).write_bytes(both[:end])
        again = opened(tmp_path)
        assert (again.get("one") is not None, again.get("two")) == (True, None)
        again.add("three", ANSWERS, 1)
        assert all(opened(tmp_path).get(key) for key in ("one", "three"))


@pytest.mark.parametrize(
    "line", ["", "{}", "[1]", "\0\0\0", '{"key": "one"}', '{"key": "one", "answers": [{"text": 1}], "seconds": 1}']
)
def test_a_damaged_line_is_as_good_as_none(tmp_path: Path, line: str) -> None:
    """Whatever a disk has made of a line, what stands around it is read."""
    opened(tmp_path).add("zero", ANSWERS, 1)
    with answers_file(tmp_path).open("a") as file:
        file.write(f"{line}\n")
    opened(tmp_path).add("two", ANSWERS, 1)
    cache = opened(tmp_path)
    assert [cache.get(key) is not None for key in ("zero", "one", "two")] == [True, False, True]


def test_what_others_add_is_seen_after_a_refresh(tmp_path: Path) -> None:
    """A rank sees what another has written since, in a file of its own."""
    first, second = opened(tmp_path, 0), opened(tmp_path, 1)
    second.add("key", ANSWERS, 1)
    assert first.get("key") is None
    first.lines.refresh()
    assert first.get("key") is not None
    assert sorted(path.name for path in first.lines.folder.iterdir()) == ["00001.jsonl"]


def test_processes_may_add_to_one_file(tmp_path: Path) -> None:
    """Four processes of the same rank that write at once lose nothing."""
    code = (
        "import sys; from pathlib import Path; from data_mix_eval.cache import open_answers\n"
        "from data_mix_eval.question import Answer\n"
        "c = open_answers(Path(sys.argv[1]), 'digest', 'mmlu/lm-eval-0.4.13', 0)\n"
        "for n in range(100): c.add(f'{sys.argv[2]}-{n}', [Answer(completions=('x' * 9000,), prompt_tokens=1)], 0)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(4)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0, 0]
    cache = opened(tmp_path)
    assert all(cache.get(f"{number}-{place}") for number in range(4) for place in range(100))


def test_a_key_holds_all_that_decides_an_answer() -> None:
    """Another prompt, choice, sampling, recipe, order, company or batch size gives another key."""
    questions = sums(2)
    prompt = TextPrompt(question=questions[0].prompt.question, overflow="cut_left")
    others: list[list[Question]] = [
        questions[:1],
        questions[::-1],
        [replace(questions[0], prompt=prompt), *questions[1:]],
        [replace(questions[0], choices=("1", "2")), *questions[1:]],
        sums(2, sampling=Sampling(max_tokens=3)),
    ]
    keys = [batch_key("sums/1", 0, each) for each in (questions, *others)] + [batch_key("sums/2", 0, questions)]
    keys += [batch_key("sums/1", 0, questions, batch_size=size) for size in (4, 8)]
    assert len(set(keys)) == len(keys)


def test_a_seed_matters_where_something_is_drawn() -> None:
    """Greedy answers and scored choices are the same by any seed, drawn ones are not."""
    greedy, drawn = (sums(1, sampling=Sampling(max_tokens=3, temperature=heat)) for heat in (0.0, 0.7))
    assert batch_key("r", 0, greedy) == batch_key("r", 1, greedy)
    assert batch_key("r", 0, sums(1)) == batch_key("r", 1, sums(1))
    assert batch_key("r", 0, drawn) != batch_key("r", 1, drawn)


def test_what_is_beside_a_question_does_not_matter() -> None:
    """The target and the record are for the judge: they change no answer."""
    questions = sums(1, subjects=["small"])
    assert batch_key("r", 0, [replace(questions[0], target="9", record={})]) == batch_key("r", 0, questions)


def test_code_that_answers_is_part_of_the_key() -> None:
    """The digest is of what is in the files: modules and packages alike."""
    assert len({code_digest(("question.py",)), code_digest(("models",)), code_digest(("question.py", "models"))}) == 3


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """A file in the way of the folder is one line that names it."""
    (tmp_path / "eval").touch()
    with pytest.raises(OutputError, match="eval/digest/mmlu__lm-eval"):
        opened(tmp_path).add("key", ANSWERS, 1)
