"""A checkpoint by vLLM, where it is installed: `pip install vllm`, on a machine with a GPU.

A choice is scored by requests of one token, each with the log-probabilities of just the tokens that choices go on with, so that
vLLM's cache of beginnings is used; it is not for log-probabilities of a prompt. This needs a vLLM whose `SamplingParams` have
`logprob_token_ids`. Not run in this project's tests, which have no vLLM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from transformers import AutoTokenizer
from transformers.utils.hub import cached_file

from data_mix.errors import EvalError
from data_mix.fetch import DigestStore
from data_mix.home import datamix_home
from data_mix_eval.models.batching import batches
from data_mix_eval.models.digest import checkpoint_digest
from data_mix_eval.models.encoding import Encoded, Encoder
from data_mix_eval.models.network import Ids
from data_mix_eval.question import Answer, Question, Sampling

if TYPE_CHECKING:
    from data_mix_eval.models.opening import Options

BATCH_SIZE: Final = 1024
"""Answers of a batch; vLLM itself chooses how many it computes at once."""


def open_vllm(name: str, options: Options) -> VllmModel:
    """The checkpoint by vLLM. Raises EvalError where vLLM is not installed, or too old."""
    try:
        library = import_module("vllm")
    except ImportError as error:
        raise EvalError("vllm is not installed; run `pip install vllm` on a machine with a GPU, or use --engine hf") from error
    if not hasattr(library.SamplingParams(), "logprob_token_ids"):
        raise EvalError(f"vllm {library.__version__} cannot score given tokens (logprob_token_ids); install a newer one")
    return VllmModel(name, library, options)


class VllmModel:
    """A model that vLLM computes."""

    def __init__(self, name: str, library: ModuleType, options: Options) -> None:
        self.name = name
        self._library, self._options = library, options
        self._engine = library.LLM(
            model=name,
            dtype=options.get("dtype") or "auto",
            max_model_len=options.get("max_length"),
            enable_prefix_caching=True,
            seed=options.get("seed", 0),
        )
        self._config = self._engine.llm_engine.model_config
        self._encoder = Encoder(AutoTokenizer.from_pretrained(name, trust_remote_code=False), self._config.max_model_len - 1)

    @cached_property
    def digest(self) -> str:
        """See `Model`."""
        settings = {key: self.describe()[key] for key in ("engine", "dtype", "context")} | {"name": self.name}
        folder = Path(str(cached_file(self.name, "config.json"))).parent  # of a name on the hub, its snapshot
        return checkpoint_digest(folder, settings, DigestStore(datamix_home() / "digests"))

    def describe(self) -> dict[str, Any]:
        """See `Model`."""
        return {
            "engine": f"vllm {self._library.__version__}",
            "dtype": str(self._config.dtype).removeprefix("torch."),
            "context": self._config.max_model_len,
        }

    def batches(self, questions: Sequence[Question]) -> list[list[int]]:
        """See `Model`."""
        return batches(questions, self._options.get("batch_size", BATCH_SIZE))

    def loglikelihood(self, questions: Sequence[Question]) -> list[Answer]:
        """See `Model`."""
        encoded = [self._encoder.scored(question) for question in questions]
        wanted: dict[Ids, set[int]] = {}
        for each in encoded:
            for read, token in (step for place in range(len(each.choices)) for step in _steps(each, place)):
                wanted.setdefault(read, set()).add(token)
        found = self._logprobs(wanted)
        return [
            Answer(
                logprobs=tuple(sum(found[step] for step in _steps(each, place)) for place in range(len(each.choices))),
                prompt_tokens=each.length,
                left_out=each.left_out,
            )
            for each in encoded
        ]

    def generate(self, questions: Sequence[Question]) -> list[Answer]:
        """See `Model`; draws are vLLM's own."""
        asked = [(question, question.sampling) for question in questions if question.sampling]
        encoded = [self._encoder.generated(question, sampling.max_tokens) for question, sampling in asked]
        params = [[self._params(*each, sample) for sample in range(each[1].samples)] for each in asked]
        prompts = [_prompt(each.ids) for each, some in zip(encoded, params, strict=True) for _ in some]
        outputs = iter(self._engine.generate(prompts, list(chain(*params)), use_tqdm=False))
        return [_answer(each, [next(outputs).outputs[0] for _ in some]) for each, some in zip(encoded, params, strict=True)]

    def _logprobs(self, wanted: Mapping[Ids, set[int]]) -> dict[tuple[Ids, int], float]:
        """Of each text the log-probabilities of tokens after it."""
        params = [
            self._library.SamplingParams(max_tokens=1, temperature=0.0, logprobs=len(tokens), logprob_token_ids=sorted(tokens))
            for tokens in wanted.values()
        ]
        outputs = self._engine.generate([_prompt(read) for read in wanted], params, use_tqdm=False)
        return {
            (read, token): float(output.outputs[0].logprobs[0][token].logprob)
            for (read, tokens), output in zip(wanted.items(), outputs, strict=True)
            for token in tokens
        }

    def _params(self, question: Question, sampling: Sampling, sample: int) -> Any:
        digest = hashlib.sha256(f"{self._options.get('seed', 0)}\0{question.id}\0{sample}".encode()).digest()
        return self._library.SamplingParams(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            stop=list(sampling.stops),
            seed=int.from_bytes(digest[:7], "big"),
        )


def _answer(encoded: Encoded, samples: Sequence[Any]) -> Answer:
    return Answer(
        completions=tuple(each.text for each in samples),
        prompt_tokens=encoded.length,
        left_out=encoded.left_out,
        generated_tokens=sum(len(each.token_ids) for each in samples),
    )


def _steps(encoded: Encoded, place: int) -> list[tuple[Ids, int]]:
    """What is read before each token of a choice, and the token."""
    choice, context = encoded.choices[place], encoded.ids[encoded.cuts[place] :]
    return [(context + choice[:done], token) for done, token in enumerate(choice)]


def _prompt(ids: Ids) -> dict[str, list[int]]:
    return {"prompt_token_ids": list(ids)}
