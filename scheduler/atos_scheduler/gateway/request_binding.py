"""What of a request depends on the model that answers it; pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atos_protocol.errors import BadRequestError, ContextError, RefusedError
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.contracts import Deployment
from atos_scheduler.core.types import size_text
from atos_scheduler.engines.protocol import Request
from atos_scheduler.gateway.fill_in import filled_in

LONGEST_TOKEN = 64
"""Characters of a token: no vocabulary's are longer, but for runs of blanks."""
FROZEN = {
    "temperature": "temperature",
    "seed": "seed",
    "stop": "stop",
    "num_predict": "max_tokens",
}
"""Option of a model, as `models.yaml` has it -> field of a request that it stands in for."""


def with_context(
    model: str, context: int, deployments: tuple[Deployment, ...], catalogue: Catalogue
) -> tuple[Deployment, ...]:
    """Return the models whose context is as long as the client asks for, or else such variants of them.

    Args:
        model: as the client named it.
        context: tokens that the client asks for; 0 if it names none.
        deployments: the candidates.
        catalogue: knows the variants, and the budget.

    Raises:
        BadRequestError: no model was trained for so many tokens, or its engine has one context only.
        RefusedError: the variant is larger than the budget.
    """
    if kept := tuple(found for found in deployments if found.spec.context >= context):
        return kept
    longer = [catalogue.longer(found, context) for found in deployments]
    variants = tuple(found for found in longer if found is not None)
    if fitting := tuple(v for v in variants if v.candidate.bytes <= catalogue.ceiling):
        return fitting
    most = max(deployment.spec.context for deployment in deployments)
    if variants:
        needs, have = size_text(variants[0].candidate.bytes), size_text(catalogue.ceiling)
        message = f"{model} with num_ctx {context} needs {needs}, the budget is {have}"
        step = f"Ask for {most}, which it has now, or take a smaller model."
        raise RefusedError(message, next_step=step)
    trained = max(deployment.installed.context for deployment in deployments)
    message = f"num_ctx {context} is above the {most} that {model} is loaded with"
    step = f"Ask for less: it was trained for {trained or most}, and `context` in ~/.atos/models.yaml says how much it gets."
    raise BadRequestError(message, next_step=step)


def bound(request: Request, deployment: Deployment, unset: frozenset[str] = frozenset()) -> Request:
    """Return a request bound to a model: with its name, options, longest reply and roles."""
    frozen: dict[str, Any] = {
        field: deployment.spec.options[option]
        for option, field in FROZEN.items()
        if option in unset and option in deployment.spec.options
    }
    request = replace(request, **frozen)
    if request.suffix:
        family = str(deployment.installed.details.get("family", ""))
        prompt = filled_in(deployment.name, family, request.prompt, request.suffix)
        request = replace(request, prompt=prompt, suffix="")
    most = deployment.spec.context
    check_length(request, most)
    limit = min(request.max_tokens, most) if request.max_tokens > 0 else most
    messages = request.messages
    if not deployment.entry.system:
        messages = without_system(messages)
    return replace(request, model=deployment.name, max_tokens=limit, messages=messages)


def check_length(request: Request, context: int) -> None:
    """Refuse what can't fit by any measure, so that no engine has to read megabytes of it.

    Raises:
        ContextError: with the numbers.
    """
    size = len(request.prompt) + sum(len(str(m.get("content", ""))) for m in request.messages)
    if size > context * LONGEST_TOKEN:
        message = f"the prompt has {size} characters, at least {size // LONGEST_TOKEN} tokens; the model's context has {context}"  # fmt: skip
        raise ContextError(message, next_step="Shorten the prompt, or ask for a longer num_ctx.")


def without_system(messages: tuple[dict[str, object], ...]) -> tuple[dict[str, object], ...]:
    """Put the text of system messages in front of the first user message."""
    system = [str(m["content"]) for m in messages if m["role"] == "system"]
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if not system:
        return messages
    first = next((m for m in rest if m["role"] == "user"), None)
    if first is None:
        return ({"role": "user", "content": "\n\n".join(system)}, *rest)
    first["content"] = "\n\n".join([*system, str(first["content"])])
    return tuple(rest)
