"""Which items are found in which texts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from benchmark_items import ASKED, CHOICES, LONG, found, items_of, items_read, sentence
from data_mix.decontamination.finding import find_items, words_in_order
from data_mix.decontamination.index import build_index
from data_mix.decontamination.settings import DecontaminationOptions

OTHER = "The heron stood in the reeds and nobody at the harbour market asked how many crowns a bundle would bring home today."


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        f"Please solve this for my daughter:\n\n> {LONG}\n\nThank you, and show every step of it.",
        LONG.upper().replace(" ", "\n").replace(".", " !!"),
        LONG.replace("mill", "barn").replace("every third", "each third"),
    ],
    ids=["verbatim", "embedded", "case, blanks and punctuation", "words changed"],
)
def test_a_long_item_is_found_however_it_is_laid_out(text: str) -> None:
    """Verbatim, in a longer text, laid out anew or with a word changed here and there."""
    assert found(items_of([LONG]), text) == ["0"]


def test_a_part_of_an_item_is_no_sign_of_it() -> None:
    """A text that shares a long phrase with an item, or half of its words, does not hold it."""
    assert found(items_of([LONG]), OTHER) == []
    assert found(items_of([LONG]), " ".join(LONG.split()[:18])) == []


def test_min_share_says_how_much_must_be_there() -> None:
    """With a lower share, a text with three quarters of an item holds it."""
    part = " ".join(LONG.split()[:24])
    assert found(items_of([LONG]), part) == []
    assert found(items_of([LONG]), part, min_share=0.6) == ["0"]


def test_a_short_item_is_found_only_whole() -> None:
    """Fewer than `ngram` words must stand there one after the other; a changed one is another item."""
    short = "Which bird sleeps on the mill of Ostrel?"
    assert found(items_of([short]), "Tell me: which bird sleeps, on the mill of OSTREL? And why?") == ["0"]
    assert found(items_of([short]), short.replace("mill", "barn")) == []


def test_what_is_too_short_to_say_anything_is_never_found(tmp_path: Path) -> None:
    """Texts of fewer than `min_words` words, and answers of fewer than `ngram`, are no items, and are counted."""
    items = items_of(["Why is the sky blue?", LONG], answer="it is eight words long and no more than")
    assert found(items, "Why is the sky blue? It is eight words long and no more than.") == []
    assert build_index(items, DecontaminationOptions())[1] == {"own": 1}


def test_a_long_answer_is_an_item_of_its_own() -> None:
    """An answer is found without what is asked."""
    answer = "First Nora sells four bundles each day, which is 24 crowns, and after two days she therefore has 48 crowns."
    assert found(items_of([ASKED], answer=answer), f"Let us see. {answer}") == ["0"]


def test_a_question_is_found_without_its_choices_or_with_others_labels(tmp_path: Path) -> None:
    """The bare question, and the choices numbered, bulleted or in another order, are the same item."""
    items = items_read(tmp_path, [ASKED + CHOICES])
    bulleted = re.sub(r"\n[A-D]\. ", "\n* ", ASKED + CHOICES).removesuffix("Answer:")
    numbered = f"{ASKED}\n1) seven grey herons\n2) the tide\n3) the ferryman's bell\n4) a paper lantern"
    for text in (ASKED, bulleted, numbered):
        assert found(items, text) == ["0"]


def test_what_many_items_share_is_no_sign_of_any() -> None:
    """Of an instruction that all items begin with, only what is asked below it counts."""
    instruction = "The following paragraph describes some objects in a fixed order and all that it says is consistent. "
    prompts = [f"{instruction}{sentence(at, 16)} Answer in one word, please." for at in range(30)]
    items = items_of(prompts)
    assert found(items, f"{instruction}{sentence(99, 16)} Answer in one word, please.") == []
    assert found(items, prompts[7]) == ["7"]
    assert found(items, sentence(7, 16)) == ["7"]


def test_of_items_that_are_much_alike_the_one_that_stands_there_is_found() -> None:
    """Items made by one template do not stand for each other."""
    prompts = [
        f"{LONG} She gives {number} of the bundles to the {bird}." for number, bird in enumerate(("heron", "gull", "crow"))
    ]
    assert found(items_of(prompts), prompts[1]) == ["1"]


def test_brackets_are_found_by_their_order() -> None:
    """Items whose words say nothing are told apart by their signs, where they are long enough."""
    kinds = ["[ { ( ) } ] < > [", "( ( [ ] ) ) { < >", "< [ ( { } ) ] > (", "{ } { [ < > ] ( )"]
    prompts = [f"Complete the rest of the sequence. Input: {a} {b} {a}" for a in kinds for b in kinds]
    items = items_of(prompts)
    assert found(items, prompts[6]) == ["6"]
    assert found(items, "Complete the rest of the sequence. Input: ( ) { } < > [ ] ( < > ) { [ ] }") == []


def test_writing_without_blanks_is_read_by_character() -> None:
    """Chinese, Japanese and Thai items are found in longer texts."""
    for asked in (
        "灯台守は桟橋が崩れた夜に何を聞きましたか教えてください",
        "码头倒塌的那天晚上灯塔看守人听到了什么声音",
        "คนเฝ้าประภาคารได้ยินเสียงอะไรในคืนนั้น",
    ):
        assert found(items_of([asked]), f"『{asked}』 OK") == ["0"]


def test_matches_say_where_they_stand() -> None:
    """The bytes from the first to the last word that a text shares with an item."""
    index, _ = build_index(items_of([LONG]), DecontaminationOptions())
    text = f"Größe: {LONG} Ende"
    [match] = find_items(pl.Series(["", text, OTHER]), index)
    assert (match.text, match.share) == (1, 1.0)
    assert text.encode()[match.begin : match.end].decode() == LONG.removesuffix("?")


def test_the_longest_common_subsequence_is_that_of_the_textbook() -> None:
    """Bit by bit gives the same number as the table of dynamic programming."""
    for seed in range(40):
        item, text = (sentence(seed, 12) * 2).split(), (sentence(seed + 1, 9) + sentence(seed, 5)).split()
        table = [[0] * (len(text) + 1) for _ in range(len(item) + 1)]
        for row, one in enumerate(item):
            for column, other in enumerate(text):
                longest = max(table[row][column + 1], table[row + 1][column])
                table[row + 1][column + 1] = table[row][column] + 1 if one == other else longest
        assert words_in_order(item, text) == table[-1][-1]


def test_a_hash_alone_finds_nothing() -> None:
    """Where the hashes of a text agree with an item's but its words do not, the item is not found."""
    index, _ = build_index(items_of([LONG, "Which bird sleeps on the mill of Ostrel?"]), DecontaminationOptions())
    texts = pl.Series([LONG, "which bird sleeps on the mill of ostrel"])
    assert len(find_items(texts, index)) == 2
    [layer] = index.layers
    others = layer.items.with_columns(text=pl.col("text").str.replace_all(r"\w+", "zz"))
    assert find_items(texts, replace(index, layers=(replace(layer, items=others),))) == []


def test_gsm8k_s_train_split_holds_three_questions_like_those_of_its_test_split(shared: Path) -> None:
    """Of 7,473 train questions three have the story and words of a test question with other numbers; each test one is found."""
    folder = shared / "hub/datasets/openai/gsm8k/main"
    test, train = (pl.read_parquet(folder / f"{split}-00000-of-00001.parquet")["question"] for split in ("test", "train"))
    index, left_out = build_index(items_of(test.to_list()), DecontaminationOptions())
    assert left_out == {}
    assert {match.text for match in find_items(test, index) if match.item == str(match.text)} == set(range(len(test)))
    assert [(match.text, match.item) for match in find_items(train, index)] == [(20, "632"), (1314, "602"), (5162, "602")]
