"""The page of a run: whole, quiet, and safe whatever a model or a benchmark says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from data_mix_eval.question import Answer, ChatPrompt, Mark, Question, Sampling
from data_mix_eval.report.html import SHOWN, html_report
from data_mix_eval.run import Marked
from scored import ComputedModel, asked, scored, sums

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m & \"'\ud800"
VOID = {"meta", "br", "img", "link", "input"}


class _Reader(HTMLParser):
    """Counts the elements of a page, and finds those that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: bytes) -> _Reader:
    """A page, read to its end."""
    reader = _Reader()
    reader.feed(page.decode())
    reader.close()
    return reader


def page_of(home: Path, *questions: Question, change: Mark | None = None) -> bytes:
    """The page of a run over these questions."""
    results, marked = scored(ComputedModel(), [asked(list(questions) or None)], home)
    if change is not None:
        marked = [replace(marked[0], marks=[change] * len(marked[0].marks))]
    return html_report(results, marked)


def test_a_page_is_well_formed(tmp_path: Path) -> None:
    """Every element is closed where it must be."""
    assert read(page_of(tmp_path)).open == []


def test_a_page_loads_nothing(tmp_path: Path) -> None:
    """No element and no attribute names anything outside the page, and nothing runs in it."""
    page = page_of(tmp_path)
    reader = read(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.seen)
    assert {name for name, _ in reader.attributes} <= {"lang", "charset", "name", "content", "class"}
    assert b"url(" not in page
    assert b"@import" not in page


def test_a_page_is_dark_and_light_and_fits_a_phone(tmp_path: Path) -> None:
    """It follows the reader's colours, takes a phone's width, and sets no width that would not fit."""
    page = page_of(tmp_path).decode()
    assert "color-scheme:light dark" in page
    assert 'name="viewport" content="width=device-width' in page
    assert not re.search(r"(?<!max-)(?<!min-)\bwidth:\s*\d+px", page)


def test_texts_of_others_are_text(tmp_path: Path) -> None:
    """Markup in questions, answers, verdicts and names is shown, and none of it is an element."""
    (question,) = sums(1, subjects=[HOSTILE.replace("/", "")], sampling=Sampling(max_tokens=2))
    question = replace(question, prompt=replace(question.prompt, question=HOSTILE, header=HOSTILE), target=HOSTILE)  # type: ignore[arg-type]
    results, marked = scored(ComputedModel(name=HOSTILE), [asked([question])], tmp_path)
    answer = Answer(completions=(HOSTILE, HOSTILE), prompt_tokens=1)
    mark = Mark(metrics={"acc": 0.0}, picked=HOSTILE, verdicts=(HOSTILE, HOSTILE), is_suspicious=True)
    page = html_report(results, [replace(marked[0], answers=[answer], marks=[mark])])
    reader = read(page)
    assert not {"script", "img"} & set(reader.seen)
    assert reader.open == []
    assert b"\x1b" not in page


def test_wrong_answers_are_shown_with_all_there_is(tmp_path: Path) -> None:
    """Of a wrong choice: question, what stands before it, choices with their log-probabilities, picked, wanted and margin."""
    mark = Mark(metrics={"acc": 0.0}, picked="7", margin=0.125)
    page = page_of(tmp_path, *sums(1, subjects=["small"]), change=mark).decode()
    for text in (
        "small/0",
        "0+1=",
        "Sums that are small.",
        "picked &#x27;7&#x27;",
        "wanted &#x27;1&#x27;",
        "margin 0.125",
        "log-probability",
    ):
        assert text in page, text


def test_right_answers_are_not(tmp_path: Path) -> None:
    """A subject without a wrong answer is one line."""
    page = page_of(tmp_path, *sums(4, subjects=["small"]), change=Mark(metrics={"acc": 1.0}, picked="x")).decode()
    assert "small: none of 4 wrong" in page
    assert "<article>" not in page


def test_code_has_its_verdicts(tmp_path: Path) -> None:
    """Of code: the completions, what became of each, and whether one is suspicious."""
    results, marked = scored(ComputedModel(), [asked(sums(1, subjects=["code"], sampling=Sampling(max_tokens=2)))], tmp_path)
    answer = Answer(completions=("    return 1", "    return 2"), prompt_tokens=1)
    mark = Mark(metrics={"acc": 0.5}, picked="    return 2", verdicts=("assert failed", "passed"), is_suspicious=True)
    page = html_report(results, [replace(marked[0], answers=[answer], marks=[mark])]).decode()
    for text in ("written, 1 of 2: assert failed", "written, 2 of 2: passed", "suspicious", "    return 1"):
        assert text in page, text


def test_a_text_keeps_its_first_line_break(tmp_path: Path) -> None:
    """A browser drops the first line break of a block, so that one stands before the text's own."""
    (question,) = sums(1, subjects=["small"])
    question = replace(question, prompt=replace(question.prompt, question="\n\ndef f():"))
    results, marked = scored(ComputedModel(), [asked([question])], tmp_path)
    assert "<pre>\n\n\ndef f():</pre>" in html_report(results, [_all_wrong(marked[0])]).decode()


def test_a_page_stays_small(tmp_path: Path) -> None:
    """Of each subject so many wrong answers are shown, and the page says how many there are."""
    page = page_of(tmp_path, *sums(500, subjects=["small"]), change=Mark(metrics={"acc": 0.0}, picked="x")).decode()
    assert page.count("<article>") == SHOWN
    assert f"small: 500 of 500 wrong; the first {SHOWN} are shown, items.jsonl has all" in page


def test_a_chat_shows_its_turns(tmp_path: Path) -> None:
    """What stands before a question of a chat are the shots as turns."""
    (question,) = sums(1, subjects=["small"])
    question = replace(question, prompt=ChatPrompt(system="Be brief.", shots=(("1+1=", "2"),), question="2+2="))
    results, marked = scored(ComputedModel(), [asked([question])], tmp_path)
    page = html_report(results, [_all_wrong(marked[0])]).decode()
    assert "system: Be brief.\n\nuser: 1+1=\n\nassistant: 2" in page


def _all_wrong(marked: Marked) -> Marked:
    return replace(marked, marks=[replace(mark, metrics={"acc": 0.0}) for mark in marked.marks])
