"""The digest of a checkpoint: of the bytes of its files, taken once and remembered, and of what else changes answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from data_mix.fetch import DigestStore

_PATTERNS: Final = (
    "*.safetensors",
    "config.json",
    "generation_config.json",
    "*token*.json",
    "tekken.json",
    "*.model",
    "vocab.*",
    "merges.txt",
    "chat_template*",
)
"""Weights, configuration and tokenizer; a log beside them changes no answer."""


def checkpoint_digest(folder: Path, settings: Mapping[str, object], digests: DigestStore) -> str:
    """SHA-256 of the checkpoint's files by name, and of `settings`. Raises FetchError where one cannot be read."""
    files = sorted({path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()})
    content = {path.name: digests.sha256(path.resolve()) for path in files}
    return hashlib.sha256(json.dumps([content, dict(settings)], sort_keys=True).encode()).hexdigest()
