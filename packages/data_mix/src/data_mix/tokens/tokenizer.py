"""A tokenizer as files: its vocabulary, its eos, and the ids of a template's control tokens in it.

A folder as `save_pretrained` writes it, a lone tokenizer.json, or a repository of the hub:

    tokenizer.json             the tokenizer itself (https://github.com/huggingface/tokenizers)
    tokenizer_config.json      names the eos
    special_tokens_map.json    named it in older folders
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from data_mix.errors import ConfigError, FetchError
from data_mix.template import ChatTemplate

TOKENIZER: Final = "tokenizer.json"
CONFIGS: Final = ("tokenizer_config.json", "special_tokens_map.json")
"""Where the eos is named, the first that names one counts."""

_NEVER: Final = (0xC0, 0xC1, *range(0xF5, 0x100))
"""Bytes that UTF-8 has no use for."""
_BYTES: Final = tuple(byte for byte in range(256) if byte not in _NEVER)
_RARE: Final = frozenset({*range(0x20), 0x7F, *range(0xF1, 0xF5)} - {*b"\t\n\r"})
"""Of control characters, and of characters beyond U+3FFFF: some tokenizers lack those that their training text never held."""


@dataclass(frozen=True)
class Tokenizer:
    """What is read of a tokenizer."""

    where: str
    """Its place, for errors."""
    json: str
    """The contents of tokenizer.json."""
    eos: str | None
    """What its configuration names; None where it names none, or there is no configuration."""

    @cached_property
    def sha256(self) -> str:
        """The digest of tokenizer.json."""
        return hashlib.sha256(self.json.encode()).hexdigest()

    @cached_property
    def data(self) -> dict[str, Any]:
        """The contents of tokenizer.json, parsed."""
        return dict(json.loads(self.json))

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token with its id, added ones included."""
        vocabulary = self.data["model"]["vocab"]
        if isinstance(vocabulary, list):  # Unigram: [token, score] in the order of the ids
            vocabulary = {entry[0]: place for place, entry in enumerate(vocabulary)}
        return {**vocabulary, **{token["content"]: token["id"] for token in self.added_tokens}}

    @cached_property
    def lost(self) -> tuple[int, ...]:
        """The bytes of UTF-8 that it has no token for, so that a text would lose them."""
        return tuple(byte for byte, token in _byte_tokens(self.data).items() if token not in self.vocabulary)

    @property
    def added_tokens(self) -> list[dict[str, Any]]:
        """The tokens beside the model's own."""
        return self.data.get("added_tokens") or []

    @property
    def special_tokens(self) -> set[str]:
        """The added tokens that are no text."""
        return {token["content"] for token in self.added_tokens if token["special"]}


@dataclass(frozen=True, kw_only=True)
class ControlTokens:
    """The control tokens of a template in a tokenizer."""

    ids: Mapping[str, int]
    """Of each control token of the template, and of its eos."""
    added: tuple[str, ...]
    """Those that the tokenizer did not have, in the order of their new ids."""
    vocabulary: int
    """Ids with the new ones: what a model must have rows for."""

    @property
    def known(self) -> int:
        """Ids without the new ones: what the tokenizer had."""
        return self.vocabulary - len(self.added)


def load_tokenizer(name: str | Path) -> Tokenizer:
    """Read a tokenizer from its folder, from a lone tokenizer.json, or from the hub where there is no such file.

    Raises ConfigError where it is not there, or is none that can spell every text; FetchError where the hub does not give it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        path /= TOKENIZER
    if not path.is_file():
        path = _from_hub(str(name)) if _is_repo(str(name)) else path
    configs = [_read_json(path.with_name(config)) for config in CONFIGS if path.with_name(config).is_file()]
    eos = next((_content(config["eos_token"]) for config in configs if config.get("eos_token")), None)
    tokenizer = Tokenizer(where=str(name), json=_read(path), eos=eos)
    _refuse_broken(tokenizer, path)
    return tokenizer


def control_tokens(tokenizer: Tokenizer, template: ChatTemplate) -> ControlTokens:
    """The ids of the template's control tokens; those that the tokenizer lacks follow its last id, in the template's order.

    Raises ConfigError where the template's eos is not the tokenizer's.
    """
    _refuse_other_eos(tokenizer, template)
    wanted = tuple(dict.fromkeys([*template.control_tokens, template.eos]))
    added = tuple(token for token in wanted if token not in tokenizer.vocabulary)
    first = max(tokenizer.vocabulary.values()) + 1
    new = {token: first + place for place, token in enumerate(added)}
    ids = {token: new[token] if token in new else tokenizer.vocabulary[token] for token in wanted}
    return ControlTokens(ids=ids, added=added, vocabulary=first + len(added))


def _refuse_other_eos(tokenizer: Tokenizer, template: ChatTemplate) -> None:
    if tokenizer.eos == template.eos or (tokenizer.eos is None and template.eos in tokenizer.special_tokens):
        return
    if tokenizer.eos is None:
        raise ConfigError(
            f"{tokenizer.where}: has no special token {template.eos!r}, which is the eos of the build's template; "
            "name its tokenizer, or build again with its eos as template.eos"
        )
    raise ConfigError(
        f"{tokenizer.where}: its eos is {tokenizer.eos!r}, that of the build's template is {template.eos!r}; "
        f"name another tokenizer, or build again with --template.eos '{tokenizer.eos}'"
    )


def _refuse_broken(tokenizer: Tokenizer, path: Path) -> None:
    """Refuse what is no tokenizer.json, and one that would lose characters without a word."""
    _read_json(path, tokenizer.json)
    try:
        lacks_eos = tokenizer.eos is not None and tokenizer.eos not in tokenizer.vocabulary
        missing = [byte for byte in tokenizer.lost if byte not in _RARE]
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: is no tokenizer.json ({type(error).__name__}: {error}); name a tokenizer's folder"
        ) from error
    if lacks_eos:
        raise ConfigError(f"{path}: lacks the eos {tokenizer.eos!r} that its configuration names; fetch the tokenizer again")
    if missing:
        raise ConfigError(
            f"{path}: its vocabulary is too small, it lacks {len(missing)} of the {len(_BYTES)} bytes of which it spells what "
            f"it has no word for (0x{missing[0]:02X}); train it with all bytes in its alphabet, or name another"
        )


def _byte_tokens(data: dict[str, Any]) -> dict[int, str]:
    """The token of each byte, by which a tokenizer spells any text: by its pre-tokenizer, or by its model's fallback."""
    if data["model"].get("byte_fallback"):
        return {byte: f"<0x{byte:02X}>" for byte in _BYTES}
    if "ByteLevel" not in {*_types(data.get("pre_tokenizer")), *_types(data.get("normalizer"))}:
        raise TypeError("it works neither on bytes nor with byte_fallback, and would lose characters")
    return {byte: _letter(byte) for byte in _BYTES}


def _letter(byte: int) -> str:
    """The letter by which byte-level tokenizers write a byte: itself where it can be seen, else one beyond U+00FF."""
    hidden = [other for other in range(0x100) if not (0x21 <= other <= 0x7E or (other >= 0xA1 and other != 0xAD))]
    return chr(0x100 + hidden.index(byte)) if byte in hidden else chr(byte)


def _types(part: Any) -> Iterator[str]:
    """The types of a normalizer or pre-tokenizer and of those that it consists of."""
    if isinstance(part, dict):
        yield str(part.get("type"))
        for inner in part.get("pretokenizers") or part.get("normalizers") or ():
            yield from _types(inner)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no tokenizer; name a folder with {TOKENIZER}, that file, or a repository of the hub (OWNER/NAME)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); check it and its permissions") from error


def _read_json(path: Path, text: str | None = None) -> dict[str, Any]:
    try:
        data = json.loads(_read(path) if text is None else text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON ({error}); fetch the tokenizer again") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds {type(data).__name__}, wanted a JSON object; fetch the tokenizer again")
    return data


def _content(token: Any) -> str:
    """A token's text; older configurations write it as an object."""
    return str(token["content"] if isinstance(token, dict) else token)


def _is_repo(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415  half a second that a local tokenizer does not need
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # noqa: PLC0415

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return not name.endswith(".json")


def _from_hub(repo: str) -> Path:
    """Fetch the files of a tokenizer from the hub, or from what is kept of it; return the path of tokenizer.json."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415  as above
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(repo, allow_patterns=[TOKENIZER, *CONFIGS])) / TOKENIZER
    except GatedRepoError as error:
        raise FetchError(f"{repo}: is gated; accept its terms on its page, then log in with `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise FetchError(f"{repo}: is neither a file, a folder nor a repository of the hub; check the name") from error
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise FetchError(
            f"{repo}: is neither a file nor a folder, and the hub does not give it ({str(error).splitlines()[0]}); "
            "check the name and the network, or name a folder"
        ) from error
