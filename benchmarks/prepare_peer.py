"""The peer of `bench_tokens.py`: raw files prepared for training by `trl.SFTTrainer`, in a Python that can import it.

    python prepare_peer.py RAW OUT TOKENIZER TEMPLATE

RAW holds `dolly.jsonl` and `gsm8k.parquet`, OUT is an empty folder, TOKENIZER a tokenizer's folder, and TEMPLATE a JSON file
with the chat template in Jinja, its control tokens and its eos. One line of JSON comes out: what it took, and what came of it.

The clock starts when a trainer stands that was made with one conversation: imports, the tokenizer, a model of a few weights and
whatever is done once in a process are not measured. Measured is what a training script does from there: the raw files to
conversations by `datasets` (with the cleaning that Dolly's and GSM8K's sources have here), then the trainer's own preparation.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import trl  # type: ignore[import-not-found]  # of the peer's Python, not of ours
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

Row = dict[str, Any]

MAX_LENGTH = 2048
IGNORED = -100
"""The label of a token that is not trained."""
CITATION = re.compile(r"\[(?:\d+|citation needed)\]")
CALCULATOR = re.compile(r"<<[^<>]*>>")
ONE = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}]

datasets.disable_progress_bars()


def main(raw: Path, out: Path, tokenizer: Path, template: Path) -> None:
    """Get ready, prepare by the clock, print."""
    loaded = load_tokenizer(tokenizer, json.loads(template.read_text(encoding="utf8")))
    trainer = make_trainer(loaded, out)
    began, cpu = time.perf_counter(), time.process_time()
    conversations = read_conversations(raw, out / "cache")
    was_read = time.perf_counter()
    packs = trainer._prepare_dataset(conversations, loaded, trainer.args, trainer.args.packing, None, "train")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    steps = {"read": was_read - began, "prepare": began + seconds - was_read}
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": megabytes, "steps": steps} | _counts(conversations, packs)))


def load_tokenizer(folder: Path, template: Row) -> Any:
    """The tokenizer with the template and its control tokens."""
    loaded: Any = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), eos_token=template["eos"])  # type: ignore[no-untyped-call]
    loaded.add_special_tokens({"additional_special_tokens": template["control_tokens"]})
    loaded.chat_template = template["jinja"]
    return loaded


def make_trainer(tokenizer: Any, out: Path) -> Any:
    """A trainer of a model that is as small as can be."""
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer), hidden_size=1, intermediate_size=1, num_hidden_layers=1, num_attention_heads=1
    )
    options = trl.SFTConfig(
        output_dir=str(out / "trainer"), max_length=MAX_LENGTH, packing=True, assistant_only_loss=True, use_cpu=True, bf16=False
    )
    return trl.SFTTrainer(
        GPTNeoXForCausalLM(config), options, train_dataset=datasets.Dataset.from_list(ONE), processing_class=tokenizer
    )


def read_conversations(raw: Path, cache: Path) -> datasets.Dataset:
    """Both raw files as conversations."""
    dolly = datasets.load_dataset("json", data_files=str(raw / "dolly.jsonl"), split="train", cache_dir=str(cache))
    gsm8k = datasets.load_dataset("parquet", data_files=str(raw / "gsm8k.parquet"), split="train", cache_dir=str(cache))
    dolly = dolly.map(_from_dolly, remove_columns=dolly.column_names)
    gsm8k = gsm8k.map(_from_gsm8k, remove_columns=gsm8k.column_names)
    return datasets.concatenate_datasets([dolly, gsm8k])


def _from_dolly(row: Row) -> Row:
    asked = f"{row['instruction']}\n\n{row['context']}" if row["context"] else row["instruction"]
    return _conversation(CITATION.sub("", asked), CITATION.sub("", row["response"]))


def _from_gsm8k(row: Row) -> Row:
    return _conversation(row["question"], CALCULATOR.sub("", row["answer"]))


def _conversation(asked: str, answer: str) -> Row:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}


def _counts(conversations: datasets.Dataset, packs: datasets.Dataset) -> Row:
    """What is in the packs; and the version, so that it stands beside the figures."""
    columns = packs.with_format("arrow")[:]
    labels = columns["labels"].combine_chunks().flatten().to_numpy()
    tokens, trained = len(labels), int((labels != IGNORED).sum())
    return {"rows": len(conversations), "packs": len(packs), "tokens": tokens, "trained": trained, "version": trl.__version__}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
