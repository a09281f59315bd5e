"""State diagrams of the design pages, made from the transition tables in the code.

A page marks a diagram's place by `<!-- diagram: NAME -->` and `<!-- end -->`; `python tests/design_diagrams.py`
writes what belongs there, and `test_design_pages.py` fails when a table has changed since.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from atos_orchestrator.debugging.graph import TRANSITIONS as DEBUG_TRANSITIONS
from atos_orchestrator.planning.graph import TRANSITIONS as PLANNING_TRANSITIONS
from atos_protocol.goals import TASK_TRANSITIONS
from atos_scheduler.core import transitions
from atos_servers.host.worker_supervisor import TRANSITIONS as WORKER_TRANSITIONS
from atos_servers.shim.relay import TRANSITIONS as RELAY_TRANSITIONS

ROOT = Path(__file__).parent.parent
PLACE = re.compile(r"(<!-- diagram: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def state_diagram(transitions: Mapping[Any, Iterable[str]]) -> str:
    """Return a Mermaid state diagram: the first state is the start, those without a way out are ends."""
    first = next(iter(transitions))
    lines = ["```mermaid", "stateDiagram-v2", f"  [*] --> {first}"]
    for state, after in transitions.items():
        lines += [f"  {state} --> {then}" for then in sorted(after)] or [f"  {state} --> [*]"]
    return "\n".join([*lines, "```", ""])


def event_diagram(transitions: Mapping[Any, Mapping[Any, str]]) -> str:
    """Return the diagram of a table whose transitions are keyed by their cause: the arrows' labels."""
    arrows = {
        state: [f"{then}: {cause.__name__}" for cause, then in after.items()]
        for state, after in transitions.items()
    }
    return state_diagram(arrows)


DIAGRAMS: dict[str, str] = {
    "demand": event_diagram(transitions.DEMAND),
    "debug_loop": state_diagram(DEBUG_TRANSITIONS),
    "planning": state_diagram(PLANNING_TRANSITIONS),
    "residency": event_diagram(transitions.RESIDENCY),
    "task": state_diagram(TASK_TRANSITIONS),
    "goal_worker": state_diagram(WORKER_TRANSITIONS),
    "shim_relay": state_diagram(RELAY_TRANSITIONS),
}


def pages() -> list[Path]:
    """Return every design page: they stand beside the code."""
    folders = ("clients", "scheduler", "orchestrator", "servers")
    return sorted(page for folder in folders for page in (ROOT / folder).rglob("design.md"))


def drawn(text: str) -> str:
    """Return a page with every diagram as the code has it now."""
    return PLACE.sub(lambda found: found[1] + DIAGRAMS[found[2]] + found[3], text)


if __name__ == "__main__":
    for page in pages():
        page.write_text(drawn(page.read_text()))
