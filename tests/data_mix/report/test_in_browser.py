"""The report in a real browser: clicked through, searched, dark, on a phone, and with hostile texts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import NO_BROWSER, PROGRAM, Page, chromium
from data_mix.report import write_report
from data_mix.serve import serving
from data_mix.shards import DROPPED
from looking_at import HOSTILE, make_build, pair, plain, write_audit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)]

LIST = ".list button"
ARABIC = "مرحبا بالعالم"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser for all tests of this module."""
    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with everything that a manifest may hold, and its report."""
    folder = tmp_path_factory.mktemp("report") / "out"
    write_audit(folder, "near_duplicates.jsonl", [{"kept": "chats/1", "dropped": [{"id": HOSTILE, "similarity": 0.93}]}])
    overlap = {"id": "chats/2", "benchmark": "gsm8k", "item": "gsm8k/7", "text": HOSTILE}
    write_audit(folder, "contamination.jsonl", [overlap])
    odd = [
        ("odd", "ar", pair(HOSTILE, ARABIC)),
        ("long", "und", [("system", "Be brief."), *pair("x" * 900_000, "\x1b[31m red")]),
    ]
    found = {"findings": {"email": {"rows": 3, "times": 5}}, "agreement": {"en": {"en": 290, "de": 10}, "de": {"de": 30}}}
    keys = {
        "name": HOSTILE,
        "sources": {"chats": {**found, "licence": "CC-BY-NC-SA-4.0", "homepage": "javascript:alert(1)", "notices": [HOSTILE]}},
        "near_duplicates": {"clusters": 1, "rows": 1},
        "contamination": {"gsm8k": {"items": 1, "rows": 1}},
    }
    parts = {
        ("train", "chats"): [*odd, *plain(300)],
        ("train", "mehr"): plain(30, "de"),
        ("validation", "mehr"): plain(9, "de"),
        (DROPPED, "chats"): plain(3),
    }
    return write_report(make_build(folder, parts, **keys)).parent


def open_report(page: Page, out: Path, hash_: str = "", width: int = 1280) -> None:
    """Open the report of a folder."""
    page.errors.clear()
    page.requests.clear()
    page.open(f"{(out / 'report.html').as_uri()}{hash_}", width)


def shown(page: Page) -> str:
    """The id of the conversation that is shown."""
    return page.texts("#reader h3")[0]


def test_the_page_is_whole_and_quiet(page: Page, out: Path) -> None:
    """Every section is there, no error is said, and nothing but the file itself is asked for."""
    open_report(page, out)
    sections = ["composition", "lengths", "drops", "duplicates", "contamination", "agreement", "findings", "licences"]
    assert page.run("[...document.querySelectorAll('section')].map(each => each.id)") == [
        *sections,
        "provenance",
        "conversations",
    ]
    assert page.errors == []
    assert [address.partition(":")[0] for address in page.requests] == ["file"]


def test_texts_stay_texts(page: Page, out: Path) -> None:
    """Markup of a name, a notice, an audit list or a conversation is shown, not obeyed."""
    open_report(page, out, f"#row={'chats%2Fodd'}")
    assert page.texts("h1") == [HOSTILE]
    assert HOSTILE in page.texts(".turn.user .text")[0]
    assert page.run("document.title.startsWith('</script>')")
    assert page.run("document.querySelectorAll('img, a[href^=javascript]').length") == 0


def test_every_plot_is_drawn_and_has_a_table(page: Page, out: Path) -> None:
    """No plot is empty, and beside each its numbers stand as a table."""
    open_report(page, out)
    drawn = "each => each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some(value => value)"
    assert page.run(f"[...document.querySelectorAll('canvas')].map({drawn})") == [True] * 5
    assert page.run("[...document.querySelectorAll('figure')].every(each => each.querySelector('table tbody tr'))")


def test_filters_narrow_the_list(page: Page, out: Path) -> None:
    """Source, language, split and length, each alone and together."""
    open_report(page, out)
    page.choose("#filter-source", "mehr")
    page.wait(f"document.querySelector('{LIST}').dataset.id.startsWith('mehr/')")
    page.choose("#filter-split", "validation")
    page.wait(f"document.querySelectorAll('{LIST}').length === 9")
    page.type("#filter-min", "99")
    page.wait(f"document.querySelectorAll('{LIST}').length < 9")
    page.choose("#filter-lang", "ar")
    page.wait(f"document.querySelectorAll('{LIST}').length === 0")
    assert page.texts("#reader") == ["No conversation fits these filters."]


def test_a_search_finds_and_marks(page: Page, out: Path) -> None:
    """What is typed is found in texts, whatever its case, and marked where it stands."""
    open_report(page, out)
    page.click("#filter-q")
    page.type("#filter-q", "<IMG src=X")
    page.wait(f"document.querySelectorAll('{LIST}').length === 1")
    assert shown(page) == "chats/odd"
    assert page.texts("#reader mark") == ["<img src=x"]


def test_pages_and_keys_lead_through_the_rows(page: Page, out: Path) -> None:
    """A click, the keys and the buttons of the reader go through the list and over its pages."""
    open_report(page, out)
    ids = page.run(f"[...document.querySelectorAll('{LIST}')].map(each => each.dataset.id)")
    page.click(f"li:nth-child(3) {LIST.split()[1]}")
    assert shown(page) == ids[2]
    page.key("j")
    assert shown(page) == ids[3]
    page.key("k")
    page.click("#reader [aria-label='previous conversation']")
    assert shown(page) == ids[1]
    page.click("#page-after")
    page.wait("document.querySelector('[role=status]').textContent.startsWith('26–')")
    page.key("k")
    page.wait("document.querySelector('[role=status]').textContent.startsWith('1–')")
    assert shown(page) == ids[-1]
    page.key("/")
    assert page.run("document.activeElement.id") == "filter-q"
    page.key("Escape")
    assert page.run("document.activeElement === document.body")


def test_a_deep_link_opens_its_row(page: Page, out: Path) -> None:
    """#row=ID shows that row; one that the file does not have is said."""
    open_report(page, out, "#row=chats%2Flong")
    assert shown(page) == "chats/long"
    assert "more characters are left out here" in page.texts("#reader .cut")[0]
    assert page.texts("#reader .turn.assistant .text") == ["␛[31m red"]
    open_report(page, out, "#row=chats%2Fnowhere")
    assert "is not in the sample of this file" in page.texts(".notice")[0]


def test_what_is_trained_is_marked_not_by_colour_alone(page: Page, out: Path) -> None:
    """A trained turn has a bar and a word; a user turn has neither."""
    open_report(page, out, "#row=mehr%2F1")
    width = "getComputedStyle(document.querySelector('.turn.assistant')).borderLeftWidth"
    assert (page.texts(".turn.assistant small"), page.run(width)) == (["trained"], "5px")
    assert page.texts(".turn.user small") == []


def test_each_script_runs_its_own_way(page: Page, out: Path) -> None:
    """Arabic runs from the right, English beside it from the left."""
    open_report(page, out, "#row=chats%2Fodd")
    ways = "[...document.querySelectorAll('.turn .text')].map(each => getComputedStyle(each).direction)"
    assert page.run(ways) == ["ltr", "rtl"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_one_chooses(page: Page, out: Path, scheme: str) -> None:
    """The page is as the system is; the button turns it, plots and all, and both are readable."""
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    open_report(page, out)
    assert page.run("document.documentElement.dataset.theme") == scheme
    assert least_contrast(page) >= 4.5
    page.click("#theme")
    assert page.run("document.documentElement.dataset.theme") != scheme
    assert least_contrast(page) >= 4.5


def least_contrast(page: Page) -> float:
    """The least contrast of our colours of text on our grounds, by WCAG 2."""
    return float(
        page.run("""(() => {
      const style = getComputedStyle(document.documentElement);
      const light = name => {
        let hex = style.getPropertyValue('--' + name).trim().slice(1);
        if (hex.length === 3) hex = [...hex].map(each => each + each).join('');
        const [r, g, b] = [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16) / 255)
          .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ratio = (one, other) => (Math.max(light(one), light(other)) + 0.05) / (Math.min(light(one), light(other)) + 0.05);
      const texts = ['ink', 'soft', 'accent', 'user', 'assistant', 'system', 'bad'];
      const odd = [['bad', 'bad-wash'], ['soft', 'wash'], ['ink', 'hit']];
      const pairs = texts.flatMap(text => [[text, 'paper'], [text, 'card']]).concat(odd);
      return Math.min(...pairs.map(([one, other]) => ratio(one, other)));
    })()""")
    )


def test_a_phone_shows_all_of_it(page: Page, out: Path) -> None:
    """At 375 pixels nothing sticks out of the page, and a tap on a row brings the reader into view."""
    open_report(page, out, width=375)
    assert page.run("document.documentElement.scrollWidth") == 375
    wanted = page.run(f"document.querySelectorAll('{LIST}')[3].dataset.id")
    page.click(f"li:nth-child(4) {LIST.split()[1]}")
    assert shown(page) == wanted
    page.wait("document.querySelector('#reader .turn.assistant').getBoundingClientRect().bottom < innerHeight")
    assert page.run("document.documentElement.scrollWidth") == 375


@pytest.mark.parametrize(
    "parts", [{}, {("train", "one"): []}, {("validation", "one"): plain(1, "und")}], ids=["none", "empty", "one"]
)
def test_small_builds_have_a_page(page: Page, tmp_path: Path, parts: dict[tuple[str, str], list[object]]) -> None:
    """No source, no row, or one row of no known language: the page is whole and says so."""
    write_report(make_build(tmp_path, parts))  # type: ignore[arg-type]
    open_report(page, tmp_path)
    assert page.errors == []
    assert ("no conversation" in page.texts("#reader")[0]) == (not any(parts.values()))


def test_the_served_page_shows_rows_that_the_file_does_not(page: Page, out: Path, tmp_path: Path) -> None:
    """Served, the browser finds any row, shows a cut message whole, and tells when the build is made anew."""
    build = make_build(tmp_path, {("train", "one"): [*plain(2_000), ("needle", "en", pair("Where?", "y" * 50_000))]})
    with serving(build) as (address, server):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.errors.clear()
        page.open(address)
        page.type("#filter-q", "one/needle")
        page.wait(f"document.querySelectorAll('{LIST}').length === 1")
        page.click("#reader .cut button")
        page.wait("document.querySelector('.turn.assistant .text').textContent.length === 50000")
        assert page.texts("#lengths figcaption")[0].startswith("Length in characters")
        assert page.errors == []
        (tmp_path / "manifest.json").unlink()
        page.choose("#filter-split", "train")
        page.wait("document.querySelector('.notice')")
        assert "open it anew once it is whole" in page.texts(".notice")[0]
        server.shutdown()
