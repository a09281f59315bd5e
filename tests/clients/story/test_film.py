"""The film of a goal: one file, in which nothing runs and nothing is fetched; and its waterfall of time."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos.story.film import film
from atos.story.sentences import story_of
from atos.story.waterfall import ordered, svg, terminal_lines
from atos.tracing.spans import spans_of
from doubles.canaries import Canaries
from doubles.eventful_goal import DECISION, events
from doubles.page_browser import chromium

HOSTILE = '<script>window.broken=1</script><img src=x onerror="window.broken=1">'
INSERT = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.broken=1'}))"
SPANS = spans_of(events())


def page(title: str) -> str:
    return film("g1", title, story_of(events(), [DECISION]), SPANS)


def test_a_film_names_no_place_from_which_anything_is_fetched() -> None:
    text = page("t")
    assert re.findall(r"(?:src|href|url)\s*[=(]", text) == []
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert "<b>" not in text, "what a person wrote is escaped"


def test_the_waterfall_is_a_picture_whose_texts_are_escaped() -> None:
    root = ET.fromstring(svg(SPANS))
    rows = [g for g in root if g.tag.endswith("}g")]
    assert len(rows) == len(SPANS)


def test_what_a_models_name_hides_is_shown() -> None:
    told = replace(SPANS[-1], name="chat \x1b[2J\u202eevil")
    assert "\\x1b[2J\\u202e" in terminal_lines([told], 80)[0]
    assert ET.fromstring(svg([told])) is not None


def test_a_terminal_shows_the_longest_stretches_in_its_width() -> None:
    lines = terminal_lines(SPANS, 80, most=9)
    assert max(map(len, lines)) <= 80
    assert lines == snapshot(
        [
            "atos.goal                 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   93.5 s",
            "      wait for queue      ░░                                               4.9 s",
            "  T1                        ─────────────────────────────────────────     84.6 s",
            "    candidate 1             ···                                            6.5 s",
            "      wait for busy              ░░░░░                                    10.9 s",
            "    candidate 3                    ··································     70.0 s",
            "      qwen:1.5b                    ███                                     6.0 s",
            "      wait for person                  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░      60.3 s",
            "  T2                                   ───────────────────────────────    64.5 s",
            "and 12 shorter ones",
            "█ model, ▓ load, ▒ sandbox, ░ wait",
        ]
    )


def test_spans_are_read_as_a_tree() -> None:
    depth = {span.id: (span.parent, span.kind) for span in SPANS}
    shown = ordered(SPANS)
    assert len(shown) == len(SPANS)
    seen: set[str] = set()
    for span in shown:
        assert span.parent in seen or not span.parent
        seen.add(span.id)
    assert depth


@pytest.mark.timeout(120)
def test_a_film_opens_in_a_browser_without_a_word_on_the_console(tmp_path: Path) -> None:
    path = tmp_path / "film.html"
    path.write_text(page(HOSTILE), encoding="utf-8")
    said: list[str] = []
    with chromium() as browser:
        shown = browser.new_page(offline=True)
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.goto(path.as_uri())
        assert shown.locator("li").count() == len(story_of(events(), [DECISION]))
        assert shown.locator("svg rect").count() == len(SPANS)
        assert shown.locator("h1").inner_text() == HOSTILE
        assert said == []
        shown.evaluate(INSERT)
        assert shown.evaluate("window.broken === undefined"), "its policy lets nothing run"
    assert [line for line in said if "Content Security Policy" not in line] == []


def test_no_secret_of_a_person_is_in_a_film_or_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    from atos_protocol.redaction import learn

    canaries = Canaries()
    learn(canaries.of.values())
    told = events()
    for number, secret in enumerate(canaries.of.values()):
        told[number].data["text"] = f"the key is {secret}"  # type: ignore[index]
        told[number].data["goal"] = f"use {secret}"  # type: ignore[index]
    made = film("g1", "t", story_of(told), spans_of(told, content=True)) + str(
        spans_of(told, content=True)
    )
    assert canaries.found(made.encode()) == []
