"""What goes wrong around a real n8n: a wrong token, a stopped execution, either side killed, callbacks that come twice.

Everything is real. A goal is held at work with `atos-client pause`, so that nothing depends on how fast this machine is.
Standard library only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import signal
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from host import Host, request
from real_parts import TOOLKIT, call, expect, tool, upload_server
from variants import COUNTING

if TYPE_CHECKING:
    from real_atos import Atos

ADD = "Write a Python function to add two numbers"
FAR_AWAY = "Build a price-tracking SaaS"
SECONDS = 120.0
CALLBACKS = 100
AT_ONCE = 8
FINAL = {"success", "failed", "cancelled", "needs_help", "limit_reached"}


def until(holds: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Return what a question answers as soon as it is true.

    Raises:
        StepFailedError: it never was.
    """
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            expect(False, f"{what}, within {seconds:.0f} s")
        time.sleep(0.3)
    return found


def goals(atos: Atos) -> list[dict[str, Any]]:
    """Return ATOS's goals, newest first; none while ATOS is away."""
    with suppress(OSError, ValueError, KeyError):
        return tool(atos, "orchestrate", "list_goals", {"limit": 50})["goals"]
    return []


def held(atos: Atos, known: set[str]) -> str:
    """Return the goal that has been started since, paused."""

    def fresh() -> str:
        return next((str(each["id"]) for each in goals(atos) if each["id"] not in known), "")

    goal = until(fresh, "a goal is started")
    atos.client("pause", goal)
    return goal


def ids(atos: Atos) -> set[str]:
    """Return the ids of ATOS's goals."""
    return {str(each["id"]) for each in goals(atos)}


def state(atos: Atos, goal: str) -> str:
    """Return a goal's state."""
    return next((str(each["state"]) for each in goals(atos) if each["id"] == goal), "")


def kill_host(atos: Atos) -> None:
    """Kill the process that serves ATOS's tools, as an out-of-memory killer would."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(atos.home / "a" / "run" / "servers.sock"))
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    os.kill(struct.unpack("3i", told)[0], signal.SIGKILL)


def check_token(host: Host, atos: Atos, key: str) -> None:
    """A credential with a wrong token says so, and what to do.

    Raises:
        StepFailedError: it does not.
    """
    status, told = call(host, key, "atos-goal-wrong", {"goal": ADD})
    error = told.get("error", {})
    expect((status, error.get("code")) == (502, "unauthorized"), f"wrong token: {error}")
    expect(error.get("next"), f"and the next step: {error.get('next')}")


def check_items(host: Host, atos: Atos, key: str) -> None:
    """Of several items one fails; the others' goals succeed, in their order, and none is left at work.

    Raises:
        StepFailedError: otherwise.
    """
    before = ids(atos)
    body = {"goals": [ADD, FAR_AWAY, "Write a Python function to reverse a string"]}
    status, told = call(host, key, "atos-goal-items", body)
    found = [
        each.get("state") or each.get("error", {}).get("code") for each in told.get("data", [])
    ]
    expect((status, found) == (200, ["success", "out_of_scope", "success"]), f"items: {found}")
    left = [each["id"] for each in goals(atos) if each["state"] not in FINAL]
    expect(len(ids(atos) - before) == 2 and not left, "two goals, none left at work")


def check_stop(host: Host, atos: Atos, key: str) -> None:
    """Stopping an execution cancels its goal.

    Raises:
        StepFailedError: the goal goes on.
    """
    known = ids(atos)
    # what an n8n that was killed had at work is still listed, and can't be stopped
    dead = {each["id"] for each in host.executions("running")}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, host, key, "atos-goal-files", {"goal": TOOLKIT})
        goal = held(atos, known)
        running = until(
            lambda: [each for each in host.executions("running") if each["id"] not in dead],
            "its execution is listed",
        )
        status, text = host.rest(f"executions/{running[0]['id']}/stop", {})
        expect(status == 200, f"the execution is stopped: HTTP {status} {text[:120]}")
        until(lambda: state(atos, goal) == "cancelled", f"{goal} is cancelled")
        expect(True, f"its goal {goal} is cancelled")
        answer.result()


def check_retry(host: Host, atos: Atos, key: str) -> None:
    """A node that is tried again ("Retry on Fail") starts one goal: ATOS is not reached, then its answer is lost.

    Raises:
        StepFailedError: it failed, or started two.
    """
    known = ids(atos)
    status, told = call(host, key, "atos-goal-retry", {"goal": ADD})
    state_of = told.get("goal", {}).get("state")
    expect((status, state_of) == (200, "success"), "not reached, then cut off, then tried again")
    expect(len(ids(atos) - known) == 1, "by one goal")


def check_trouble(host: Host, atos: Atos, key: str) -> None:
    """Run the checks of one n8n that stays up.

    Raises:
        StepFailedError: one of them failed.
    """
    for each in (check_token, check_items, check_stop, check_retry):
        each(host, atos, key)


def check_killed(host: Host, atos: Atos, key: str) -> None:
    """ATOS killed while a node waits, n8n killed while it waits: the caller gets the result, of one goal.

    Raises:
        StepFailedError: it does not.
    """
    known = ids(atos)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, host, key, "atos-goal-files", {"goal": TOOLKIT})
        goal = held(atos, known)
        kill_host(atos)
        atos.client("up")
        atos.client("resume", goal)
        status, told = answer.result()
    got = told.get("goal", {})
    expect((status, got.get("state")) == (200, "success"), "ATOS killed in mid-wait: success")
    expect(got.get("id") == goal and ids(atos) - known == {goal}, f"by the one goal {goal}")
    known, sent = ids(atos), {"idempotency-key": "killed-n8n"}
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(call, host, key, "atos-goal-files", {"goal": TOOLKIT}, sent)
        second = held(atos, known)
        host.kill()
        lost.result()
    host.start()
    atos.client("resume", second)
    until(lambda: host.webhook_answers("atos-goal-files"), "n8n's webhook is back")
    status, told = call(host, key, "atos-goal-files", {"goal": TOOLKIT}, sent)
    got = told.get("goal", {})
    expect((status, got.get("id")) == (200, second), "n8n killed: the same key, the same goal")
    check_later(host, atos, key)


def check_later(host: Host, atos: Atos, key: str) -> None:
    """n8n's own wait, by callback: nothing is held meanwhile, and n8n killed while it waits still reports.

    Raises:
        StepFailedError: nothing was reported, or not once.
    """
    for killed in (False, True):
        _report_later(host, atos, key, killed=killed)


def _report_later(host: Host, atos: Atos, key: str, *, killed: bool) -> None:
    known = ids(atos)
    with upload_server() as (url, taken):
        status, told = call(host, key, "atos-goal-later", {"goal": TOOLKIT, "report": url})
        expect(status == 202, "n8n's own wait: answered at once")
        goal = held(atos, known)
        until(lambda: host.executions("waiting"), "the execution is set aside")
        expect(not host.executions("running"), "and none is held")
        if killed:
            host.kill()
        atos.client("resume", goal)
        if killed:
            until(lambda: state(atos, goal) == "success", "the goal ends while n8n is away")
            host.start()
        until(lambda: taken, "the result is reported")
        time.sleep(2)  # another would come now
    report = json.loads(taken[0])
    right = report["ok"] and report["goal"]["id"] == goal == told["goal"]
    files = len(report["goal"]["files"])
    expect(right and files > 1 and len(taken) == 1, f"reported once, with {files} files")


def check_callbacks(host: Host, atos: Atos, _key: str) -> None:
    """A hundred callbacks that come twice, in any order, eight at a time: each starts one execution.

    Raises:
        StepFailedError: one was lost, taken twice, or taken with a wrong signature.
    """

    def subscribed() -> dict[str, Any] | None:
        files = (atos.home / "a" / "callbacks").glob("c*.json")
        kept = [json.loads(each.read_text(encoding="utf-8")) for each in files]
        return next((each for each in kept if "atos-goal-count" in each["url"]), None)

    host.publish(COUNTING)
    told = until(subscribed, "the trigger subscribes")  # n8n answers before it does
    names = [f"m{number:03}" for number in range(CALLBACKS)]
    order = names + names
    random.Random(7).shuffle(order)

    def post(name: str, secret: str = told["secret"]) -> int:
        body = {"event": "goal.ended", "goal_id": name, "report": url, "id": name}
        headers = {"x-atos-signature": _signed(secret, json.dumps(body))}
        return request(told["url"], body, headers, SECONDS)[0]

    with upload_server() as (url, taken):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = list(pool.map(post, order))
        forged = post("forged", "another secret of letters")
        until(lambda: len(taken) >= CALLBACKS, "every callback starts an execution")
        time.sleep(3)  # what came twice would be here now
    got = sorted(str(json.loads(each)["goal_id"]) for each in taken)
    expect(
        (set(statuses), forged) == ({200}, 401), f"{len(order)} are answered, a forged one is 401"
    )
    expect(got == names, f"{len(got)} executions for {len(order)} callbacks of {CALLBACKS} ends")


def _signed(secret: str, body: str) -> str:
    now = int(time.time())
    mac = hmac.new(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256)
    return f"t={now},v1={mac.hexdigest()}"


CHECKS: dict[str, tuple[tuple[str, ...], Callable[[Host, Atos, str], None]]] = {
    "trouble": (
        ("atos-goal-files", "atos-goal-wrong", "atos-goal-retry", "atos-goal-items"),
        check_trouble,
    ),
    "killed": (("atos-goal-files", "atos-goal-later"), check_killed),
    "callbacks": ((), check_callbacks),
}
"""Part -> the webhooks that it calls, and the check."""
