"""Language identification by either detector."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import langdetect
import polars as pl
import pytest

from data_mix.errors import ConfigError
from data_mix.language import LANGUAGES
from data_mix.language.detect import LONGEST, PROOF, DetectorName, count_letters, load_detector, proven
from sentences import SENTENCES, SERBIAN

NAMES: tuple[DetectorName, ...] = get_args(DetectorName)
FLORES = {
    "bul": "bg", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de", "eng": "en", "fra": "fr", "hrv": "hr", "hun": "hu",
    "ita": "it", "jpn": "ja", "kor": "ko", "nld": "nl", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slv": "sl",
    "spa": "es", "srp": "sr", "swe": "sv", "tha": "th", "ukr": "uk", "zho_Hans": "zh", "zho_Hant": "zh-TW",
}  # fmt: skip

ALONE = """
import json, sys
{prepare}
import polars as pl
from data_mix.language.detect import load_detector
from data_mix.language import LANGUAGES
detector = load_detector("langdetect", LANGUAGES)
answers = {{text: detector.detect(pl.Series([text]), 1)[0] for text in json.load(sys.stdin)}}
print(json.dumps(answers, sort_keys=True))
"""


def detected(name: DetectorName, texts: Sequence[str | None], min_letters: int = 20) -> list[str | None]:
    """The tags that a detector held to all languages gives."""
    return load_detector(name, LANGUAGES).detect(pl.Series(texts, dtype=pl.String), min_letters).to_list()


def flores(shared: Path, step: int) -> dict[str, list[str]]:
    """Every `step`-th line by its tag."""
    folder = shared / "langid" / "flores200"
    files = {tag: next(folder.glob(f"{name}*.devtest")) for name, tag in FLORES.items()}
    return {tag: file.read_text("utf-8").splitlines()[::step] for tag, file in files.items()}


def said_alone(texts: list[str], prepare: str = "") -> str:
    """What langdetect answers in a process of its own that is given the texts one call after the other."""
    command = [sys.executable, "-c", ALONE.format(prepare=prepare)]
    return subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_language_of_the_mix_is_told(name: DetectorName) -> None:
    """A plain sentence gets its own tag, but for what the detector does not know."""
    unknown: dict[str, str | None] = {"zh-TW": "zh"} if name == "py3langid" else {"sr": None}
    assert detected(name, list(SENTENCES.values())) == [unknown.get(tag, tag) for tag in SENTENCES]


@pytest.mark.parametrize("name", NAMES)
def test_real_sentences_are_told(name: DetectorName, shared: Path) -> None:
    """On every tenth FLORES line at least 99.9 % (py3langid) or 99 % (langdetect, without Serbian) get the right language."""
    lines = {tag: texts for tag, texts in flores(shared, 10).items() if load_detector(name, LANGUAGES).knows(tag)}
    found = {tag: Counter(str(guess).split("-")[0] for guess in detected(name, texts)) for tag, texts in lines.items()}
    right = sum(counts[tag.split("-")[0]] for tag, counts in found.items())
    assert right / sum(map(len, lines.values())) >= {"py3langid": 0.999, "langdetect": 0.99}[name]


def test_langdetect_tells_the_scripts_of_chinese(shared: Path) -> None:
    """Traditional Chinese is zh-TW to langdetect, and not Korean, on at least 95 % of every tenth FLORES line."""
    found = Counter(detected("langdetect", flores(shared, 10)["zh-TW"]))
    assert found["zh-TW"] >= 0.95 * found.total()
    assert "ko" not in found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", [None, "", " \n", "1 2 3 4 5", "🙂🙂🙂🙂🙂", "→ … — ✓ ✗", "\x00\x01", "a1b2c3"], ids=ascii)
def test_a_text_with_few_letters_has_no_tag(name: DetectorName, text: str | None) -> None:
    """Nothing, blanks, digits, signs and control characters are in no language."""
    assert detected(name, [text, SENTENCES["de"]], min_letters=5) == [None, "de"]


@pytest.mark.parametrize("name", NAMES)
def test_the_fewest_letters_are_the_callers_choice(name: DetectorName) -> None:
    """One letter fewer than the limit gives no tag, the limit itself gives one."""
    text = "Das ist ein kurzer Satz über das Wetter"
    letters = sum(map(str.isalpha, text))
    assert detected(name, [text], letters + 1) == [None]
    assert detected(name, [text], letters) == ["de"]


@pytest.mark.parametrize(
    ("text", "letters"), [("abc 1", 3), ("天気", 6), ("カナ", 6), ("한국", 6), ("ไทย", 9), ("é ß Ж", 3), ("", 0)]
)
def test_a_letter_of_a_dense_script_is_three(text: str, letters: int) -> None:
    """Letters are counted, those of Chinese, Japanese, Korean and Thai three times, for they say as much."""
    assert pl.select(count_letters(pl.lit(text))).item() == letters


@pytest.mark.parametrize("name", NAMES)
def test_the_beginning_of_a_text_decides(name: DetectorName) -> None:
    """What comes after the first two thousand characters changes nothing, however long it is."""
    german = (SENTENCES["de"] + " ") * 40
    assert len(german) > LONGEST
    assert detected(name, [german + SENTENCES["ru"] * 10_000]) == ["de"]


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_does_not_depend_on_what_stands_beside_it(name: DetectorName) -> None:
    """Texts that are hard to tell get the same tags backwards, alone, and when asked again."""
    texts = [*PROOF, *SENTENCES.values(), "Nej det er det ikke", "ok ok ok ok ok", SERBIAN["latin"]]
    once = detected(name, texts, 1)
    assert detected(name, texts[::-1], 1)[::-1] == once
    assert [detected(name, [text], 1)[0] for text in texts] == once


def test_an_answer_does_not_depend_on_the_process() -> None:
    """A process of its own, asked one text at a time and backwards, gives the answers of this one."""
    texts = [text[:15] for text in SENTENCES.values()]
    here = dict(zip(texts, detected("langdetect", texts, 1), strict=True))
    assert json.loads(said_alone(texts[::-1])) == here


def test_without_the_twin_the_answers_are_the_same() -> None:
    """Python's langdetect gives the same answers where langdetect-rs is not installed."""
    texts = [*SENTENCES.values(), *(text[:12] for text in SENTENCES.values())]
    assert said_alone(texts, "sys.modules['langdetect_rs'] = None") == said_alone(texts)


def test_the_twin_agrees_on_real_sentences(shared: Path) -> None:
    """On every hundredth FLORES line, whole and cut to a few letters, langdetect answers the same with its twin and without."""
    lines = [line for texts in flores(shared, 100).values() for line in texts]
    texts = [*lines, *(line[:10] for line in lines)]
    assert said_alone(texts, "sys.modules['langdetect_rs'] = None") == said_alone(texts)


def test_the_random_numbers_of_others_are_left_alone() -> None:
    """Neither is langdetect's own seed set for the whole process, nor does setting it change an answer here."""
    texts = list(SENTENCES.values())
    assert langdetect.DetectorFactory.seed is None
    assert said_alone(texts, "import langdetect; langdetect.DetectorFactory.seed = 7") == said_alone(texts)


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_is_held_to_the_languages_in_question(name: DetectorName) -> None:
    """Whatever the text, the answer is one of the languages given."""
    detector = load_detector(name, ("de", "fr"))
    assert detector.languages == {"de", "fr"}
    assert set(detector.detect(pl.Series(list(SENTENCES.values())), 1)) <= {"de", "fr", None}


def test_a_script_that_nobody_asked_for_is_left_away() -> None:
    """Where zh-TW is not in question, traditional Chinese is zh to either detector."""
    for name in NAMES:
        assert load_detector(name, ("en", "zh")).detect(pl.Series([SENTENCES["zh-TW"]]), 1).to_list() == ["zh"]


def test_korean_and_one_other_can_be_told_apart() -> None:
    """Two languages are enough for langdetect, also where one of them is Korean."""
    detector = load_detector("langdetect", ("en", "ko"))
    assert detector.detect(pl.Series([SENTENCES["en"], SENTENCES["ko"]]), 1).to_list() == ["en", "ko"]


def test_a_detector_says_what_it_knows() -> None:
    """Serbian is known to py3langid and not to langdetect; a region is no matter."""
    by_name = {name: load_detector(name, LANGUAGES) for name in NAMES}
    assert [by_name[name].knows("sr") for name in ("py3langid", "langdetect")] == [True, False]
    assert all(by_name[name].knows(tag) for name in NAMES for tag in ("pt-BR", "zh-TW", "en"))
    assert not any(by_name[name].knows("fi") for name in NAMES)


@pytest.mark.parametrize(
    ("name", "languages"), [("py3langid", ("en",)), ("py3langid", ("zh", "zh-TW")), ("langdetect", ("en", "sr"))]
)
def test_fewer_than_two_languages_are_refused(name: DetectorName, languages: tuple[str, ...]) -> None:
    """A detector that knows fewer than two of the languages has nothing to tell apart, which one line says."""
    with pytest.raises(ConfigError, match=f"^{name} knows {languages[0]} of the languages .*; it needs two or more"):
        load_detector(name, languages)


def test_a_fast_way_that_errs_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    """A fast path with one wrong answer on the proof gives way to the plain one, with a warning that names it."""
    plain = [*["en"] * len(PROOF)]
    wrong = [*plain[:-1], "de"]
    chosen = proven(lambda _: list(wrong), lambda _: list(plain), "the twin")
    assert chosen(PROOF) == plain
    assert [(record.levelno, record.message.split()[:2]) for record in caplog.records] == [(logging.WARNING, ["the", "twin"])]


def test_the_proof_has_something_to_prove() -> None:
    """The proof holds many languages, scripts, an address and a text that is hardly one, and stays small."""
    found = set(detected("py3langid", PROOF, 1))
    assert len(found) >= 12
    assert sum(map(len, PROOF)) < LONGEST


@pytest.mark.parametrize("name", NAMES)
def test_a_language_has_a_probability(name: DetectorName) -> None:
    """A plain sentence is almost surely in its own language, and hardly in another; all languages together are certain."""
    detector = load_detector(name, LANGUAGES)
    text = SENTENCES["de"] * 2
    assert detector.probability(text, {"de"}) > 0.9
    assert detector.probability(text, {"fr", "ja"}) < 0.1
    assert detector.probability(text, {tag.split("-")[0] for tag in LANGUAGES}) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_without_letters_is_in_no_language_for_sure(name: DetectorName) -> None:
    """Nothing and digits give none of the languages a high probability."""
    assert all(load_detector(name, LANGUAGES).probability(text, {"de"}) < 0.2 for text in ("", "42 1 2"))
