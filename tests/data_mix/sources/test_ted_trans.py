"""The source ted_trans: which talks and sentences come out of an archive, and what is dropped on the way."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from data_mix.errors import BadRecordError, ConfigError, RawFileError
from data_mix.language import LANGUAGES
from data_mix.schema import as_frame
from data_mix.source import Entry, Hub, LocalFile
from data_mix.sources.ted_trans import SOURCE
from data_mix.translation import TranslationOptions
from subtitles import Subtitles, write_archive, xml, zipped

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "packages/data_mix/src/data_mix/samples/ted_trans/data/XML_releases.tgz"
NO_HUB = cast(Hub, None)  # this source names its file without asking

EN: Subtitles = [(1000, "One is here."), (4000, "Two is there."), (7000, "Three is gone.")]
DE: Subtitles = [(1000, "Eins ist hier."), (4000, "Zwei ist dort."), (7000, "Drei ist weg.")]


def entry(name: str = "ted_trans_en-de", *, limit: int = 64_000_000, **options: Any) -> Entry:
    """Make an entry by its name, checked as a build checks it."""
    params = SOURCE.match(name)
    assert params is not None
    made = Entry(name=name, source=SOURCE, params=params, options=TranslationOptions(**options), seed=7, max_record_bytes=limit)
    if SOURCE.check:
        SOURCE.check(made)
    return made


def read(path: Path, name: str = "ted_trans_en-de", **options: Any) -> pl.DataFrame:
    """Read an archive as one entry."""
    file = LocalFile(name=path.name, path=path, sha256="")
    return pl.concat(as_frame(frame) for frame in SOURCE.read(entry(name, **options), (file,)))


def outcome(frame: pl.DataFrame) -> dict[str, str]:
    """Map each row's key to its answer if it is kept, else to why it is dropped."""
    answers = frame["messages"].list.last().struct.field("content")
    return dict(zip(frame["key"], frame["drop"].fill_null(answers), strict=True))


def archive(folder: Path, **languages: dict[str, Subtitles]) -> Path:
    """Write an archive of talks by language, `zh_tw` for zh-tw."""
    codes = {code.replace("_", "-"): xml(code, talks) for code, talks in languages.items()}
    return write_archive(folder / "XML_releases.tgz", codes)


@pytest.mark.parametrize("name", ["ted_trans_en-ja", "ted_trans_zh-ja"])
def test_the_sample_gives_the_golden_rows(name: str) -> None:
    """The shipped sample becomes exactly the rows that were read through by eye."""
    golden = (ROOT / "tests/data_mix/golden/ted_trans.jsonl").read_text(encoding="utf8").splitlines()
    rows = read(SAMPLE, name).select("key", "group", "lang", "messages", "drop").to_dicts()
    assert [{"entry": name, **row} for row in rows] == [row for row in map(json.loads, golden) if row["entry"] == name]


def test_the_sample_holds_every_hard_case() -> None:
    """Over all pairs of the sample's languages, every reason to drop a row comes up."""
    names = [f"ted_trans_{a}-{b}" for a, b in (("en", "ja"), ("zh", "ja"), ("en", "de"), ("zh-tw", "en"))]
    reasons = Counter(reason for name in names for reason in read(SAMPLE, name)["drop"].drop_nulls())
    assert set(reasons) == {"no_counterpart", "no_speech", "unaligned", "untranslated", "length_ratio", "times_disagree"}


def test_sentences_are_paired_whole(tmp_path: Path) -> None:
    """Every kept row holds one sentence in both languages, and is grouped by its talk."""
    frame = read(archive(tmp_path, en={"8": EN}, de={"8": DE}), direction="forward")
    assert outcome(frame) == {"8:0": "Eins ist hier.", "8:1": "Zwei ist dort.", "8:2": "Drei ist weg."}
    assert set(frame["group"]) == {"8"}
    assert set(frame["lang"]) == {"de"}


def test_the_order_of_the_pair_is_free(tmp_path: Path) -> None:
    """Forward in one order is backward in the other."""
    path = archive(tmp_path, en={"8": EN}, de={"8": DE})
    one, other = read(path, "ted_trans_en-de", direction="forward"), read(path, "ted_trans_de-en", direction="backward")
    assert outcome(one) == outcome(other)


def test_a_talk_in_one_language_alone_is_a_counted_drop(tmp_path: Path) -> None:
    """A talk that only one language has is one dropped row."""
    frame = read(archive(tmp_path, en={"8": EN, "9": EN}, de={"8": DE, "7": DE}), direction="forward")
    assert {key: why for key, why in outcome(frame).items() if ":" not in key} == {"9": "no_counterpart", "7": "no_counterpart"}


def test_subtitles_without_speech_are_counted_drops(tmp_path: Path) -> None:
    """(Laughter), music and the like are taken out on either side, so that they part no sentence, and counted."""
    en = [(500, "♫ ♫"), (1000, "One is"), (2000, "(Laughter) (Applause)"), (2500, "here."), *EN[1:]]
    frame = read(archive(tmp_path, en={"8": en}, de={"8": [*DE, (9000, "【Musik】")]}), direction="forward")
    assert outcome(frame) == {
        "8:0": "Eins ist hier.",
        "8:1": "Zwei ist dort.",
        "8:2": "Drei ist weg.",
        "8:en:0": "no_speech",
        "8:en:1": "no_speech",
        "8:de:0": "no_speech",
    }


def test_speech_with_a_direction_in_it_is_kept_as_it_is(tmp_path: Path) -> None:
    """A stage direction beside speech stays, and so do speakers' names."""
    de = [(1000, "AB: Eins (lacht) ist hier."), *DE[1:]]
    assert (
        outcome(read(archive(tmp_path, en={"8": EN}, de={"8": de}), direction="forward"))["8:0"] == "AB: Eins (lacht) ist hier."
    )


def test_blanks_and_line_breaks_inside_a_subtitle_are_one_blank(tmp_path: Path) -> None:
    """Upstream's indentation never reaches a text."""
    de = [(1000, "\n  Eins  ist\r\n hier. "), *DE[1:]]
    assert outcome(read(archive(tmp_path, en={"8": EN}, de={"8": de}), direction="forward"))["8:0"] == "Eins ist hier."


def test_subtitles_are_put_in_order_of_time(tmp_path: Path) -> None:
    """A file whose subtitles stand in another order gives the same rows, and times may have decimals."""
    de: Subtitles = [(7000, DE[2][1]), ("1000.25", DE[0][1]), ("4000.0", DE[1][1])]
    frames = [read(archive(tmp_path, en={"8": EN}, de={"8": talk})) for talk in (DE, de)]
    assert frames[0].equals(frames[1])


def test_chinese_is_zh_cn_and_traditional_chinese_its_own(tmp_path: Path) -> None:
    """`zh` reads upstream's zh-cn and never its mixed zh; `zh-tw` reads zh-tw."""
    texts = {"zh": "唔係。", "zh-cn": "是的。", "zh-tw": "對的。", "en": "Yes."}
    path = write_archive(tmp_path / "a.tgz", {code: xml(code, {"8": [(0, text)]}) for code, text in texts.items()})
    assert outcome(read(path, "ted_trans_en-zh", direction="forward")) == {"8:0": "是的。"}
    assert outcome(read(path, "ted_trans_en-zh-tw", direction="forward")) == {"8:0": "對的。"}
    assert read(path, "ted_trans_en-zh-tw", direction="forward")["lang"].to_list() == ["zh-TW"]


def test_english_says_where_sentences_end_if_neither_language_does(tmp_path: Path) -> None:
    """Two languages without full stops are joined to sentences by the English subtitles of the same talk."""
    zh = [(1000, "第一句"), (2500, "在这里"), (4000, "第二句在那里"), (7000, "第三句没有了")]
    ja = [(1000, "一番目は"), (2500, "ここにあります"), (4000, "二番目はそこです"), (7000, "三番目はありません")]
    frame = read(archive(tmp_path, en={"8": EN}, zh_cn={"8": zh}, ja={"8": ja}), "ted_trans_zh-ja", direction="forward")
    assert outcome(frame)["8:0"] == "一番目はここにあります"
    without = read(archive(tmp_path, zh_cn={"8": zh}, ja={"8": ja}), "ted_trans_zh-ja")
    assert outcome(without) == {"8:0": "no_sentence_ends"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ted_trans_en-fi", "'fi', wanted one of bg, .*; the nearest is"),
        ("ted_trans_en-zh-cn", "'zh-cn', wanted .*; the nearest is zh$"),
        ("ted_trans_pt-br-en", "'pt-br', wanted .*; the nearest is pt$"),
        ("ted_trans_ja-ja", "'ja' stands twice, wanted two"),
    ],
)
def test_an_unknown_language_is_refused_with_the_nearest(name: str, message: str) -> None:
    """A language without instructions, and a language with itself, is an error before anything is fetched."""
    with pytest.raises(ConfigError, match=message):
        entry(name)


def test_every_language_of_the_mix_may_be_paired() -> None:
    """All languages that the source declares are taken, in any order."""
    codes = [language.lower() for language in LANGUAGES]
    assert SOURCE.languages == LANGUAGES
    assert [entry(f"ted_trans_{code}-{'en' if code != 'en' else 'ja'}").params["a"] for code in codes] == codes


def test_the_file_is_one_archive() -> None:
    """Whatever the pair, upstream's one archive is read, of the revision that the entry asks for."""
    [file] = SOURCE.files(entry(revision="abc"), NO_HUB)
    assert (file.repo, file.path, file.revision, file.split) == ("IWSLT/ted_talks_iwslt", "data/XML_releases.tgz", "abc", None)


def test_a_language_that_the_archive_lacks_is_an_error(tmp_path: Path) -> None:
    """A missing language names the member that was wanted."""
    with pytest.raises(RawFileError, match=r"XML_releases\.tgz: holds no member ted_de-20160408\.zip"):
        read(archive(tmp_path, en={"8": EN}))


@pytest.mark.parametrize("folder", ["XML_releases/xml", "xml", "."])
def test_the_release_of_2016_is_found_by_its_date(tmp_path: Path, folder: str) -> None:
    """Files of the older releases, which stand beside, are never read, wherever in the archive the release lies."""
    codes = {"en": xml("en", {"8": EN}), "de": xml("de", {"8": DE})}
    path = write_archive(tmp_path / "a.tgz", codes, folder)
    assert len(read(path)) == 3


@pytest.mark.parametrize(
    ("talk_id", "time", "message"),
    [
        ("", 0, "has the talkid '', wanted a number"),
        ("x:1", 0, "has the talkid 'x:1', wanted a number"),
        ("8", "soon", "has a subtitle at 'soon', wanted milliseconds"),
    ],
)
def test_a_talk_without_number_or_time_is_a_broken_record(tmp_path: Path, talk_id: str, time: int | str, message: str) -> None:
    """A broken talk is an error with file and line, or one counted drop."""
    path = archive(tmp_path, en={"9": EN, talk_id: [(time, "Hi.")]}, de={"9": DE, "8": DE})
    with pytest.raises(BadRecordError, match=rf"^XML_releases\.tgz/.*ted_en-20160408\.xml:\d+: {message}"):
        read(path)
    rows = outcome(read(path, on_bad_record="drop"))
    assert rows["en:1"] == "bad_record"
    assert rows["8"] == "no_counterpart"


def test_a_talk_that_is_too_large_is_a_broken_record(tmp_path: Path) -> None:
    """A talk of more subtitles than any has, or of more text than a record may have, cannot fill the memory."""
    many: Subtitles = [(time, "Hi.") for time in range(5001)]
    rows = read(archive(tmp_path, en={"8": many, "9": [(0, "x" * 2000)]}, de={"8": DE}), on_bad_record="drop", limit=1000)
    assert rows.filter(pl.col("drop") == "bad_record")["key"].to_list() == ["en:0", "en:1"]


def test_broken_talks_of_the_reference_are_not_counted(tmp_path: Path) -> None:
    """The English file, where it only tells where sentences end, adds no rows."""
    path = archive(tmp_path, en={"": EN, "8": EN}, de={"8": DE}, ja={"8": [(1000, "一つ。")]})
    assert set(outcome(read(path, "ted_trans_de-ja", on_bad_record="drop"))) == {"8:0"}


def test_a_talk_that_comes_twice_is_read_once(tmp_path: Path) -> None:
    """The first of two talks of one id stays, the second is a counted drop."""
    twice = xml("en", {"8": EN}).replace(b"</xml>", xml("en", {"8": EN[:1]}).partition(b">\n")[2].partition(b">\n")[2])
    path = write_archive(tmp_path / "a.tgz", {"en": twice, "de": xml("de", {"8": DE})})
    rows = outcome(read(path, direction="forward"))
    assert (len(rows), rows["en:1"], rows["8:2"]) == (4, "repeated_talk", "Drei ist weg.")


def test_broken_xml_is_an_error_that_names_the_member(tmp_path: Path) -> None:
    """A file that is cut short names the archive, the member in it, and the line."""
    path = write_archive(tmp_path / "a.tgz", {"en": xml("en", {"8": EN})[:-9], "de": xml("de", {"8": DE})})
    with pytest.raises(
        RawFileError, match=r"^a\.tgz/XML_releases/xml/ted_en-20160408\.zip/ted_en-20160408\.xml:\d+: is no XML"
    ):
        read(path)


def test_an_archive_inside_is_never_unpacked_to_a_place_it_names(tmp_path: Path) -> None:
    """A member of an inner archive that climbs is refused, and nothing is written."""
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as tar:
        packed = zipped("../../ted_en-20160408.xml", xml("en", {"8": EN}))
        member = tarfile.TarInfo("XML_releases/xml/ted_en-20160408.zip")
        member.size = len(packed)
        tar.addfile(member, io.BytesIO(packed))
    with pytest.raises(RawFileError, match="climbing"):
        read(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tgz"]


def test_many_talks_come_in_frames(tmp_path: Path) -> None:
    """Frames are of bounded size, in the order of the first language's file, and every key is there once."""
    numbers = [str(number) for number in range(500, 380, -1)]
    path = archive(tmp_path, en=dict.fromkeys(numbers, EN), de=dict.fromkeys(numbers, DE))
    frames = list(SOURCE.read(entry(), (LocalFile(name=path.name, path=path, sha256=""),)))
    assert max(map(len, frames)) == 150
    assert pl.concat(frames)["key"].to_list() == [f"{number}:{place}" for number in numbers for place in range(3)]


def flat(text: str) -> str:
    """A text without blanks."""
    return re.sub(r"\s", "", text)


FLORES = {"en": "eng_Latn", "ja": "jpn_Jpan", "zh": "zho_Hans", "zh-tw": "zho_Hant", "de": "deu_Latn", "ko": "kor_Hang"}


@pytest.mark.parametrize(
    ("a", "b", "least"), [("en", "ja", 890), ("zh", "ja", 885), ("en", "zh-tw", 955), ("de", "ko", 960), ("zh", "zh-tw", 955)]
)
def test_the_laid_out_talks_are_paired_line_by_line(shared: Path, a: str, b: str, least: int) -> None:
    """Every kept pair of the laid-out archive is of the same FLORES lines, and nearly all lines are kept."""
    path = shared / "hub/datasets/IWSLT/ted_talks_iwslt/data/XML_releases.tgz"
    kept = read(path, f"ted_trans_{a}-{b}", direction="forward").filter(pl.col("drop").is_null())
    files = [shared / f"langid/flores200/{FLORES[code]}.devtest" for code in (a, b)]
    lines = list(zip(*(map(flat, file.read_text(encoding="utf8").splitlines()) for file in files), strict=True))
    asked, answers = (map(flat, kept["messages"].list.get(place).struct.field("content")) for place in (0, 1))
    assert len(kept) >= least
    for question, answer in zip(asked, answers, strict=True):
        same = [x for x, y in lines if y in answer]
        assert same
        assert all(line in question for line in same)


def test_the_real_talks_without_japanese_are_counted(shared: Path) -> None:
    """Every tenth talk of the laid-out archive has no Japanese; rows read are rows kept and dropped."""
    path = shared / "hub/datasets/IWSLT/ted_talks_iwslt/data/XML_releases.tgz"
    reasons = Counter(read(path, "ted_trans_zh-ja")["drop"].fill_null("kept"))
    assert reasons["no_counterpart"] == 5
    assert set(reasons) <= {"kept", "no_counterpart", "length_ratio", "unaligned"}
