"""The hub's token: read in one place, and shown in none.

It is taken from where huggingface_hub takes it (`HF_TOKEN`, `hf auth login`), and then kept from the environment of processes
that are started, and out of whatever is logged or printed.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

from huggingface_hub import get_token

from data_mix.engine import tokens_held

_SHAPE: Final = re.compile(r"hf_[A-Za-z0-9]{20,}")
_MASK: Final = "hf_***"


class TokenMask(logging.Filter):
    """Takes tokens out of log records: whatever looks like one of the hub's, and the values that are known."""

    def __init__(self, *known: str | None) -> None:
        super().__init__()
        self._known = [value for value in known if value]

    def mask(self, text: str) -> str:
        """The text without tokens."""
        for value in self._known:
            text = text.replace(value, _MASK)
        return _SHAPE.sub(_MASK, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, masked; its traceback is made to text here, so that it can be masked too."""
        record.msg, record.args = self.mask(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        record.exc_text = self.mask(record.exc_text) if record.exc_text else None
        return True

    def print_traceback(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Print what ended the program, as Python does, without tokens."""
        sys.stderr.write(self.mask("".join(traceback.format_exception(kind, error, trace))))


@contextmanager
def token_in_hand() -> Iterator[str | None]:
    """The hub's token while the block runs; None where there is none.

    Meanwhile no process that is started inherits it, and no handler of the root logger or of huggingface_hub's writes it. A
    traceback of what ends the program is masked for good: Python prints it after the block.
    """
    token = get_token()
    with tokens_held() as kept:
        mask = TokenMask(token, *kept.values())
        handlers = [each for name in (None, "huggingface_hub") for each in logging.getLogger(name).handlers]
        sys.excepthook = mask.print_traceback
        for handler in handlers:
            handler.addFilter(mask)
        try:
            yield token
        finally:
            for handler in handlers:
                handler.removeFilter(mask)
