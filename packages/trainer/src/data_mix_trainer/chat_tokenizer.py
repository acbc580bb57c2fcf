"""The tokenizer that is saved with a model: the base's, with the template's control tokens and its layout as chat template.

It gives the ids of the token shards for every conversation without control-like text, and puts nothing around a text: what a
template has at the beginning of a conversation, its chat template writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import AddedToken, PreTrainedTokenizerFast

from data_mix.errors import ConfigError
from data_mix.template import ChatTemplate
from data_mix.tokens import ControlTokens, control_tokens, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TOKENIZER: Final = "tokenizer.json"
_SAMPLING: Final = ("temperature", "top_k", "top_p", "min_p", "typical_p")


def chat_tokenizer(
    name: str, template: ChatTemplate, *, control: ControlTokens | None = None, max_length: int | None = None
) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder, a lone tokenizer.json or the hub, as it is to be saved with a model.

    Its eos is the token that ends a turn; `max_length` is the model's context, the base's where none is given. `control` are
    the template's tokens in it; where they are not at hand, tokenizer.json is read once more for them.
    Raises ConfigError where it is none, is of another eos, or where transformers gives control tokens other ids than the token
    shards have; FetchError where the hub does not give it.
    """
    control = control or control_tokens(load_tokenizer(name), template)
    tokenizer = _load(name)
    # Those that the base has come too, so that each is found in a text, whatever stands around it.
    new = [AddedToken(token, special=True, normalized=False) for token in control.ids]
    tokenizer.add_tokens(new, special_tokens=True)
    _refuse_other_ids(tokenizer, control, name)
    tokenizer.eos_token = template.end_of_turn
    tokenizer.pad_token = tokenizer.pad_token or template.eos
    tokenizer.chat_template = template.jinja()
    tokenizer.model_max_length = max_length or tokenizer.model_max_length
    return tokenizer


def _load(name: str) -> PreTrainedTokenizerFast:
    """Load a tokenizer by the class that takes tokenizer.json as it is; others make parts of it anew."""
    path = Path(name).expanduser()
    plain: Mapping[str, Any] = {"add_bos_token": False, "add_eos_token": False}
    if path.is_file() and path.name != _TOKENIZER:
        return PreTrainedTokenizerFast(tokenizer_file=str(path), **plain)  # type: ignore[no-untyped-call]
    folder = path.parent if path.is_file() else path
    loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder if folder.is_dir() else name, **plain)
    return loaded


def _refuse_other_ids(tokenizer: PreTrainedTokenizerFast, control: ControlTokens, name: str) -> None:
    found = {token: tokenizer.convert_tokens_to_ids(token) for token in control.ids}
    wrong = [token for token, wanted in control.ids.items() if found[token] != wanted]
    if wrong:
        raise ConfigError(
            f"{name}: transformers gives {wrong[0]} the id {found[wrong[0]]}, the token shards {control.ids[wrong[0]]}: its "
            f"configuration names tokens that {_TOKENIZER} lacks; load and save it once by transformers, and name that folder"
        )


def set_ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, template: ChatTemplate) -> None:
    """Let the model stop at the end of a turn and at the template's eos, here and wherever it is saved.

    The tokenizer is `chat_tokenizer`'s.
    """
    found = dict.fromkeys([tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(template.eos)])
    ends = list(found) if len(found) > 1 else next(iter(found))
    text, generation = model.config.get_text_config(), model.generation_config
    for config in (text, generation):
        config.eos_token_id, config.pad_token_id = ends, tokenizer.pad_token_id
    if not generation.do_sample:
        for key in _SAMPLING:  # of no effect here, but transformers would refuse to save them
            setattr(generation, key, None)
