"""A model reads why a goal ended as it did, page by page: every sentence once, with the numbers of its events."""

from typing import Any

import pytest

from atos.story.sentences import story_of
from atos_protocol.goals import GoalNews, GoalView
from atos_servers.orchestrate import story_pages
from atos_servers.orchestrate.story_pages import story_page
from doubles.eventful_goal import events

EVENTS = tuple(events())
STORY = story_of(EVENTS)


def news(state: str = "success") -> GoalNews:
    view = GoalView(id="g1", goal="x", state=state)  # pyright: ignore[reportArgumentType]
    return GoalNews(goal=view, events=EVENTS, seq=EVENTS[-1].seq)


def page(after: int, **more: str) -> dict[str, Any]:
    found = story_page(news(**more), after).structured_content
    assert found is not None
    return found


def test_a_story_that_fits_is_told_whole_with_its_events() -> None:
    found = page(0)
    assert sorted(each["text"] for each in found["story"]) == sorted(each.text for each in STORY)
    assert all(each["events"] for each in found["story"])
    assert (found["seq"], found["final"]) == (EVENTS[-1].seq, True)
    assert page(0, state="running")["final"] is False


@pytest.mark.parametrize("room", [1, 100, 400, 1500])
def test_a_long_story_is_told_in_pages_each_sentence_once(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story_pages, "PAGE_BYTES", room)
    told: list[str] = []
    seq, final = 0, False
    while not final:
        found = page(seq)
        assert found["story"] or found["final"]
        told += [each["text"] for each in found["story"]]
        seq, final = found["seq"], found["final"]
    assert sorted(told) == sorted(each.text for each in STORY)


def test_where_nothing_is_new_that_is_said() -> None:
    found = story_page(news(), EVENTS[-1].seq)
    texts: list[Any] = list(found.content)
    assert texts[0].text == "nothing new"
