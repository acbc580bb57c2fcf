"""Conversations → token shards: ids, and the spans of them that count in the loss.

tokenizer      a tokenizer's files, its eos, the ids of control tokens
encode         plain text → ids
proof          a sample of every build, encoded by `tokenizers` as well
layout         a template in ids
rows           messages → rows of ids and spans
parts          a part of a build → ids
leftovers      what is of no use any more
tokenizing     a build → its token shards
opening        where user turns begin, in ids
token_shards   what the shards are; reading and verifying them
"""

from data_mix.tokens.encode import beside_control_tokens
from data_mix.tokens.opening import user_opening
from data_mix.tokens.token_shards import Tokens, open_tokens, read_tokens, template_of, verify_tokens
from data_mix.tokens.tokenizer import ControlTokens, Tokenizer, control_tokens, load_tokenizer
from data_mix.tokens.tokenizing import prepare, tokenize_build

__all__ = [
    "ControlTokens",
    "Tokenizer",
    "Tokens",
    "beside_control_tokens",
    "control_tokens",
    "load_tokenizer",
    "open_tokens",
    "prepare",
    "read_tokens",
    "template_of",
    "tokenize_build",
    "user_opening",
    "verify_tokens",
]
