"""A second opinion on code that meets the examples, where the model has failed them before. Pure.

A model whose first sample meets the examples is mostly right. One that failed and then meets them may have met just them:
of the recorded problems (HumanEval, 0.5B and 1.5B) with examples, the first candidate to meet them was wrong in 2 of
41 cases where it was the first sample, in 4 of 22 where it was a later one. So samples go on until two that meet the
examples do the same on all inputs that are looked at. Where there are several in the end and no two agree, what they
differ on is worth a question. One that stands alone is taken: nobody contradicts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opinion:
    """Which of the candidates that meet the examples is to be taken."""

    candidate: int
    rival: int = -1
    """The next one, which does something else; -1 where there is none."""
    is_open: bool = False
    """Whether another sample could settle it."""


def opinion_of(
    good: Sequence[int], agree: Callable[[int, int], bool], *, failed_before: bool
) -> Opinion:
    """Return which candidate to take.

    Args:
        good: those that meet the examples, in the order in which they were drawn; at least one.
        agree: tells whether two of them do the same.
        failed_before: whether an earlier sample did not meet the examples.
    """
    if not failed_before:
        return Opinion(good[0])
    for at, one in enumerate(good):
        for other in good[:at]:
            if agree(other, one):
                return Opinion(other)
    return Opinion(good[0], good[1] if len(good) > 1 else -1, is_open=True)
