"""How often each row is taken: shares, epochs, temperature and budgets."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.errors import BuildError
from data_mix.mixing import MixingSettings, draw_mix, summarise
from data_mix.source import SourceOptions

LANGUAGES = ("en", "ja", "zh-CN")

Taken = dict[str, int]


def train_rows(*sizes: int, seed: int = 0) -> pl.DataFrame:
    """Rows of train of so many entries, with lengths and languages drawn by the seed, and one of validation each."""
    draw = random.Random(seed)
    rows = [
        {
            "id": f"e{entry}/{number}",
            "entry": entry,
            "lang": draw.choice(LANGUAGES),
            "split": "train" if number else "validation",
            "tokens": (tokens := draw.randint(5, 60)),
            "trained_tokens": draw.randint(1, tokens),
        }
        for entry, size in enumerate(sizes)
        for number in range(size + 1)
    ]
    types = {"entry": pl.Int32, "tokens": pl.UInt32, "trained_tokens": pl.UInt32}
    return pl.DataFrame(rows, schema_overrides=types).with_columns(drop=pl.lit(None, pl.String))


def drawn(keys: pl.DataFrame, *options: dict[str, Any], **mixing: Any) -> pl.DataFrame:
    """The rows with their copies."""
    each = [SourceOptions.model_validate(option) for option in options]
    each += [SourceOptions.model_validate({})] * (10 - len(each))
    return draw_mix(keys, each, MixingSettings.model_validate(mixing), seed=0)


def copies(frame: pl.DataFrame) -> Taken:
    """How often each row of train is taken."""
    return dict(frame.filter(pl.col("split") == "train").select("id", "copies").iter_rows())


def taken(frame: pl.DataFrame, what: str | None = None) -> list[int]:
    """Rows (or tokens) of train by entry, copies included."""
    amount = pl.col("copies").cast(pl.Int64) * (pl.col(what).cast(pl.Int64) if what else 1)
    train = frame.with_columns(amount=pl.when(pl.col("split") == "train").then(amount).otherwise(0))
    return train.group_by("entry").agg(pl.col("amount").sum()).sort("entry")["amount"].to_list()


def is_within(less: Taken, more: Taken) -> bool:
    """Whether the one is part of the other."""
    return all(more.get(name, 0) >= count for name, count in less.items())


def test_without_a_word_of_mixing_every_row_is_taken_once() -> None:
    """The defaults leave a build as it was."""
    frame = drawn(train_rows(50, 20))
    assert set(frame["copies"]) == {1}
    assert frame["drop"].null_count() == len(frame)


def test_a_temperature_of_one_takes_all_that_there_is() -> None:
    """Shares in proportion to the sizes are filled by every row once."""
    assert taken(drawn(train_rows(100, 30, 7), temperature=1.0)) == [100, 30, 7]


def test_an_infinite_temperature_makes_entries_equal() -> None:
    """Without over-sampling, all are cut to the size of the smallest."""
    assert taken(drawn(train_rows(100, 30, 7), temperature="inf")) == [7, 7, 7]


def test_yaml_s_infinity_is_the_word_for_it() -> None:
    """`.inf` says the same as `inf`."""
    assert MixingSettings(temperature=float("inf")).temperature == "inf"


def test_a_temperature_of_two_takes_roots() -> None:
    """Shares are in proportion to the square roots of the sizes."""
    assert taken(drawn(train_rows(400, 100, 25), temperature=2.0)) == [100, 50, 25]


def test_a_weight_multiplies_a_share() -> None:
    """Twice the weight, twice as dense."""
    assert taken(drawn(train_rows(100, 60), {"weight": 2.0})) == [100, 30]


def test_a_total_is_filled_to_the_row() -> None:
    """Exactly so many rows are taken, in equal shares where the temperature makes them equal."""
    assert taken(drawn(train_rows(100, 60, 30), temperature="inf", total=60)) == [20, 20, 20]


def test_what_an_entry_cannot_fill_goes_to_the_others() -> None:
    """A small entry is taken whole, and the rest is shared out; what max_epochs allows is repeated first."""
    assert taken(drawn(train_rows(100, 60, 10), temperature="inf", total=90)) == [40, 40, 10]
    assert taken(drawn(train_rows(100, 60, 10), temperature="inf", total=90, max_epochs=2.0)) == [35, 35, 20]
    assert taken(drawn(train_rows(100, 60, 10), {}, {}, {"max_epochs": 3.0}, temperature="inf", total=90)) == [30, 30, 30]


def test_a_total_beyond_what_there_is_is_said() -> None:
    """All is taken, and a notice says how much that was."""
    keys, options = train_rows(30, 10), {"a": SourceOptions.model_validate({}), "b": SourceOptions.model_validate({})}
    wanted = MixingSettings(total=100, max_epochs=2.0)
    summary = summarise(draw_mix(keys, list(options.values()), wanted, seed=0), options, wanted)
    assert [entry["epochs"] for entry in summary["entries"].values()] == [2.0, 2.0]
    assert summary["notices"] == ["mixing.total: 100 rows were asked for, 80 could be had within max_epochs"]


def test_epochs_are_whole_copies_and_a_part() -> None:
    """2.5 epochs are all rows twice and half of them once more; the half is what 0.5 epochs take."""
    keys = train_rows(100)
    whole, half = copies(drawn(keys, {"epochs": 2.5})), copies(drawn(keys, {"epochs": 0.5}))
    assert sorted(whole.values()) == [2] * 50 + [3] * 50
    assert {name for name, count in whole.items() if count == 3} == set(half)


def test_epochs_stand_outside_of_the_shares() -> None:
    """An entry that says epochs is taken so often, and the others share what it leaves of the total."""
    assert taken(drawn(train_rows(10, 100, 100), {"epochs": 3.0}, total=70)) == [30, 20, 20]


def test_epochs_that_pass_the_total_are_refused() -> None:
    """The two say opposite things, so neither is quietly broken."""
    with pytest.raises(BuildError, match=r"mixing\.total: found 5, but the entries that say epochs hold 20 alone"):
        drawn(train_rows(10), {"epochs": 2.0}, total=5)


def test_a_budget_of_tokens_is_filled_and_never_passed() -> None:
    """What is left of it is less than one conversation; repeats come when all rows are there."""
    keys = train_rows(100)
    frame = drawn(keys, {"epochs": 10.0, "max_train_tokens": 5000})
    assert 5000 - 60 < taken(frame, "tokens")[0] <= 5000
    counts = copies(frame)
    assert len(counts) == 100
    assert max(counts.values()) - min(counts.values()) == 1


def test_a_budget_leaves_its_reason() -> None:
    """What the budget has no room for is counted by its name."""
    frame = drawn(train_rows(100), {"max_train_tokens": 500})
    assert set(frame["drop"].drop_nulls()) == {"max_train_tokens"}
    assert frame.filter(pl.col("drop").is_not_null())["copies"].sum() == 0


def test_an_entry_s_budget_is_its_size_to_the_others() -> None:
    """A budget makes an entry smaller; the others are not cut to keep its share of before."""
    assert taken(drawn(train_rows(100, 50), {"max_train_tokens": 300}, temperature=1.0))[1] == 50


def test_a_language_s_budget_holds_over_all_entries() -> None:
    """A tag stands for its regions, and what is beyond is counted as language_budget."""
    frame = drawn(train_rows(200, 100), languages={"zh": {"max_tokens": 700}})
    chinese = frame.filter((pl.col("lang") == "zh-CN") & (pl.col("split") == "train"))
    assert 640 < chinese["tokens"].sum() <= 700
    assert set(chinese["entry"]) == {0, 1}
    assert set(frame["drop"].drop_nulls()) == {"language_budget"}
    assert frame.filter(pl.col("lang") != "zh-CN")["drop"].drop_nulls().is_empty()


def test_a_language_s_weight_makes_it_denser() -> None:
    """The weighted language is taken whole, the others half, in every entry."""
    frame = drawn(train_rows(400, 200), languages={"ja": {"weight": 2.0}})
    train = frame.filter((pl.col("split") == "train") | (pl.col("drop") == "mixing"))
    rates = train.group_by("entry", pl.col("lang") == "ja").agg(pl.col("copies").mean()).sort("entry", "lang")["copies"]
    assert rates.to_list() == pytest.approx([0.5, 1, 0.5, 1], abs=0.02)


def test_temperature_over_languages_evens_out_languages() -> None:
    """Of each language there is as much, whatever entry it comes from."""
    keys = train_rows(300, 100).with_columns(
        lang=pl.when(pl.col("id").str.ends_with("7")).then(pl.lit("ja")).otherwise(pl.lit("en"))
    )
    train = drawn(keys, temperature="inf", temperature_over="languages").filter(pl.col("split") == "train")
    counts = dict(train["lang"].value_counts().iter_rows())
    assert counts["ja"] == 40
    assert counts["en"] == pytest.approx(40, abs=1)


@pytest.mark.parametrize("unit", ["tokens", "trained_tokens"])
def test_shares_may_be_of_tokens(unit: str) -> None:
    """A total of tokens is filled but for less than a row, in shares that are equal but for a row."""
    frame = drawn(train_rows(200, 200), unit=unit, temperature="inf", total=2000)
    first, second = taken(frame, unit)
    assert 2000 - 60 < first + second <= 2000
    assert abs(first - second) <= 60


def test_validation_is_left_alone() -> None:
    """No share, no budget takes a row of validation, and none is repeated."""
    frame = drawn(train_rows(50, 50), {"epochs": 3.0}, {"max_train_tokens": 0}, languages={"en": {"max_tokens": 0}})
    validation = frame.filter(pl.col("id").str.ends_with("/0"))
    assert validation.select("split", "copies").rows() == [("validation", 1)] * 2


def test_an_entry_that_is_added_changes_no_other_s_order() -> None:
    """What is taken of an entry with and without another one in the mix is a part of the other."""
    alone, both = (copies(drawn(train_rows(*sizes), temperature=3.0, total=60)) for sizes in ((80, 40), (80, 40, 90)))
    assert is_within({name: count for name, count in both.items() if not name.startswith("e2")}, alone)


def test_a_copy_whose_name_is_taken_is_refused() -> None:
    """Ids are unique in a build, so a record that is called as another's copy would be is an error."""
    keys = train_rows(2).with_columns(id=pl.Series(["e0/v", "e0/a", "e0/a#2"]))
    with pytest.raises(BuildError, match="the id 'e0/a#2' is that of another row's copy"):
        drawn(keys, {"epochs": 2.0})


MIXES = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.integers(1, 60), min_size=1, max_size=5),
        "weights": st.lists(st.sampled_from([None, 0.5, 1.0, 2.0, 7.0]), min_size=5, max_size=5),
        "budgets": st.lists(st.sampled_from([None, 0, 100, 800]), min_size=5, max_size=5),
        "seed": st.integers(0, 99),
        "mixing": st.fixed_dictionaries(
            {
                "unit": st.sampled_from(["rows", "tokens", "trained_tokens"]),
                "temperature": st.sampled_from([None, 0.5, 1.0, 3.0, "inf"]),
                "temperature_over": st.sampled_from(["entries", "languages"]),
                "total": st.sampled_from([None, 0, 40, 900, 20_000]),
                "max_epochs": st.sampled_from([0.5, 1.0, 1.7, 4.0]),
                "languages": st.sampled_from([{}, {"zh": {"max_tokens": 300}}, {"ja": {"weight": 3.0, "max_tokens": 500}}]),
            }
        ),
    }
)


def of_mix(mix: dict[str, Any], **changed: Any) -> pl.DataFrame:
    """A random mix, drawn."""
    options = [
        {name: value for name, value in (("weight", weight), ("max_train_tokens", budget)) if value is not None}
        for weight, budget in zip(mix["weights"], mix["budgets"], strict=True)
    ]
    return drawn(train_rows(*mix["sizes"], seed=mix["seed"]), *options, **mix["mixing"] | changed)


@given(mix=MIXES)
@settings(deadline=None, max_examples=150)
def test_of_any_mix_nothing_is_lost_and_nothing_passes_its_limit(mix: dict[str, Any]) -> None:
    """Rows and copies add up, and budgets, the total and max_epochs hold."""
    frame = of_mix(mix)
    assert (frame["drop"].is_null() == (frame["copies"] > 0)).all()
    assert (frame["split"].is_null() == frame["drop"].is_not_null()).all()
    train, unit = frame.filter(pl.col("split") == "train"), mix["mixing"]["unit"]
    for entry, budget in enumerate(mix["budgets"][: len(mix["sizes"])]):
        assert budget is None or taken(frame, "tokens")[entry] <= budget
    for tag, limits in mix["mixing"]["languages"].items():
        mine = train.filter(pl.col("lang").str.starts_with(tag))
        assert (mine["tokens"].cast(pl.Int64) * mine["copies"]).sum() <= limits["max_tokens"]
    total = mix["mixing"]["total"]
    if total is not None:
        assert sum(taken(frame, None if unit == "rows" else unit)) <= total
    shares = MixingSettings.model_validate(mix["mixing"]).has_shares(
        [SourceOptions.model_validate({"weight": each}) for each in mix["weights"]]
    )
    assert train.is_empty() or train["copies"].max() <= (-(-mix["mixing"]["max_epochs"] // 1) if shares else 1)  # type: ignore[operator]


@given(mix=MIXES, more=st.integers(0, 3000))
@settings(deadline=None, max_examples=100)
def test_of_any_mix_a_raised_total_only_adds(mix: dict[str, Any], more: int) -> None:
    """Whoever is taken at one total is taken as often at every larger one."""
    assert is_within(copies(of_mix(mix, total=500)), copies(of_mix(mix, total=500 + more)))


@given(mix=MIXES, more=st.integers(0, 3000))
@settings(deadline=None, max_examples=100)
def test_of_any_mix_a_raised_budget_only_adds_to_its_entry(mix: dict[str, Any], more: int) -> None:
    """Whoever a smaller budget has room for, a larger one has."""
    mix["mixing"] |= {"temperature": None, "temperature_over": "entries", "total": None, "languages": {}}
    mix["weights"] = [None] * 5
    less, larger = (copies(of_mix(mix | {"budgets": [budget] + [None] * 4})) for budget in (400, 400 + more))
    assert is_within(less, larger)


@given(mix=MIXES, total=st.integers(1, 100))
@settings(deadline=None, max_examples=100)
def test_of_any_mix_shares_are_within_one_row_of_the_target(mix: dict[str, Any], total: int) -> None:
    """Where nothing else binds, every entry is within a row of weight × n^(1/T) of the total."""
    sizes, weights = mix["sizes"][:3], [each or 1.0 for each in mix["weights"]]
    temperature = mix["mixing"]["temperature"]
    power = 0.0 if temperature == "inf" else 1 / (temperature or 1.0)
    options = [{"weight": weight} for weight in weights]
    keys = train_rows(*sizes)
    frame = drawn(keys, *options, temperature=temperature, total=total, max_epochs=1e6)
    raw = [weight * size**power for weight, size in zip(weights, sizes, strict=False)]
    targets = [total * each / sum(raw) for each in raw]
    found = taken(frame)
    assert sum(found) == total
    assert all(abs(one - target) < 1 + 1e-6 for one, target in zip(found, targets, strict=True))
