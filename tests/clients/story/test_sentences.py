"""Every sentence of a story says what its events say: numbers and names are taken back to them."""

import copy
import json
import re
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos.story.sentences import Sentence, story_of
from atos_protocol.goals import EVENT_KINDS, Event
from doubles.eventful_goal import DECISION, MOMENT, events

STORY = story_of(events(), [DECISION])


def values_of(value: Any) -> list[Any]:
    """Return the numbers and texts of a JSON value, and how many things each list holds."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return [each for member in members.values() for each in values_of(member)]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [len(items), *(each for item in items for each in values_of(item))]
    return [] if isinstance(value, bool) else [value]


def numbers_of(sources: list[Event]) -> set[str]:
    """Return every number that these events hold, as a sentence may round or count it."""
    found = {"0"}
    for event in sources:
        data = event.data
        took = data.get("ended_at", 0.0) - data.get("started_at", 0.0)
        waited = data.get("queued", 0.0) - data.get("loading", 0.0)
        for value in [*values_of(dict(data)), event.task, took, waited]:
            if isinstance(value, str):
                found.update(re.findall(r"\d+(?:\.\d+)?", value))
            else:
                found |= {str(int(value)), str(int(value) + 1), f"{value:.1f}"}
    return found


def unfounded(sentence: Sentence, told: dict[int, Event]) -> list[str]:
    """Return the numbers and paths of a sentence that its events don't hold."""
    sources = [told[seq] for seq in sentence.events]
    text = json.dumps([dict(event.data) for event in sources])
    numbers = [
        n for n in re.findall(r"\d+(?:\.\d+)?", sentence.text) if n not in numbers_of(sources)
    ]
    names = [n for n in re.findall(r"[\w./:-]+(?:\.py|:\d\.\db)", sentence.text) if n not in text]
    return [*numbers, *names]


def test_every_statement_of_a_story_stands_in_its_events() -> None:
    told = {event.seq: event for event in events()}
    assert all(sentence.events or sentence.decision for sentence in STORY)
    assert {s.text: bad for s in STORY if s.events and (bad := unfounded(s, told))} == {}
    assert {s.task for s in STORY} <= {"", "T1", "T2"}


def test_a_statement_that_no_event_bears_out_is_found() -> None:
    told = {event.seq: event for event in events()}
    seq = next(event.seq for event in events() if event.kind == "evaluated")
    assert unfounded(Sentence("candidate 2 met 77 of 4 assertions.", "T1", 0.0, (seq,)), told) == [
        "77"
    ]
    assert unfounded(Sentence("candidate 2 was written: other.py.", "T1", 0.0, (seq,)), told) == [
        "other.py"
    ]


def test_a_swap_stands_with_the_schedulers_own_reason_and_decision() -> None:
    (swap,) = [sentence for sentence in STORY if sentence.decision]
    assert swap == Sentence(
        "The scheduler loaded qwen:1.5b: the only one of its pool; qwen:0.5b had to go.",
        "", MOMENT + 16.5, (), 42,
    )  # fmt: skip


WHY = "the most urgent demand (r7) waited 0.0 s, none of its models is loaded"


def test_a_swap_whose_reason_its_event_has_kept_needs_no_scheduler_and_is_told_once() -> None:
    told = events()
    swap = next(event for event in told if event.data.get("model") == "qwen:1.5b")
    swap = replace(swap, data={**swap.data, "load_why": WHY, "load_victims": ["qwen:0.5b"]})
    told = [swap if event.seq == swap.seq else event for event in told]
    decision = copy.deepcopy(DECISION)
    decision["choices"][0]["why"] = WHY
    for decisions in ([], [decision]):
        (sentence,) = [
            s for s in story_of(told, decisions) if s.text.startswith("The scheduler loaded")
        ]
        assert sentence == Sentence(
            f"The scheduler loaded qwen:1.5b: {WHY}; qwen:0.5b had to go.",
            "T1",
            swap.at,
            (swap.seq,),
        )
        assert unfounded(sentence, {event.seq: event for event in told}) == []


def test_the_story_of_a_goal_to_which_everything_happened() -> None:
    told = [f"{s.at - MOMENT:5.1f} {s.task or '--':2} {s.text}" for s in STORY]
    assert told == snapshot(
        [
            "  0.0 -- You asked for: Write stats.py with <b>median(values)</b>",
            "  0.1 -- It waited for goals before it, with 2 ahead.",
            "  5.0 -- Work began, with qwen:0.5b, qwen:1.5b.",
            "  5.5 -- It was planned as 2 tasks.",
            "  5.5 -- T1 is: median (simple).",
            "  5.5 -- T2 is: the page (medium, after T1).",
            "  5.8 T1 What decides: 2 examples, 1 stated error.",
            " 12.0 T1 qwen:0.5b was loaded for this, which took 2.5 s.",
            " 12.0 T1 The request waited 0.5 s for qwen:0.5b.",
            " 12.0 T1 qwen:0.5b on llama_cpp was asked as coder: 90 tokens in 3.0 s.",
            " 12.1 T1 Candidate 1 was written: stats.py.",
            " 12.2 T1 Candidate 1 can't be judged: line 3 is not Python.",
            " 14.2 T1 qwen:0.5b on llama_cpp was asked as coder: 90 tokens in 1.9 s.",
            " 14.3 T1 Candidate 2 was written: stats.py.",
            " 14.9 T1 Candidate 2 met 2 of 4 assertions.",
            " 15.0 T1 None could be taken; candidate 2 was repaired.",
            " 16.0 T1 It waited for a sandbox.",
            " 16.5 -- The scheduler loaded qwen:1.5b: the only one of its pool; qwen:0.5b had to go.",
            " 26.0 T1 qwen:1.5b was loaded for this, which took 3.0 s.",
            " 26.0 T1 The request waited 1.0 s for qwen:1.5b.",
            " 26.0 T1 qwen:1.5b on llama_cpp was asked as coder: 90 tokens in 6.0 s.",
            " 26.1 T1 Candidate 3 was written: stats.py.",
            " 27.1 T1 Candidate 2 met 2 of 4 assertions.",
            " 27.1 T1 Candidate 3 met 3 of 4 assertions.",
            " 27.2 T1 None could be taken: candidates differ about median([]).",
            " 27.3 T1 It asked you: median([]) gives 0 or raises? (0 or raises ValueError)",
            " 27.4 T1 T1 ended as failed.",
            " 27.5 T2 T2 ended as skipped.",
            " 27.6 -- The goal ended as needs_help: T1 asks.",
            " 87.6 -- It went on with an answer: raises ValueError: T1, T2.",
            " 88.6 T1 Candidate 2 met 2 of 5 assertions.",
            " 88.6 T1 Candidate 3 met 5 of 5 assertions.",
            " 88.7 T1 Candidate 3 won: 3 of 3 examples.",
            " 88.7 T1 candidate 2 lost: it met 2 of 5.",
            " 89.7 T1 The delivered tests failed on a stub, as they must.",
            " 90.0 T1 Its tests passed: 5 passed, 0 failed.",
            " 90.1 T1 It was committed as 0123456789.",
            " 90.2 T1 T1 ended as done; it rests on: 3 of 3 examples.",
            " 91.0 T2 ATOS's own route chose the pool medium, because no answer in 5 s.",
            " 92.0 T2 T2 ended as done; it rests on: not proven: can't be run.",
            " 93.0 -- The whole was tested: 5 passed, 0 failed [landlock].",
            " 93.5 -- The goal ended as success.",
        ]
    )


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("accept", "Candidate 1 won."),  # what can't be run
        ("refuse", "Candidate 1 did not raise a stated error; a check was written for it."),
    ],
)
def test_what_was_taken_and_what_was_sent_back_are_told_apart(then: str, told: str) -> None:
    chosen = Event(1, "g1", "T1", "selected", 1.0, {"next": then, "candidate": 0})
    assert [sentence.text for sentence in story_of([chosen])] == [told]


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    7,
    10**400,
    1.5,
    float("nan"),
    "",
    "x\ny",
    [],
    [None],
    ["a"],
    [3],
    {},
    {"id": 1},
)
FIELDS: tuple[str, ...] = ("goal", "tasks", "round", "rows", "passed", "judged", "model", "loading", "queued", "for", "next",
          "candidate", "options", "question", "error", "state", "parts", "commit", "translated", "proof")  # fmt: skip


@given(
    st.sampled_from(EVENT_KINDS), st.lists(st.sampled_from(ODD), min_size=20, max_size=20)
)  # fmt: skip
def test_no_event_of_whatever_shape_breaks_the_story(kind: str, values: list[Any]) -> None:
    data = dict(zip(FIELDS, values, strict=True))
    for sentence in story_of([Event(1, "g1", "T1", kind, 1.0, data)]):
        assert sentence.text
        assert "\n" not in sentence.text
