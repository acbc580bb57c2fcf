"""The two YAML blocks of the reference model's card, as it prints them: what a user pastes into a file of his own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DATASETS: Final = """\
datasets:
  - wmt2019_zh-en:
      max_val_set: 1000
      max_train_set: 20000
  - ted_trans_en-ja:
      max_val_set: 1000
      max_train_set: 20000
  - ted_trans_zh-ja:
      max_val_set: 1000
      max_train_set: 20000
  - ikala:
      input_file_path: export_conversation_v4.4.jsonl
      val_split: 0.05
  - dolly15k:
      val_split: 0.05
  - oasst_export:
      lang: "bg,ca,cs,da,de,en,es,fr,hr,hu,it,nl,pl,pt,ro,ru,sl,sr,sv,uk,zh,ja,th,ko"
      input_file_path: 2023-04-12_oasst_release_ready_synth.jsonl.gz
      val_split: 0.05
  - joke
  - gsm8k
  - webgpt
"""

MODEL: Final = """\
redpajama-3b:
  dtype: fp16
  log_dir: "redpajama_3b"
  learning_rate: 1e-5
  model_name: saved_models/RedPajama-INCITE-Base-3B-v1
  output_dir: ikala_v4_3b
  weight_decay: 0.0
  max_length: 8196
  warmup_steps: 2000
  gradient_checkpointing: true
  gradient_accumulation_steps: 32
  per_device_train_batch_size: 1
  per_device_eval_batch_size: 2
  eval_steps: 500
  save_steps: 1000
  num_train_epochs: 8
  save_total_limit: 2
  deepspeed_config: configs/zero3_config_sft.json
"""

FILES: Final = ("export_conversation_v4.4.jsonl", "2023-04-12_oasst_release_ready_synth.jsonl.gz")
"""The files of the user's own that the mix names."""

NAMES: Final = (
    *("wmt2019_zh-en", "ted_trans_en-ja", "ted_trans_zh-ja"),
    *("ikala", "dolly15k", "oasst_export", "joke", "gsm8k", "webgpt"),
)
"""The entries of the mix, in order."""


def paste(folder: Path, *texts: str) -> Path:
    """Write the texts into one YAML file of a new folder `configs`; return that folder."""
    configs = folder / "configs"
    configs.mkdir(parents=True, exist_ok=True)
    (configs / "mine.yaml").write_text("\n".join(texts), encoding="utf8")
    return configs
