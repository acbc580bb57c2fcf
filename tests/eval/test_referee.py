"""lm-evaluation-harness judges a checkpoint of ours, and its numbers come in our shape."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from data_mix.errors import ConfigError, EvalError
from data_mix_eval.models.opening import open_hf
from data_mix_eval.question import TextPrompt
from data_mix_eval.referee import Terms, ask_lm_eval
from data_mix_eval.task import find_recipe, find_task

lm_eval = pytest.importorskip("lm_eval", reason="needs lm-eval 0.4.13, the extra `lm-eval` of data-mix-eval")

SUBJECTS = ("astronomy", "abstract_algebra")
ITEMS = 12


def write_task(folder: Path, mmlu: Path, subject: str) -> None:
    """lm-eval's own task of a subject, but that its records are local files."""
    files = {}
    for split in ("test", "dev"):
        with (mmlu / split / f"{subject}_{split}.csv").open(encoding="utf8", newline="") as file:
            records = [{"question": row[0], "choices": row[1:5], "answer": "ABCD".index(row[5])} for row in csv.reader(file)]
        files[split] = str(folder / f"{subject}.{split}")
        Path(files[split]).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    original = Path(lm_eval.__file__).parent / f"tasks/mmlu/default/mmlu_{subject}.yaml"
    source = f"dataset_path: json\ndataset_name: null\ndataset_kwargs: {json.dumps({'data_files': files})}\n"
    (folder / f"{subject}.yaml").write_text(f"include: {original}\ntask: local_{subject}\n{source}", encoding="utf8")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no hub."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("DATAMIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_same_decisions_as_ours(shared: Path, offline: Path) -> None:
    """Every decision of lm-eval's on real items is ours, as is the score; its prompts are ours byte by byte."""
    folder, mmlu = shared / "models/stories260k", shared / "eval/mmlu"
    for subject in SUBJECTS:
        write_task(offline, mmlu, subject)
    ruling = ask_lm_eval(
        str(folder), Terms(tasks=["local_*"], shots=5, limit=ITEMS, include_path=offline, options={"dtype": "float32"})
    )
    assert ruling.version == "0.4.13"
    task, model = find_task("mmlu"), open_hf(str(folder), device="cpu")
    records = task.read([path for subject in SUBJECTS for path in sorted(mmlu.glob(f"*/{subject}_*.csv"))])
    asked = find_recipe(task, "standard").ask(records)
    for subject in SUBJECTS:
        questions = [question for question in asked if question.subject == subject][:ITEMS]
        samples = sorted(ruling.samples[f"local_{subject}"], key=lambda each: each["doc_id"])
        picked = [answer.logprobs.index(max(answer.logprobs)) for answer in model.loglikelihood(questions)]
        for question, place, sample in zip(questions, picked, samples, strict=True):
            values = [float(answer[0][0]) for answer in sample["resps"]]
            assert values.index(max(values)) == place
            assert isinstance(question.prompt, TextPrompt)
            assert sample["prompt_hash"] == hashlib.sha256(question.prompt.text.encode()).hexdigest()
        right = sum("ABCD"[place] == question.target for place, question in zip(picked, questions, strict=True))
        assert ruling.results[f"local_{subject}"]["acc"]["value"] == pytest.approx(right / ITEMS)
        assert ruling.items[f"local_{subject}"] == ITEMS
        assert ruling.shots[f"local_{subject}"] == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_unknown_task(offline: Path) -> None:
    """A task that lm-eval does not know is an error in one line."""
    with pytest.raises(ConfigError, match="lm-eval knows no task 'no_such_task'"):
        ask_lm_eval(str(offline), Terms(tasks=["no_such_task"]))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_no_model(shared: Path, offline: Path) -> None:
    """A folder that holds no model is an error in one line."""
    write_task(offline, shared / "eval/mmlu", "astronomy")
    with pytest.raises(EvalError, match="lm-eval cannot run local_astronomy on") as caught:
        ask_lm_eval(str(offline), Terms(tasks=["local_astronomy"], include_path=offline))
    assert "\n" not in str(caught.value)
