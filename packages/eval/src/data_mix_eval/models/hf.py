"""A checkpoint of transformers as a model that can be scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from data_mix.errors import EvalError
from data_mix.fetch import DigestStore
from data_mix.home import datamix_home
from data_mix_eval.models.batching import batches
from data_mix_eval.models.checkpoint import Checkpoint
from data_mix_eval.models.choosing import choose_network
from data_mix_eval.models.decoding import Begun, Decoder
from data_mix_eval.models.digest import checkpoint_digest
from data_mix_eval.models.encoding import Encoded, Encoder
from data_mix_eval.models.network import Ids
from data_mix_eval.models.packed import PackedNetwork
from data_mix_eval.models.scoring import score
from data_mix_eval.models.writing import Writing
from data_mix_eval.question import Answer, Question, Sampling

BATCH_SIZE: Final = 32
"""Answers that are computed at once."""


class HfModel:
    """A model with its tokenizer, on one device."""

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        *,
        batch_size: int = BATCH_SIZE,
        max_length: int | None = None,
        seed: int = 0,
        digests: DigestStore | None = None,
    ) -> None:
        self.name = name
        self._checkpoint, self._batch_size = checkpoint, batch_size
        self._max_length = max_length or checkpoint.context
        self._digests = digests or DigestStore(datamix_home() / "digests")
        self._network = choose_network(checkpoint.model)
        self._encoder = Encoder(checkpoint.tokenizer, self._max_length)
        self._decoder = Decoder(self._network, checkpoint.tokenizer, ends=checkpoint.ends, seed=seed)

    @cached_property
    def digest(self) -> str:
        """See `Model`; the batch size, which changes the last digits of a float, is not in it."""
        settings = {name: self.describe()[name] for name in ("engine", "dtype", "device", "context")}
        return checkpoint_digest(self._checkpoint.folder, settings, self._digests)

    def describe(self) -> dict[str, Any]:
        """See `Model`."""
        model = self._checkpoint.model
        return {
            "engine": "hf",
            "class": type(model).__name__,
            "parameters": model.num_parameters(),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": model.device.type,
            "context": self._max_length,
            "vocabulary": len(self._checkpoint.tokenizer),
            "batch_size": self._batch_size,
            "reads": "packed" if isinstance(self._network, PackedNetwork) else "alike",
        }

    def batches(self, questions: Sequence[Question]) -> list[list[int]]:
        """See `Model`."""
        return batches(questions, self._batch_size)

    def loglikelihood(self, questions: Sequence[Question]) -> list[Answer]:
        """See `Model`."""
        return score(self._network, questions, [self._encoder.scored(question) for question in questions])

    def generate(self, questions: Sequence[Question]) -> list[Answer]:
        """See `Model`. An answer ends at the context's end, however many tokens were asked for."""
        encoded = [self._encoder.generated(question, _sampling(question).max_tokens) for question in questions]
        written: list[list[Writing]] = [[] for _ in questions]
        for places in _by_shared(encoded):
            begun = [(place, self._begun(questions[place], encoded[place])) for place in places]
            for wave in _waves(begun, self._batch_size):
                found = self._decoder.answer(encoded[places[0]].shared, [each for _, each in wave])
                for (place, _), writings in zip(wave, found, strict=True):
                    written[place] += writings
        return [_answer(*each) for each in zip(encoded, written, strict=True)]

    def stream(self, messages: Sequence[dict[str, str]], sampling: Sampling, seed: int = 0) -> Iterator[str]:
        """The assistant's next message, in pieces as they are written; `messages` are `{"role", "content"}`.

        Raises EvalError where the checkpoint has no chat template, or the conversation is longer than its context.
        """
        ids = self._encoder.conversation(messages)
        room = min(sampling.max_tokens, self._max_length - len(ids))
        begun = Begun(id="chat", ids=ids, sampling=sampling, samples=range(seed, seed + 1), max_tokens=room)
        told = 0
        for writing in self._decoder.stream(begun):
            if writing.sure > told:
                yield writing.text[told : writing.sure]
                told = writing.sure

    def _begun(self, question: Question, encoded: Encoded) -> Begun:
        sampling = _sampling(question)
        room = min(sampling.max_tokens, self._max_length - len(encoded.ids))
        return Begun(id=question.id, ids=encoded.ids, sampling=sampling, samples=range(sampling.samples), max_tokens=room)


def _sampling(question: Question) -> Sampling:
    if question.sampling is None:
        raise EvalError(f"{question.id}: has no sampling, so there is nothing to generate; score its choices")
    return question.sampling


def _by_shared(encoded: Sequence[Encoded]) -> list[list[int]]:
    groups: dict[Ids, list[int]] = {}
    for place, each in enumerate(encoded):
        groups.setdefault(each.shared, []).append(place)
    return list(groups.values())


def _waves(begun: Sequence[tuple[int, Begun]], size: int) -> Iterator[list[tuple[int, Begun]]]:
    """Prompts with at most `size` samples together; the samples of one with more are shared out."""
    wave: list[tuple[int, Begun]] = []
    for place, each in begun:
        for start in range(0, len(each.samples), size):
            part = _part(each, start, size)
            if wave and sum(len(other.samples) for _, other in wave) + len(part.samples) > size:
                yield wave
                wave = []
            wave.append((place, part))
    if wave:
        yield wave


def _part(begun: Begun, start: int, size: int) -> Begun:
    return replace(begun, samples=begun.samples[start : start + size])


def _answer(encoded: Encoded, writings: Sequence[Writing]) -> Answer:
    return Answer(
        completions=tuple(writing.text for writing in writings),
        prompt_tokens=encoded.length,
        left_out=encoded.left_out,
        generated_tokens=sum(writing.tokens for writing in writings),
    )
