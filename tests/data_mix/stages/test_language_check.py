"""The stage `language_check`: declared tags that the text contradicts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from conversation_frames import Turns, conversations, drops, talk
from data_mix.language import LANGUAGES, base
from data_mix.stage import run_stages, stages
from data_mix.stages.language import LanguageOptions
from data_mix.stages.language_check import STAGE, LanguageCheckOptions
from sentences import SENTENCES, SERBIAN

DETECTORS = ["py3langid", "langdetect"]
GERMAN = "am abend setzten wir uns in den garten und hörten dem regen auf dem dach zu. "
ENGLISH = "in the evening we sat in the garden and listened to the rain on the roof. "
MISMATCH = "language_mismatch"


def checked(declared: list[str | None], *rows: Turns | None, **options: object) -> pl.DataFrame:
    """The frame after the stage, which drops unless another action is asked for."""
    return STAGE.apply(conversations(*rows, lang=declared), LanguageCheckOptions.model_validate({"action": "drop"} | options))


def verdict(declared: str, answer: str, **options: object) -> tuple[str | None, str | None]:
    """What was identified in one answer, and why the row is dropped."""
    found = checked([declared], talk("?", answer), **options)
    return found["identified"].item(), found["drop"].item()


def test_off_is_the_default_and_changes_nothing() -> None:
    """Unless it is asked for, nothing is verified."""
    frame = conversations(talk("?", SENTENCES["de"]), lang="fr")
    assert STAGE.apply(frame, LanguageCheckOptions()).equals(frame)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_right_tag_is_confirmed(detector: str) -> None:
    """A sentence in each language that the detector knows, declared as such, is found to be so, and kept."""
    tags = [tag for tag in LANGUAGES if tag != "sr" or detector == "py3langid"]
    found = checked(list(tags), *(talk("?", SENTENCES[tag]) for tag in tags), detector=detector)
    assert [base(tag) for tag in found["identified"]] == [base(tag) for tag in tags]
    assert drops(found) == [None] * len(tags)
    assert found["findings"].null_count() == len(tags)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("text", ["en", "fr", "uk", "ja", "ko", "th", "zh"])
def test_a_wrong_tag_is_a_drop(detector: str, text: str) -> None:
    """A text in another language than declared is dropped, and counted."""
    found = checked(["de"], talk("?", f"{SENTENCES[text]} " * 2), detector=detector)
    assert (found["identified"].to_list(), drops(found)) == ([text], [MISMATCH])
    assert found["findings"].to_list() == [[MISMATCH]]


def test_keep_counts_only() -> None:
    """With `keep` a wrong tag is a finding beside those of others, and the row stays as it is."""
    frame = conversations(talk("?", GERMAN), lang="fr", findings=[["email"]])
    found = STAGE.apply(frame, LanguageCheckOptions(action="keep"))
    assert found["findings"].to_list() == [["email", MISMATCH]]
    assert found.drop("findings", "identified").equals(frame.drop("findings", "identified"))


def test_relabel_declares_what_was_found() -> None:
    """With `relabel` a wrong tag becomes that of the text, and a right or unjudged one stays as it was spelled."""
    rows = [talk("?", GERMAN), talk("?", SENTENCES["pt"]), talk("?", "ok")]
    found = checked(["fr", "pt-BR", "EN"], *rows, action="relabel")
    assert found["lang"].to_list() == ["de", "pt-BR", "EN"]
    assert found["identified"].to_list() == ["de", "pt", None]
    assert drops(found) == [None] * 3


def test_a_mended_tag_decides_what_is_kept() -> None:
    """The stage runs before `language`, so that a relabelled row is kept or dropped by its new tag."""
    frame = conversations(talk("?", GERMAN), talk("?", ENGLISH), lang=["en", "de"])
    options = {"language_check": LanguageCheckOptions(action="relabel"), "language": LanguageOptions(keep=["de"])}
    found = run_stages(frame, options)
    assert (found["lang"].to_list(), drops(found)) == (["de", "en"], [None, "wrong_language"])


@pytest.mark.parametrize("declared", [None, "und", "", "German"])
def test_a_guess_is_not_verified(declared: str | None) -> None:
    """Where no tag came with the row nothing is verified, though a later stage guesses one."""
    frame = conversations(talk("?", GERMAN), lang=declared)
    found = run_stages(frame, {"language_check": LanguageCheckOptions(action="drop")})
    assert (found["lang"].to_list(), found["identified"].to_list(), drops(found)) == (["de"], [None], [None])
    assert [stage.name for stage in stages()].index("language_check") < [stage.name for stage in stages()].index("language")


@pytest.mark.parametrize(
    ("declared", "text"),
    [("sr", "hr"), ("hr", "sr"), ("bs", "hr"), ("da", "da"), ("ca", "es"), ("es", "ca"), ("zh-TW", "zh"), ("zh-CN", "zh-TW"),
     ("zh-Hant", "zh"), ("pt-BR", "pt"), ("uk-UA", "uk")],
)  # fmt: skip
@pytest.mark.parametrize("detector", DETECTORS)
def test_languages_that_are_easily_confused_agree(detector: str, declared: str, text: str) -> None:
    """Neighbours, regions and scripts are no contradiction."""
    assert verdict(declared, SENTENCES[text], detector=detector)[1] is None


@pytest.mark.parametrize("declared", ["fi", "vi", "nb-NO", "tlh"])
def test_a_tag_that_the_detector_does_not_know_is_not_judged(declared: str) -> None:
    """What is declared to be in a language that is no candidate is left alone, whatever it is taken for."""
    assert verdict(declared, GERMAN) == (None, None)


@pytest.mark.parametrize("script", SERBIAN)
def test_serbian_is_not_judged_by_langdetect(script: str) -> None:
    """Serbian is unknown to langdetect, which cannot contradict the tag."""
    assert verdict("sr", SERBIAN[script], detector="langdetect") == (None, None)


def test_the_fewest_letters_are_an_option() -> None:
    """A text of as many letters is judged, with one more wanted it is not; that goes for its prose too."""
    text = "das ist ein kurzer satz über das wetter"
    letters = sum(map(str.isalpha, text))
    assert verdict("ja", text, min_letters=letters) == ("de", MISMATCH)
    assert verdict("ja", text, min_letters=letters + 1) == (None, None)
    assert verdict("ja", f"{text}, Peter, Paul, Maria", min_letters=letters + 1) == (None, None)


def test_the_least_confidence_is_an_option() -> None:
    """A guess below the wanted probability says nothing; at 0 every guess counts."""
    text = "laurië lantar lassi súrinen yéni únótimë ve rámar aldaron nótimë ve fírië alcarin"  # in no language in question
    assert verdict("en", text) == (None, None)
    assert verdict("en", text, min_confidence=0.0)[1] == MISMATCH


def test_candidates_are_an_option() -> None:
    """A language in question that is none by default is judged."""
    finnish = "illalla istuimme puutarhassa ja kuuntelimme sadetta katolla. "
    assert verdict("fi", GERMAN, candidates="fi,de,en") == ("de", MISMATCH)
    assert verdict("fi", finnish, candidates="fi,de,en") == ("fi", None)


WEAK = {
    "names": "Pasta: Casarecce, Gnocchi, Tonnarelli, Orecchiette\nBread: Focaccia, Grissini, Ciabatta, Piadina, Parmigiana",
    "list": "- Barolo\n- La Morra\n- Cherasco\n- Verduno\n- Grinzane Cavour\n- Serralunga d'Alba\n- Castiglione Falletto",
    "people": "Antoine Dupont, Damian Penaud, Vincent Clerc, Fabien Pelous, Thierry Dusautoir, Serge Betsen, Cyril Baille",
    "code": "```python\ndef saluda(nombre):\n    # esto es un comentario que nadie lee\n    return hola(nombre)\n```",
    "open code": "```\nesto es un comentario que nadie lee en la casa\n",
    "inline code": "`esto es un comentario que nadie lee en la casa`",
    "shell": "~# mkdir test\n~# cd test\n~/test# touch myfile.txt\n~/test# cat myfile.txt\n~/test#",
    "maths": "$x^2 + y^2 = z^2$, 48/2 = <<48/2=24>>24, \\frac{a}{b} = \\sqrt{c}, sin(x) = cos(y)\n#### 24",
    "address": "https://example.org/una-pagina-que-esta-en-la-casa a@example.org",
    "tags": '<una casa que esta en la calle de la ciudad grande> <div class="b">',
    "letters": "α β γ δ ε ζ η θ ι κ λ μ ν ξ ο π ρ σ τ υ φ χ ψ ω",
    "capitals": "BARCELONA MADRID SEVILLA TOLEDO CADIZ CORDOBA SEGOVIA GRANADA MURCIA",
}


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("text", WEAK.values(), ids=WEAK)
@pytest.mark.parametrize("declared", ["en", "ja"])
def test_what_is_no_prose_contradicts_nothing(detector: str, text: str, declared: str) -> None:
    """Names, lists, code, formulas and addresses are found in no other language than declared."""
    identified, drop = verdict(declared, text, detector=detector)
    assert (identified in {None, declared}, drop) == (True, None)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_text_in_two_languages_is_in_either(detector: str) -> None:
    """A text that is mostly German is not wrong as German nor, for its one English sentence, as English; as Japanese it is."""
    text = f"{GERMAN * 3}\n{ENGLISH}"
    assert [verdict(tag, text, detector=detector)[1] for tag in ("de", "en")] == [None, None]
    assert verdict("ja", text)[1] == MISMATCH


def test_the_answer_is_judged_and_not_the_question() -> None:
    """A translation's language is that of its answer, whatever language its question is in."""
    found = checked(["ja", "en"], *[talk(GERMAN, f"{SENTENCES['ja']} " * 2)] * 2)
    assert drops(found) == [None, MISMATCH]


def test_a_short_last_answer_borrows_from_those_before() -> None:
    """Where the last answer is too short to tell, all answers together are read."""
    assert drops(checked(["ja"], talk("?", GERMAN, "?", "ja."))) == [MISMATCH]


def test_dropped_rows_are_left_alone() -> None:
    """A row that is dropped already is not verified."""
    frame = conversations(talk("?", GERMAN), lang="fr", drop="earlier")
    assert STAGE.apply(frame, LanguageCheckOptions(action="drop")).equals(frame)


@pytest.mark.parametrize("row", [None, [], [("user", GERMAN)], [("assistant", None)], talk("?", ""), talk("?", "42 + 1")])
def test_rows_without_a_text_are_not_judged(row: Turns | None) -> None:
    """No messages, no answer and no letters are no contradiction."""
    found = checked(["fr", "de"], row, talk("?", GERMAN))
    assert (found["identified"].to_list(), drops(found)) == ([None, "de"], [None, None])


def test_a_row_is_judged_alone() -> None:
    """The rows beside it, and their order, change nothing of a row."""
    rows = [talk("?", text) for text in [*SENTENCES.values(), *WEAK.values(), GERMAN]]
    tags: list[str | None] = ["de"] * len(rows)
    together = checked(tags, *rows)["identified"].to_list()
    assert checked(tags, *rows[::-1])["identified"].to_list()[::-1] == together
    assert [checked(["de"], row)["identified"].item() for row in rows] == together


@pytest.mark.parametrize("detector", DETECTORS)
def test_no_real_sentence_is_dropped_under_its_own_tag(detector: str, shared: Path) -> None:
    """Of every tenth FLORES line, whole and cut to five words, none is dropped under its own tag."""
    names = {"deu": "de", "dan": "da", "ukr": "uk", "rus": "ru", "hrv": "hr", "cat": "ca", "ita": "it", "zho_Hant": "zh-TW"}
    folder = shared / "langid" / "flores200"
    lines = [
        (tag, line)
        for name, tag in names.items()
        for line in next(folder.glob(f"{name}*")).read_text("utf8").splitlines()[::10]
    ]
    lines += [(tag, " ".join(line.split()[:5])) for tag, line in lines]
    found = checked([tag for tag, _ in lines], *(talk("?", line) for _, line in lines), detector=detector)
    assert found["drop"].null_count() == len(lines)


@pytest.mark.parametrize(
    "options",
    [{"action": "fix"}, {"detector": "none"}, {"candidates": []}, {"candidates": "english"}, {"min_letters": 0},
     {"min_confidence": 1.1}, {"min_confidence": -0.1}, {"confidence": 0.5}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    """An unknown action, detector or option, no candidates and limits beyond what can be are errors of the options."""
    with pytest.raises(ValidationError):
        LanguageCheckOptions.model_validate(options)


def test_every_option_says_what_it_does() -> None:
    """Each option has a type, a default and a description."""
    fields = LanguageCheckOptions.model_fields.values()
    assert all(field.description and field.annotation and not field.is_required() for field in fields)


def test_an_empty_frame_passes() -> None:
    """No rows in, no rows out."""
    assert checked([]).is_empty()
