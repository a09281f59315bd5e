"""A deployment is what its journal tells, whatever was cut short or said twice."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_servers.deployment.journal import FILE, Journal, Journals, checked_name
from atos_servers.deployment.record import Deployment, Release, fold


def _release(letter: str) -> Release:
    return Release(letter * 64, "static", "a site", ("index.html",), 5)


def _journal(folder: Path) -> Journal:
    return Journal(folder / "site", clock=lambda: 1.0)


def _up(journal: Journal, release: Release, url: str = "http://u/") -> None:
    journal.plan(release, source="/src", target="local")
    journal.append("approved", release, by="cli")
    journal.append("applied", release, port=7)
    journal.append("verified", release, url=url, port=7, evidence=["GET / answers 200"])


def test_an_event_of_which_a_part_was_written_first_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, write = _journal(tmp_path), os.write

    def in_parts(handle: int, data: bytes) -> int:
        return write(handle, data[:100])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", in_parts)
        journal.plan(_release("a"), source="/src", target="local")
    assert journal.read().planned == _release("a")


def test_what_is_live_changes_only_when_another_release_was_verified(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    _up(journal, _release("a"))
    journal.plan(_release("b"), source="/src", target="local")
    journal.append("approved", _release("b"), by="cli")
    journal.append("failed", _release("b"), reason="it answers 500")
    found = journal.read()
    assert (found.state, found.reason, found.live, found.url) == (
        "failed",
        "it answers 500",
        _release("a"),
        "http://u/",
    )
    _up(journal, _release("c"))
    assert journal.read() == snapshot(
        Deployment(
            name="site",
            source="/src",
            target="local",
            state="verified",
            planned=_release("c"),
            approved_by="cli",
            live=_release("c"),
            previous=_release("a"),
            url="http://u/",
            port=7,
            applied_port=7,
            evidence=("GET / answers 200",),
            at=1.0,
        )
    )


def test_a_line_that_a_crash_cut_short_was_not_written(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    _up(journal, _release("a"))
    whole = journal.read()
    file = journal.folder / FILE
    file.write_bytes(file.read_bytes() + b'{"event": "stopped", "at"')
    assert journal.read() == whole
    journal.append("stopped")
    assert journal.read().state == "stopped"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["planned", "approved", "applied", "verified", "failed", "stopped", "later"]
        ),
        st.sampled_from("ab"),
    ),
    max_size=12,
)


def _event(kind: str, letter: str) -> dict[str, Any]:
    release = _release(letter)
    content: dict[str, Any] = {
        "digest": release.digest, "kind": "static", "what": "a site", "files": ["index.html"],
        "bytes": 5, "commit": "", "requirements": [], "entry": {}, "warnings": [],
    }  # fmt: skip
    return {
        "event": kind, "at": 1.0, "digest": release.digest, "content": content, "source": "/s",
        "target": "local", "by": "cli", "reason": "r", "url": "u", "port": 1, "evidence": [],
    }  # fmt: skip


@given(EVENTS)
def test_an_event_that_is_written_twice_changes_nothing_more(told: list[tuple[str, str]]) -> None:
    once = [_event(kind, letter) for kind, letter in told]
    twice = [event for event in once for _ in range(2)]
    assert fold("x", once) == fold("x", twice)


@given(EVENTS)
def test_nothing_is_live_that_was_not_planned_and_verified(told: list[tuple[str, str]]) -> None:
    planned = ""
    verified = set[str]()
    for kind, letter in told:
        planned = letter if kind == "planned" else planned
        if kind == "verified" and letter == planned:
            verified.add(_release(letter).digest)
    found = fold("x", [_event(kind, letter) for kind, letter in told])
    assert {each.digest for each in (found.live, found.previous) if each} <= verified


def test_a_name_is_a_folder_below_the_home_and_nothing_else() -> None:
    for name in ("", "..", "a/b", "A", "-a", "a" * 41, "a\n"):
        with pytest.raises(BadRequestError, match="no deployment's name"):
            checked_name(name)


def test_a_folder_keeps_its_name_and_another_of_that_name_gets_a_number(tmp_path: Path) -> None:
    journals = Journals(tmp_path)
    assert journals.name_for("/a/Price Tracker", "local") == "price-tracker"
    journals.journal("price-tracker").plan(_release("a"), source="/a/Price Tracker", target="local")
    assert journals.name_for("/a/Price Tracker", "local") == "price-tracker"
    assert journals.name_for("/b/price-tracker", "local") == "price-tracker-2"
    assert journals.name_for("/b/äöü", "local") == "site"
    with pytest.raises(NotFoundError, match="Known: price-tracker"):
        journals.known("other")


def test_two_calls_at_one_deployment_are_refused_the_second(tmp_path: Path) -> None:
    with _journal(tmp_path).alone(), pytest.raises(ConflictError), _journal(tmp_path).alone():
        pass
