"""Conversations → token shards: ids, and the spans of them that count in the loss.

tokenizer      a tokenizer's files, its eos, the ids of control tokens
encode         plain text → ids
proof          a sample of every build, encoded by `tokenizers` as well
layout         a template in ids
rows           messages → rows of ids and spans
parts          a part of a build → ids
tokenizing     a build → its token shards
token_shards   what the shards are; reading them
"""

from data_mix.tokens.token_shards import Tokens, open_tokens, read_tokens
from data_mix.tokens.tokenizer import ControlTokens, Tokenizer, control_tokens, load_tokenizer
from data_mix.tokens.tokenizing import tokenize_build

__all__ = [
    "ControlTokens",
    "Tokenizer",
    "Tokens",
    "control_tokens",
    "load_tokenizer",
    "open_tokens",
    "read_tokens",
    "tokenize_build",
]
