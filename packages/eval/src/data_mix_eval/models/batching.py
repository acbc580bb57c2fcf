"""Questions → batches, by the questions alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from data_mix_eval.question import Question, TextPrompt


def batches(questions: Sequence[Question], size: int) -> list[list[int]]:
    """The places of the questions in batches of at most `size` answers, or of one question with more samples than that.

    Questions with one beginning follow one another, the shortest first.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(_kind(question), []).append(place)
    return [batch for group in groups.values() for batch in _cut(questions, group, size)]


def _kind(question: Question) -> Hashable:
    prompt = question.prompt
    shared = prompt.shared if isinstance(prompt, TextPrompt) else (prompt.system, prompt.shots)
    return question.sampling is None, shared


def _cut(questions: Sequence[Question], group: Sequence[int], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    answers = 0
    for place in sorted(group, key=lambda place: (len(questions[place].prompt.question), place)):
        sampling = questions[place].sampling
        count = sampling.samples if sampling else 1
        if batch and answers + count > size:
            yield batch
            batch, answers = [], 0
        batch.append(place)
        answers += count
    if batch:
        yield batch
