"""Tokens → text, one at a time, up to a stop.

Tokens are decoded together with some before them, the prompt's last ones at first: tokenizers of the SentencePiece family take
the blank from what they take for the beginning of a text, and a character may be several tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BEFORE: Final = 6
"""Tokens of the prompt that are decoded along."""
_BROKEN: Final = "\N{REPLACEMENT CHARACTER}"


class Writing:
    """The text of an answer that grows. It is done at a stop, which does not belong to it, at an end token, or at its limit."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt: Sequence[int],
        *,
        ends: Collection[int],
        stops: Sequence[str] = (),
        max_tokens: int,
    ) -> None:
        self._tokenizer, self._ends = tokenizer, ends
        self._stops = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=0)
        self._ids = list(prompt[-_BEFORE:])
        self._known, self._new = 0, len(self._ids)
        self._left = max_tokens
        self.text = ""
        self.tokens = 0
        self.is_done = max_tokens <= 0

    def add(self, token: int) -> None:
        """Write on."""
        self.tokens += 1
        self._left -= 1
        self.is_done = token in self._ends or self._left <= 0
        if token not in self._ends:
            self._ids.append(token)
            self._settle(is_last=self.is_done)
        elif self._new < len(self._ids):
            self._settle(is_last=True)

    def _settle(self, *, is_last: bool) -> None:
        """Decode what is new, unless its last character is not whole yet."""
        before = self._decode(self._ids[self._known : self._new])
        whole = self._decode(self._ids[self._known :])
        if (whole.endswith(_BROKEN) or len(whole) <= len(before)) and not is_last:
            return
        self._known, self._new = self._new, len(self._ids)
        self._append(whole[len(before) :])

    def _decode(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _append(self, text: str) -> None:
        start = max(0, len(self.text) - self._longest)
        self.text += text
        found = [place for stop in self._stops if (place := self.text.find(stop, start)) >= 0]
        if found:
            self.text = self.text[: min(found)]
            self.is_done = True

    @property
    def sure(self) -> int:
        """Characters that no stop can take back any more."""
        return len(self.text) if self.is_done else max(0, len(self.text) - self._longest)
