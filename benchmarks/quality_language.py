"""How well and how fast languages are identified, and what `language_check` makes of right and of wrong tags.

    python benchmarks/quality_language.py                 all lines of FLORES-200's devtest
    python benchmarks/quality_language.py --step 10       every tenth line

Four tables: the accuracy of each detector by language, on whole lines and on their first words; rows per second; what
`language_check` drops of rows with their own tag, and with each other language's; rows per second of the stages that look at
answers, on real conversations. `--flores` names a folder of files such as `deu_Latn.devtest`; `--dolly` and `--gsm8k` name the
raw files, by default looked for in `../shared`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import langdetect
import polars as pl

from data_mix.language import base, confusable
from data_mix.language.detect import Detector, DetectorName, load_detector
from data_mix.schema import as_frame, turns
from data_mix.stage import Stage, StageOptions
from data_mix.stages import language_check, refusal, repetition
from data_mix.stages.language_check import LanguageCheckOptions
from data_mix.stages.refusal import RefusalOptions
from data_mix.stages.repetition import RepetitionOptions

SHARED: Final = Path(__file__).parent.parent.parent / "shared"
DATASETS: Final = SHARED / "hub" / "datasets"
FLORES: Final = {
    "bul": "bg", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de", "eng": "en", "fra": "fr", "hrv": "hr", "hun": "hu",
    "ita": "it", "jpn": "ja", "kor": "ko", "nld": "nl", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slv": "sl",
    "spa": "es", "srp": "sr", "swe": "sv", "tha": "th", "ukr": "uk", "zho_Hans": "zh",
}  # fmt: skip
"""The 24 languages of the reference mix, by the beginnings of FLORES' file names."""

NAMES: Final[tuple[DetectorName, ...]] = ("py3langid", "langdetect")

DENSE: Final = frozenset({"ja", "th", "zh"})
LETTERS_OF_A_WORD: Final = 3
"""Letters that stand for a word where no blanks are written."""

LENGTHS: Final[tuple[int | None, ...]] = (None, 20, 10, 5)
"""Words of the texts; None: whole lines."""

LIMITS: Final = ((20, 0.8), (30, 0.9), (50, 0.95))
"""`min_letters` and `min_confidence` of the rows of the third table; the second is the default."""

VERIFIED: Final = 4
"""Of so many lines one is verified: under its own tag, and under another."""

Texts = Mapping[str, Sequence[str]]


def main() -> None:
    """Print the tables."""
    options = _options()
    lines = read_lines(options.flores, options.step)
    detectors = {name: load_detector(name, tuple(FLORES.values())) for name in NAMES}
    identification(lines, detectors)
    speed(lines, detectors, options.rounds)
    verification({tag: texts[::VERIFIED] for tag, texts in lines.items()})
    stages(conversations(options.dolly, options.gsm8k), options.rounds)


def read_lines(folder: Path, step: int) -> dict[str, list[str]]:
    """Every `step`-th line by its language."""
    return {tag: next(folder.glob(f"{name}*.devtest")).read_text("utf-8").splitlines()[::step] for name, tag in FLORES.items()}


def cut(lines: Texts, words: int | None) -> dict[str, list[str]]:
    """The lines' first words."""
    if words is None:
        return {tag: list(texts) for tag, texts in lines.items()}
    return {tag: [_first(text, words, tag) for text in texts] for tag, texts in lines.items()}


def _first(text: str, words: int, tag: str) -> str:
    return text[: words * LETTERS_OF_A_WORD] if tag in DENSE else " ".join(text.split()[:words])


def identification(lines: Texts, detectors: Mapping[DetectorName, Detector]) -> None:
    """Accuracy of each detector by language; langdetect-rs answers for langdetect, whose answers are the same."""
    columns = [(name, words) for name in detectors for words in (None, 10, 5)]
    print(f"{'':<10}" + "".join(f"{name + _of(words):>22}" for name, words in columns))
    found = {
        (name, words): {tag: _right(detectors[name], tag, texts) for tag, texts in cut(lines, words).items()}
        for name, words in columns
    }
    for tag in FLORES.values():
        print(f"{tag:<10}" + "".join(f"{found[column][tag]:>22.4f}" for column in columns))
    print(f"{'mean':<10}" + "".join(f"{statistics.mean(found[column].values()):>22.4f}" for column in columns))
    without = [statistics.mean(share for tag, share in found[column].items() if tag != "sr") for column in columns]
    print(f"{'without sr':<10}" + "".join(f"{share:>22.4f}" for share in without))


def _of(words: int | None) -> str:
    return "" if words is None else f", {words} words"


def _right(detector: Detector, tag: str, texts: Sequence[str]) -> float:
    found = detector.detect(pl.Series(texts), 1)
    return sum(guess is not None and base(guess) == tag for guess in found) / len(texts)


def speed(lines: Texts, detectors: Mapping[DetectorName, Detector], rounds: int) -> None:
    """Lines per second of each detector; of langdetect in Python alone, over fewer lines."""
    texts = pl.Series([text for of in lines.values() for text in of])
    print(f"\n{len(texts)} lines, lines per second")
    for name, detector in detectors.items():
        seconds = _median(lambda detector=detector: detector.detect(texts, 1), rounds)  # type: ignore[misc]
        print(f"{name if name != 'langdetect' else 'langdetect-rs':<20}{len(texts) / seconds:>12,.0f}")
    few = texts.gather_every(max(len(texts) // 300, 1))
    print(f"{'langdetect':<20}{len(few) / _median(lambda: _plain_langdetect(few), 1):>12,.0f}")


def _plain_langdetect(texts: pl.Series) -> list[str]:
    return [langdetect.detect(text) for text in texts]


def verification(lines: Texts) -> None:
    """What `language_check` drops: of rows with their own tag all drops are false, of rows with another one all are right."""
    print(f"\n{'language_check':<15}{'text':<12}{'letters':>8}{'confidence':>12}", end="")
    print(f"{'false drops':>18}{'recall':>10}{'precision':>11}")
    for name in NAMES:
        for words in LENGTHS:
            for letters, confidence in LIMITS:
                asked = {"detector": name, "min_letters": letters, "min_confidence": confidence, "action": "drop"}
                _print_drops(cut(lines, words), words, LanguageCheckOptions.model_validate(asked))


def _print_drops(lines: Texts, words: int | None, options: LanguageCheckOptions) -> None:
    rows = [(tag, text) for tag, texts in lines.items() for text in texts]
    false, others = _drops([tag for tag, _ in rows], rows, options), [_other(tag, at) for at, (tag, _) in enumerate(rows)]
    right = _drops(others, rows, options)
    print(
        f"{options.detector:<15}{'lines' if words is None else f'{words} words':<12}{options.min_letters:>8}"
        f"{options.min_confidence:>12}{f'{false} of {len(rows)}':>18}{right / len(rows):>10.4f}"
        f"{right / max(right + false, 1):>11.4f}"
    )


def _drops(declared: Sequence[str], rows: Sequence[tuple[str, str]], options: LanguageCheckOptions) -> int:
    frame = pl.DataFrame({"answer": [text for _, text in rows], "lang": declared})
    frame = as_frame(frame.with_columns(turns(("user", pl.lit("?")), ("assistant", "answer"))))
    return len(frame) - language_check.STAGE.apply(frame, options)["drop"].null_count()


def _other(tag: str, place: int) -> str:
    """A wrong tag, each of them in turn; the languages that are easily confused with the right one are none."""
    others = [other for other in FLORES.values() if other not in confusable(tag)]
    return others[place % len(others)]


def conversations(dolly: Path, gsm8k: Path) -> pl.DataFrame:
    """Dolly and GSM8K as conversations that are declared to be English."""
    pairs = pl.concat([pl.read_ndjson(dolly).select("instruction", "response"), _gsm8k(gsm8k)])
    return as_frame(pairs.with_columns(turns(("user", "instruction"), ("assistant", "response")), lang=pl.lit("en")))


def _gsm8k(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path).select(instruction="question", response="answer")


def stages(frame: pl.DataFrame, rounds: int) -> None:
    """Rows per second of the stages, and what they drop."""
    print(f"\n{'Dolly and GSM8K, ' + str(len(frame)) + ' rows':<34}{'rows/s':>10}{'dropped':>9}")
    asked: list[tuple[str, Stage, StageOptions]] = [
        ("language_check, py3langid", language_check.STAGE, LanguageCheckOptions(action="drop")),
        ("language_check, langdetect-rs", language_check.STAGE, LanguageCheckOptions(action="drop", detector="langdetect")),
        ("repetition, lines", repetition.STAGE, RepetitionOptions(max_duplicate_lines=0.3, max_duplicate_line_chars=0.2)),
        ("repetition, top 3-gram", repetition.STAGE, RepetitionOptions(max_top_ngram=0.18)),
        ("repetition, duplicate 10-grams", repetition.STAGE, RepetitionOptions(max_duplicate_ngrams=0.1)),
        ("refusal, refusal", refusal.STAGE, RefusalOptions(lists=["refusal"], action="drop")),
        ("refusal, both lists", refusal.STAGE, RefusalOptions(lists=["refusal", "boilerplate"], action="drop")),
    ]
    for name, stage, options in asked:
        dropped = len(frame) - stage.apply(frame, options)["drop"].null_count()
        seconds = _median(lambda stage=stage, options=options: stage.apply(frame, options), rounds)  # type: ignore[misc]
        print(f"{name:<34}{len(frame) / seconds:>10,.0f}{dropped:>9}")


def _median(work: Callable[[], object], rounds: int) -> float:
    """Seconds of a piece of work that was done once before."""
    work()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flores", type=Path, default=SHARED / "langid" / "flores200")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dolly", type=Path, default=DATASETS / "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl")
    parser.add_argument("--gsm8k", type=Path, default=DATASETS / "openai/gsm8k/main/train-00000-of-00001.parquet")
    return parser.parse_args()


if __name__ == "__main__":
    main()
