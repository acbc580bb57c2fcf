"""Language tags: form, spelling, matching."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import ConfigError
from data_mix.language import CONFUSABLE, LANGUAGES, base, confusable, is_tag, matches, normalise_tag, parse_languages

MIX = "bg,ca,cs,da,de,en,es,fr,hr,hu,it,nl,pl,pt,ro,ru,sl,sr,sv,uk,zh,ja,th,ko"
TAGS = st.from_regex(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?", fullmatch=True)


@pytest.mark.parametrize(("tag", "wanted"), [("pt-BR", "pt"), ("uk-UA", "uk"), ("zh-CN", "zh"), ("zh-TW", "zh"), ("en", "en")])
def test_a_language_finds_its_regions(tag: str, wanted: str) -> None:
    """A wanted language without a region finds tags with any region."""
    assert matches(tag, [wanted])


@pytest.mark.parametrize("tag", ["zh", "zh-CN", "zh-Hant", "tw", "zhx-TW"])
def test_a_region_finds_itself_alone(tag: str) -> None:
    """A wanted tag with a region finds no other region, and not the bare language."""
    assert not matches(tag, ["zh-TW"])


@pytest.mark.parametrize("tag", ["zh-TW", "zh-tw", "zh_TW", "ZH_tw", "zh-TW-x-own"])
def test_case_and_underscore_do_not_matter(tag: str) -> None:
    """A tag is found however it is spelled, and with what follows its region."""
    assert matches(tag, ["zh-TW"])
    assert matches(tag, ["ZH_tw"])


@pytest.mark.parametrize(("tag", "wanted"), [("ptx", "pt"), ("p", "pt"), ("en", "fr"), ("", "en")])
def test_a_beginning_of_a_word_is_no_match(tag: str, wanted: str) -> None:
    """Whole subtags are compared, never letters."""
    assert not matches(tag, [wanted])


def test_nothing_wanted_finds_nothing() -> None:
    """An empty collection matches no tag."""
    assert not matches("en", [])


@given(TAGS, st.lists(TAGS, max_size=4))
def test_matching_is_any_of_the_wanted(tag: str, wanted: list[str]) -> None:
    """Several wanted tags match when one of them does, and a tag always matches itself and its language."""
    assert matches(tag, wanted) == any(matches(tag, [one]) for one in wanted)
    assert matches(tag, [*wanted, tag])
    assert matches(tag, [*wanted, base(tag)])


@pytest.mark.parametrize(
    ("tag", "canonical"),
    [
        ("EN", "en"),
        ("ZH_tw", "zh-TW"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("es-419", "es-419"),
        ("en-us-X-Private", "en-US-x-private"),
    ],
)
def test_the_canonical_case_is_that_of_bcp_47(tag: str, canonical: str) -> None:
    """Languages are lower case, scripts are titles, regions are upper case, all else is lower case."""
    assert normalise_tag(tag) == canonical


@given(TAGS)
def test_spelling_is_settled_by_one_pass(tag: str) -> None:
    """A canonical tag is a tag, stays as it is, and matches the one that it was made from."""
    canonical = normalise_tag(tag)
    assert is_tag(canonical)
    assert normalise_tag(canonical) == canonical
    assert matches(tag, [canonical])


@pytest.mark.parametrize("text", ["", "e", "english", "en-", "-en", "en--us", "en us", "en/us", "12", "en\n", "中文"])
def test_what_is_no_tag_is_unknown(text: str) -> None:
    """A text that has not the form of a tag is spelled `und`."""
    assert not is_tag(text)
    assert normalise_tag(text) == "und"


def test_the_languages_of_the_mix_are_known() -> None:
    """The languages are those of the reference mix and traditional Chinese, spelled canonically."""
    assert ",".join(LANGUAGES) == f"{MIX},zh-TW"
    assert [normalise_tag(tag) for tag in LANGUAGES] == list(LANGUAGES)


@pytest.mark.parametrize("value", ["pt-br, uk ,zh_TW,uk", ["pt-br", " uk ", "zh_TW", "uk"]], ids=["text", "list"])
def test_a_list_of_languages_is_read_from_text_or_list(value: str | list[str]) -> None:
    """Commas or a list, blanks and any case give the canonical tags, each once, in the order given."""
    assert parse_languages(value) == ("pt-BR", "uk", "zh-TW")


@pytest.mark.parametrize("value", ["", "en,,de", "en,english", "en;de", ["en", "de fr"]])
def test_a_list_with_something_else_is_refused(value: str | list[str]) -> None:
    """What is no tag is an error that names it and says what is wanted."""
    with pytest.raises(ConfigError, match=r"^'.*' is no language tag; write tags like en or pt-BR"):
        parse_languages(value)


def test_confusable_languages_are_confusable_both_ways() -> None:
    """Each language of a group is taken for every other, whatever its region, and one of no group for itself alone."""
    assert all(confusable(tag) == group for group in CONFUSABLE for tag in group)
    assert confusable("sr-Latn-RS") == {"hr", "sr", "bs"}
    assert confusable("ja-JP") == {"ja"}
