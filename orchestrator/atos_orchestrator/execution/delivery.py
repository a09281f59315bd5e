"""What a goal's end says about a repository in which a person was at work: pure decisions over the publication."""

from __future__ import annotations

from dataclasses import replace

from atos_orchestrator.execution.result_aggregator import GoalOutcome
from atos_orchestrator.workspace.publication import Publication


def where(publication: Publication) -> str:
    """Return the clause that says where ATOS's work is."""
    if publication.branch:
        return f"ATOS's work is on branch {publication.branch}"
    return "ATOS keeps its work in a git directory of its own"


def delivered(outcome: GoalOutcome, publication: Publication | None) -> GoalOutcome:
    """Return how a goal ends whose work was published like this.

    What could not be put on the goal's branch needs a person, whatever the tasks came to; what they are in need
    of besides is said after it.
    """
    if publication is None:
        return outcome
    if not publication.trouble:
        hint = f" It is on branch {publication.branch}; another branch is checked out there."
        return replace(outcome, summary=outcome.summary + hint * publication.elsewhere)
    message, step = publication.trouble, publication.step
    summary = f"{outcome.summary} {where(publication)}: {publication.trouble}. Next: {step}"
    if outcome.error is not None:
        message = f"{message}. Besides: {outcome.error.get('message', '')}"
        step = f"{step}. Then: {outcome.error.get('next', '')}"
    code = "conflict" if publication.branch else "workspace"
    data = {"branch": publication.branch, "command": publication.step}
    error = {"code": code, "message": message, "next": step, "data": data}
    return GoalOutcome("needs_help", summary, error)
