"""transformers as a model's users have it: a tokenizer with a template's control tokens and its chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data_mix.template import ChatTemplate
from sample_tokenizers import as_users_have_it

Messages = Sequence[Mapping[str, Any]]


class Encoded(NamedTuple):
    """Conversations as transformers encodes them."""

    ids: list[list[int]]
    masks: list[list[int]]
    """1 where transformers would train, 0 elsewhere."""


class ChatPeer:
    """A tokenizer of transformers to compare with."""

    def __init__(self, folder: Path, template: ChatTemplate) -> None:
        from transformers import PreTrainedTokenizerFast

        make: Any = PreTrainedTokenizerFast  # its types are not written down
        self.tokenizer = make(tokenizer_object=as_users_have_it(folder, template), eos_token=template.eos)
        self.tokenizer.chat_template = template.jinja()

    def render(self, conversations: Sequence[Messages], **options: Any) -> list[str]:
        """Each conversation as text."""
        texts: list[str] = self.tokenizer.apply_chat_template(list(conversations), tokenize=False, **options)
        return texts

    def encode(self, conversations: Sequence[Messages]) -> Encoded:
        """Each conversation as ids, and the assistant mask of them."""
        found = self.tokenizer.apply_chat_template(
            list(conversations), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        return Encoded(found["input_ids"], found["assistant_masks"])
