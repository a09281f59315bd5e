"""What a goal's end says about a repository in which a person was at work: pure decisions over the publication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from atos_orchestrator.execution.result_aggregator import GoalOutcome
from atos_orchestrator.workspace.publication import Publication


def where(publication: Publication) -> str:
    """Return the clause that says where ATOS's work is."""
    if publication.branch:
        return f"ATOS's work is on branch {publication.branch}"
    return "ATOS keeps its work in a git directory of its own"


def deployed(outcome: GoalOutcome, done: Mapping[str, str]) -> GoalOutcome:
    """Return how a goal ends whose result was deployed like this; what was built stays built."""
    if done["state"] == "verified":
        summary = f"{outcome.summary} It answers at {done['url']}"
        return replace(outcome, summary=summary, deployment_url=done["url"])
    return not_deployed(outcome, done["reason"], f"atos-client deployments logs {done['name']}")


def not_deployed(outcome: GoalOutcome, reason: str, step: str) -> GoalOutcome:
    """Return how a goal ends whose result could not be deployed."""
    message = f"the result is not deployed: {reason}"
    error = {"code": "deployment", "message": message, "next": step}
    return GoalOutcome("needs_help", f"{outcome.summary} But {message}", error)


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
