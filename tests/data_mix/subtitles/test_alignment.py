"""Two transcripts of a talk become pairs of whole sentences, and what cannot be told to match is dropped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from data_mix.subtitles.alignment import Block, align
from data_mix.subtitles.transcript import Transcript
from subtitles import Cuts, Found, found_again

EN = ("Bees are old.", "They came first.", "We came late.", "Thank you.")
DE = ("Bienen sind alt.", "Sie kamen zuerst.", "Wir kamen spät.", "Vielen Dank.")
TIMES = (1000, 4000, 7000, 10_000)

TALES = [
    ("The old lighthouse was painted red again in spring.", "Der alte Leuchtturm wurde im Frühling wieder rot gestrichen."),
    ("Nobody had climbed its stairs for twenty years.", "Seit zwanzig Jahren war niemand seine Treppe hinaufgestiegen."),
    ("My sister took a lamp and a bag of apples with her.", "Meine Schwester nahm eine Lampe und eine Tüte Äpfel mit."),
    ("We counted two hundred and seven steps on the way up.", "Auf dem Weg nach oben zählten wir zweihundertsieben Stufen."),
    ("From the top, one could see three islands and the ferry.", "Von oben konnte man drei Inseln und die Fähre sehen."),
    (
        "The wind was so strong that we had to shout at each other.",
        "Der Wind war so stark, dass wir einander anschreien mussten.",
    ),
    ("Then the keeper showed us the log book of his grandfather.", "Dann zeigte uns der Wärter das Logbuch seines Großvaters."),
    ("It began with a storm in the winter of eighteen ninety.", "Es begann mit einem Sturm im Winter achtzehnhundertneunzig."),
    (
        "Every ship that passed had its own line in blue ink.",
        "Jedes Schiff, das vorbeifuhr, hatte seine Zeile in blauer Tinte.",
    ),
    ("Some of the lines were only a name and a question mark.", "Manche der Zeilen waren nur ein Name und ein Fragezeichen."),
    ("I have kept a book like that ever since we came down.", "Seit wir wieder unten sind, führe ich selbst ein solches Buch."),
    (
        "You would not believe how much passes by in a single day.",
        "Sie würden nicht glauben, wie viel an einem Tag vorbeikommt.",
    ),
]
"""Sentences of our own, long enough to be cut into several subtitles."""


def transcript(language: str, *subtitles: tuple[int, str]) -> Transcript:
    """Make a transcript of (time, text)."""
    return Transcript(
        language=language, starts=tuple(time for time, _ in subtitles), texts=tuple(text for _, text in subtitles)
    )


def timed(language: str, texts: tuple[str, ...], times: tuple[int, ...] = TIMES) -> Transcript:
    """Make a transcript of texts at given times."""
    return transcript(language, *zip(times, texts, strict=True))


def kept(*blocks: Block) -> list[tuple[str, str]]:
    """The texts of the blocks that are kept."""
    return [(block.a, block.b) for block in blocks if block.drop is None]


def drops(*blocks: Block) -> list[str]:
    """Why blocks are dropped, in order."""
    return [block.drop for block in blocks if block.drop]


PAIRS = list(zip(EN, DE, strict=True))


def test_sentences_at_the_same_times_are_pairs() -> None:
    """Subtitles that are sentences, at the same times on both sides, are paired one by one."""
    assert kept(*align(timed("en", EN), timed("de", DE))) == PAIRS


def test_sentences_that_are_cut_differently_are_joined_whole() -> None:
    """A sentence cut over several subtitles on either side, at any place, comes out whole."""
    en = transcript("en", (0, "And that day,"), (1400, "everything changed."), (3000, "We left."))
    ja = transcript("ja", (0, "そしてその日、"), (900, "全てが"), (2200, "変わりました。"), (3000, "私たちは去りました。"))
    assert kept(*align(en, ja)) == [
        ("And that day, everything changed.", "そしてその日、全てが変わりました。"),
        ("We left.", "私たちは去りました。"),
    ]


@pytest.mark.parametrize("shift", [-45_000, -1500, 400, 11_820, 59_000])
def test_a_shift_of_the_whole_transcript_is_found(shift: int) -> None:
    """One transcript may be late or early by up to a minute."""
    late = tuple(time + shift for time in (1000, 3900, 7300, 10_100))
    assert kept(*align(timed("en", EN, (1000, 3900, 7300, 10_100)), timed("de", DE, late))) == PAIRS


def test_small_differences_of_time_are_borne() -> None:
    """Subtitles that come some tenths of a second early or late still match."""
    assert kept(*align(timed("en", EN), timed("de", DE, (1150, 3800, 7250, 9900)))) == PAIRS


def test_two_subtitles_made_one_are_one_pair() -> None:
    """Where one side shows two sentences in one subtitle, both are one pair."""
    de = transcript("de", (1000, DE[0]), (4000, f"{DE[1]} {DE[2]}"), (10_000, DE[3]))
    assert kept(*align(timed("en", EN), de)) == [PAIRS[0], (f"{EN[1]} {EN[2]}", f"{DE[1]} {DE[2]}"), PAIRS[3]]


def test_a_sentence_that_ends_inside_a_subtitle_is_kept_with_the_next() -> None:
    """No text is cut where no subtitle ends."""
    de = transcript("de", (1000, DE[0]), (4000, "Sie kamen"), (5500, "zuerst. Wir kamen"), (8000, "spät."), (10_000, DE[3]))
    assert kept(*align(timed("en", EN), de))[1] == (f"{EN[1]} {EN[2]}", f"{DE[1]} {DE[2]}")


def test_a_missing_subtitle_drops_what_stands_there() -> None:
    """A sentence that one side lacks takes the sentence before it along, and nothing else."""
    de = transcript("de", (1000, DE[0]), (4000, DE[1]), (10_000, DE[3]))
    blocks = align(timed("en", EN), de)
    assert (kept(*blocks), drops(*blocks)) == ([PAIRS[0], PAIRS[3]], ["unaligned"])


def test_an_empty_subtitle_is_not_translated() -> None:
    """A subtitle that was left empty drops its sentence alone."""
    blocks = align(timed("en", EN), timed("de", (DE[0], "", DE[2], DE[3])))
    assert (kept(*blocks), drops(*blocks)) == ([PAIRS[0], *PAIRS[2:]], ["untranslated"])


def test_a_transcript_that_breaks_off_gives_what_it_has() -> None:
    """The last sentence before a transcript stops is paired with its own, not with all that follows."""
    blocks = align(timed("en", EN), timed("de", DE[:2], TIMES[:2]))
    assert (kept(*blocks), drops(*blocks)) == (PAIRS[:2], ["untranslated"])
    assert blocks[-1].a == f"{EN[2]} {EN[3]}"


def test_a_transcript_that_breaks_off_inside_a_sentence_loses_it() -> None:
    """Half a sentence is no translation."""
    blocks = align(timed("en", EN), timed("de", (DE[0], "Sie kamen"), TIMES[:2]))
    assert (kept(*blocks), drops(*blocks)) == (PAIRS[:1], ["unaligned"])


def test_a_transcript_that_begins_late_gives_what_it_has() -> None:
    """What one side lacks at the beginning is not translated."""
    blocks = align(timed("en", EN), timed("de", DE[1:], TIMES[1:]))
    assert (kept(*blocks), drops(*blocks)) == (PAIRS[1:], ["untranslated"])


def test_texts_of_very_different_length_are_no_pair() -> None:
    """A translation of a fraction of the length is dropped."""
    long = "It taught me to listen, and to forgive, because every note of it was no more than a suggestion."
    blocks = align(timed("en", (EN[0], long, *EN[2:])), timed("de", (DE[0], "Es.", *DE[2:])))
    assert (kept(*blocks), drops(*blocks)) == ([PAIRS[0], *PAIRS[2:]], ["length_ratio"])


def test_times_that_agree_nowhere_drop_the_talk() -> None:
    """A talk whose transcripts are not of one recording is one dropped block."""
    blocks = align(timed("en", EN), timed("de", DE, (0, 900, 30_000, 90_500)))
    assert blocks == [Block(" ".join(EN), " ".join(DE), "times_disagree")]


def test_a_transcript_without_full_stops_ends_its_sentences_with_the_other() -> None:
    """Where one side leaves full stops away, the other's say where sentences end."""
    zh = transcript("zh", (0, "那一天"), (1400, "一切都变了"), (3000, "我们离开了"), (5000, "再见"))
    en = transcript("en", (0, "And that day,"), (1400, "everything changed."), (3000, "We left."), (5000, "Goodbye."))
    assert kept(*align(en, zh)) == [
        ("And that day, everything changed.", "那一天一切都变了"),
        ("We left.", "我们离开了"),
        ("Goodbye.", "再见"),
    ]


def test_a_third_transcript_tells_where_sentences_end() -> None:
    """Where neither side has full stops, those of the reference are taken, shifted as it may be."""
    zh = transcript("zh", (0, "那一天"), (1400, "一切都变了"), (3000, "我们离开了"))
    ja = transcript("ja", (0, "あの日"), (1400, "全てが変わりました"), (3000, "私たちは去りました"))
    en = transcript("en", (2000, "And that day,"), (3400, "everything changed."), (5000, "We left."))
    assert kept(*align(zh, ja, en)) == [("那一天一切都变了", "あの日全てが変わりました"), ("我们离开了", "私たちは去りました")]
    assert drops(*align(zh, ja)) == ["no_sentence_ends"]


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_transcript_is_no_translation(empty: int) -> None:
    """A talk without subtitles in one language is one dropped block."""
    sides = [timed("en", EN), timed("de", DE)]
    sides[empty] = transcript("en")
    assert drops(*align(*sides)) == ["untranslated"]


def test_all_of_both_texts_is_in_the_blocks() -> None:
    """Nothing is lost between the blocks, kept or dropped, whatever the subtitles are."""
    rng = random.Random(5)
    for _ in range(200):
        sides = [
            timed(language, texts, tuple(sorted(rng.sample(range(20_000), 4)))) for language, texts in (("en", EN), ("de", DE))
        ]
        blocks = align(*sides)
        assert " ".join(block.a for block in blocks if block.a) == " ".join(EN)
        assert " ".join(block.b for block in blocks if block.b) == " ".join(DE)


def test_the_order_of_the_two_does_not_matter() -> None:
    """Aligning b with a gives the same pairs as a with b."""
    en, de = timed("en", EN), transcript("de", (1000, DE[0]), (4100, f"{DE[1]} {DE[2]}"), (10_000, DE[3]))
    assert kept(*align(de, en)) == [(b, a) for a, b in kept(*align(en, de))]


def total(found: list[Found]) -> tuple[float, list[tuple[str, str]]]:
    """The share of sentences that are recovered, and the wrong pairs."""
    share = sum(talk.recovered for talk in found) / sum(talk.sentences for talk in found)
    return share, [pair for talk in found for pair in talk.wrong]


HARD = {
    "cut": Cuts(most=4),
    "shifted": Cuts(most=3, shift=30_000, jitter=250),
    "merged": Cuts(most=3, merge=0.15),
    "all": Cuts(most=3, merge=0.1, shift=15_000, jitter=200),
}


@pytest.mark.parametrize("name", HARD)
def test_cut_shifted_and_merged_talks_are_recovered(name: str) -> None:
    """Of talks cut, shifted, jittered and merged at random, 95 % of the sentences are found again, in no wrong pair."""
    rng = random.Random(1)
    found = [found_again(rng, rng.sample(TALES, len(TALES)), ("en", "de"), HARD[name]) for _ in range(60)]
    share, wrong = total(found)
    assert share >= 0.95
    assert wrong == []


@pytest.mark.parametrize("cuts", [Cuts(most=3, missing=0.15), Cuts(most=2, shift=5000, stops=True)], ids=["holes", "stops"])
def test_what_is_missing_makes_no_wrong_pair(cuts: Cuts) -> None:
    """Sentences that one side lacks, in the middle or at the end, cost recall and never a wrong pair."""
    rng = random.Random(2)
    share, wrong = total([found_again(rng, rng.sample(TALES, len(TALES)), ("en", "de"), cuts) for _ in range(60)])
    assert wrong == []
    assert share >= 0.5


@pytest.mark.parametrize(("a", "b"), [("eng_Latn", "jpn_Jpan"), ("zho_Hans", "jpn_Jpan"), ("deu_Latn", "kor_Hang")])
@pytest.mark.parametrize("name", HARD)
def test_real_sentences_are_recovered(shared: Path, a: str, b: str, name: str) -> None:
    """FLORES lines cut, shifted and merged at random are recovered to 95 %, in no wrong pair."""
    codes = {"eng_Latn": "en", "jpn_Jpan": "ja", "zho_Hans": "zh", "deu_Latn": "de", "kor_Hang": "ko"}
    texts = [(shared / f"langid/flores200/{file}.devtest").read_text(encoding="utf8").splitlines() for file in (a, b)]
    lines = [(x.strip(), y.strip()) for x, y in zip(*texts, strict=True)]
    rng = random.Random(3)
    share, wrong = total([found_again(rng, lines[at : at + 20], (codes[a], codes[b]), HARD[name]) for at in range(0, 1000, 20)])
    assert share >= 0.95
    assert wrong == []
