"""n8n's AI Agent builds code with ATOS, over MCP and with the ATOS Goal node; a goal's end calls a workflow back.

The chat model is scripted (scripted_model.py), everything else is real. Standard library only.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from host import Host, request
from real_parts import expect
from real_trouble import held, ids
from scripted_model import ScriptedModel

from toolchain import StepFailedError

if TYPE_CHECKING:
    from exported import Exported
    from real_atos import Atos

MOST_CALLS = 3
MOST_TOKENS = 1500
TOKEN_BYTES = 4
SECONDS = 330.0
SLOW_S = 230.0
"""Seconds that a slow goal is held: with its own work it takes about four minutes."""
SLOW_CALLS = 6


def check_agent(
    host: Host,
    workflow: Exported,
    model: ScriptedModel,
    key: str,
    goal: str,
    most_calls: int = MOST_CALLS,
) -> float:
    """Have an agent build a goal; count its calls and the words that its tools cost; return the seconds.

    Raises:
        StepFailedError: it did not get the code, or needed too many calls or words.
    """
    model.calls.clear()
    headers = {"x-atos-webhook-key": key}
    url = f"{host.url}/webhook/{workflow.path}"
    begun = time.monotonic()
    status, text, _ = request(url, {"goal": goal}, headers, SECONDS)
    took = time.monotonic() - begun
    words = sum(len(each.encode()) for each in [*model.tool_texts, model.tools_text])
    told = f"{len(model.calls)} calls, {words // TOKEN_BYTES} tokens of tools and results, {took:.0f} s"
    print(f"  {workflow.path} <- {goal!r}\n    HTTP {status}, {told}: {text[:400]}", flush=True)
    over = workflow.path == "atos-agent" and words / TOKEN_BYTES > MOST_TOKENS
    if status != 200 or "def add(" not in text or len(model.calls) > most_calls or over:
        message = f"{workflow.path}: HTTP {status}, {told}, calls {model.calls}"
        raise StepFailedError(message)
    return took


def check_slow_agent(
    host: Host, atos: Atos, workflow: Exported, model: ScriptedModel, key: str, goal: str
) -> None:
    """An agent builds a goal that takes four minutes, most of which it is held by `pause`.

    Raises:
        StepFailedError: it needed too many calls or words, or had no code.
    """
    host.activate(workflow.id, workflow.path)
    begun, known = time.monotonic(), ids(atos)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(check_agent, host, workflow, model, key, goal, SLOW_CALLS)
        slow = held(atos, known)
        time.sleep(max(0.0, begun + SLOW_S - time.monotonic()))
        atos.client("resume", slow)
        took = answer.result()
    expect(took >= SLOW_S, f"a goal of {took:.0f} s in at most {SLOW_CALLS} calls")


def check_callback(host: Host, atos: Atos, workflow: Exported) -> None:
    """Wait until ATOS has told the workflow of a goal that has ended.

    Raises:
        StepFailedError: n8n has not subscribed, or took no callback within a minute.
    """
    headers = {"authorization": f"Bearer {atos.token()}"}
    status, text, _ = request(f"{atos.url}/callbacks", None, headers)
    subscribed: list[dict[str, Any]] = json.loads(text)["callbacks"] if status == 200 else []
    print(f"  {workflow.id}: {subscribed}")
    if not subscribed:
        message = f"n8n did not subscribe: HTTP {status} {text[:300]}"
        raise StepFailedError(message)
    outbox = atos.home / "a" / "callbacks" / "outbox"
    until = time.monotonic() + 60
    while not (taken := list((outbox / "delivered").glob("*"))):
        if time.monotonic() > until:
            waiting = [path.read_text() for path in (outbox / "waiting").glob("*.json")]
            message = f"n8n took no callback within a minute; waiting: {waiting}"
            raise StepFailedError(message)
        time.sleep(0.5)
    print(f"  {len(taken)} callbacks taken by {host.url}")
