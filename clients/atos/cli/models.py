"""The command `models`, and the question that a goal without a model asks.

The work is done by `python -m atos_scheduler.models`, which may import what it needs and draws on the
same terminal.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from dataclasses import dataclass
from typing import IO, Any, cast

from atos_protocol.errors import AtosError, NoModelError, from_wire
from atos_protocol.settings import Settings

OFFER_SECONDS = 60.0
"""Longest wait for what has to look at the machine only."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The model that is proposed where none can do a goal."""

    name: str
    text: str
    """Name, size, licence and memory, as a person reads them."""
    notes: tuple[str, ...]
    """What must be known of where it would come from."""

    @property
    def command(self) -> str:
        """What fetches it."""
        return f"atos-client models pull {self.name}"


def models(arguments: Namespace, settings: Settings) -> int:
    """Run `list`, `pull`, `fit`, `remove` or `verify`."""
    name = [arguments.name] if getattr(arguments, "name", None) else []
    flags = ["--json"] if arguments.json else []
    return run(arguments.action, *name, *flags)


def run(*arguments: str, output: IO[str] | None = None) -> int:
    """Run the process behind `models` on this terminal; return its exit code."""
    process = subprocess.Popen(_command(*arguments), stdout=output)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal has told it as well, and it ends by itself


def ask(*arguments: str) -> dict[str, Any]:
    """Return the object that the process behind `models` answers; empty where it answers null.

    Raises:
        AtosError: as the process reports it.
    """
    try:
        done = subprocess.run(
            _command(*arguments, "--json"), capture_output=True, text=True, check=False,
            timeout=OFFER_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        message = f"the models can't be listed: {error}"
        raise AtosError(message, next_step="Run `atos-client models list`.") from error
    found = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if "error" in found:
        raise from_wire(found["error"])
    return found


def offer() -> Offer | None:
    """Return the model to propose; None where none would help."""
    found = ask("offer")
    if not found:
        return None
    return Offer(found["name"], found["text"], tuple(found["notes"]))


def fetch_for(refusal: NoModelError, *, agreed: bool, may_ask: bool) -> None:
    """Fetch the proposed model after a goal was refused, if that is wanted; return when it is here.

    Args:
        refusal: why the goal was refused.
        agreed: whether a person has said yes already.
        may_ask: whether somebody sits at a terminal.

    Raises:
        NoModelError: nothing was fetched; the next step has the one command that fetches it.
        AtosError: the download failed; its own words stand on the terminal.
    """
    proposed = offer()
    if proposed is None:
        raise refusal
    step = f"This fetches one that can, {proposed.text}: {proposed.command}"
    declined = type(refusal)(refusal.message, next_step=step, data=refusal.data)
    if not agreed and not (may_ask and _yes(refusal, proposed)):
        raise declined
    if run("pull", proposed.name, output=sys.stderr) != 0:
        message = f"{proposed.name} was not fetched"
        step = f"Try again, what has arrived is kept: {proposed.command}"
        raise NoModelError(message, next_step=step)


def _yes(refusal: NoModelError, proposed: Offer) -> bool:
    print(f"{refusal.message}.", file=sys.stderr)
    for note in proposed.notes:
        print(f"It would come from {note}.", file=sys.stderr)
    print(f"Download {proposed.text}? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in {"", "y", "yes"}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "atos_scheduler.models", *arguments]
