"""What is known of one deployment: a fold over its journal. Pure.

    planned --approved--> approved -------------------------applied--> applied --verified--> verified
       ^                                                     |                                  |
       |                                                     +--failed--> failed  (what was up  |
       +------ another plan, whenever it comes --------------+               before stays up)   |
                                                             stopped <------ stopped -----------+

Each line of the journal is one event; the state is derived, never stored. `live` is the release that answers
or should answer: it changes only when another one has been verified, so that a deployment that fails leaves
the old one. An event of a release carries its digest: a step that is repeated after a crash repeats its event,
which changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

State = Literal["planned", "approved", "applied", "verified", "failed", "stopped", "absent"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Release:
    """What a plan would put there. Sizes are bytes."""

    digest: str
    """sha256 over its files: what an approval is bound to."""
    kind: str
    what: str
    """In words."""
    files: tuple[str, ...]
    bytes: int
    commit: str = ""
    requirements: tuple[str, ...] = ()
    entry: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Short name of the release, and of its folder."""
        return self.digest[:12]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as its journal tells it."""

    name: str
    source: str = ""
    """The folder that it comes from."""
    target: str = ""
    state: State = "absent"
    planned: Release | None = None
    """What was planned last; what the state speaks of, unless it is stopped."""
    approved_by: str = ""
    """Who approved the planned release; empty while nobody has."""
    live: Release | None = None
    """The release that was verified last and is up, unless stopped or gone."""
    previous: Release | None = None
    """The one before, to which `roll_back` returns."""
    url: str = ""
    """Of what is live."""
    port: int = 0
    """Of what is live, so that it comes back at its address."""
    applied_url: str = ""
    """Where the planned release was put, whether it answers there or not."""
    applied_port: int = 0
    evidence: tuple[str, ...] = ()
    """What the verification of the live release saw."""
    reason: str = ""
    """Why the state is `failed`."""
    is_stopped: bool = False
    """Whether the person took the live release down since it was verified, whatever was planned after that."""
    at: float = 0.0
    """Epoch seconds of the last event."""


def fold(name: str, events: Iterable[Json]) -> Deployment:
    """Return the deployment that these events tell of; unknown ones, of a later version, change nothing."""
    deployment = Deployment(name)
    for event in events:
        deployment = replace(after(deployment, event), at=float(event.get("at", deployment.at)))
    return deployment


def after(before: Deployment, event: Json) -> Deployment:
    """Return a deployment after one more event."""
    match event["event"]:
        case "planned":
            return _planned(before, event)
        case "approved" | "applied" | "verified" | "failed" if not _is_planned(before, event):
            return before
        case "approved":
            return replace(before, state="approved", approved_by=event["by"], reason="")
        case "applied":
            port = event.get("port", before.applied_port)
            url = event.get("url", before.applied_url)
            return replace(before, state="applied", applied_port=port, applied_url=url)
        case "verified":
            return _verified(before, event)
        case "failed":
            return replace(before, state="failed", reason=event["reason"])
        case "stopped":
            return replace(before, state="stopped", is_stopped=True)
        case "started":
            port = event.get("port", 0)
            return replace(before, state="verified", url=event["url"], port=port, is_stopped=False)
        case _:
            return before


def _planned(before: Deployment, event: Json) -> Deployment:
    release = release_of(event["content"])
    return replace(
        before, source=event["source"], target=event["target"], state="planned", planned=release,
        approved_by="", applied_url="", applied_port=0, reason="",
    )  # fmt: skip


def _is_planned(before: Deployment, event: Json) -> bool:
    return before.planned is not None and before.planned.digest == event["digest"]


def _verified(before: Deployment, event: Json) -> Deployment:
    new = before.planned
    same = before.live is not None and new is not None and before.live.digest == new.digest
    previous = before.previous if same else before.live
    return replace(
        before, state="verified", live=new, previous=previous, url=event["url"],
        port=event.get("port", before.applied_port), evidence=tuple(event["evidence"]), reason="",
        is_stopped=False,
    )  # fmt: skip


def release_of(data: Mapping[str, Any]) -> Release:
    """Return the release that a journal's JSON describes."""
    lists: Json = {name: tuple(data[name]) for name in ("files", "requirements", "warnings")}
    whole: Json = {**data, **lists}
    return Release(**whole)
