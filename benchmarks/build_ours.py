"""What `bench_build.py` is about: `data_mix.build.build` with all its row-wise stages, on an empty cache."""

from __future__ import annotations

from pathlib import Path

from data_mix.build import BuildOptions, build
from data_mix.config import load
from data_mix.mix import resolve_mix
from data_mix.source import sources
from data_mix.stage import stages

MIX = """
bench:
  datasets:
    - dolly15k:
        input_file_path: dolly.jsonl
    - gsm8k:
        input_file_path: gsm8k.parquet
"""

sources(), stages()  # these import modules when they are first asked for; imports are not measured


def run(raw: Path, out: Path) -> int:
    """Resolve and build the mix; return the rows kept."""
    (raw / "bench.yaml").write_text(MIX, encoding="utf8")
    mix = resolve_mix(load(["bench"], config_dir=raw))
    built, _ = build(mix, out, BuildOptions(home=out.parent / "home"))
    return sum(part.rows for part in built.parts)
