"""What a goal delivered, over HTTP: for clients on another machine, or without access to ATOS's folders.

    GET /goals/{id}/result      JSON: state, commit, test report, every file, and all of them as a zip in base64
    GET /goals/{id}/files.zip   the zip alone

Whoever may see the goal may read this: the guard in front knows the caller.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from atos_orchestrator.workspace.delivered_files import Delivered, DeliveredFile, zipped
from atos_protocol.errors import AtosError, ConflictError, NotFoundError
from atos_protocol.goals import FINAL_GOAL_STATES, GoalView
from atos_servers.orchestrate.own_goals import OwnGoals

PREFIX = "/goals/"
NOTHING = Delivered("", ())

OpenGoals = Callable[[], Awaitable[OwnGoals]]


def file_view(file: DeliveredFile) -> dict[str, Any]:
    """Return a file as JSON: `text` where it is text, else `base64`."""
    about = {"path": file.path, "bytes": len(file.data)}
    try:
        return about | {"text": file.data.decode()}
    except UnicodeDecodeError:
        return about | {"base64": base64.b64encode(file.data).decode()}


def result_view(view: GoalView, delivered: Delivered, archive: bytes) -> dict[str, Any]:
    """Return a goal's result as a program on another machine needs it."""
    return {
        "id": view.id,
        "goal": view.goal,
        "state": view.state,
        "final": view.state in FINAL_GOAL_STATES,
        "ok": view.state == "success",
        "summary": view.summary,
        "repository": view.repository,
        "deployment_url": view.deployment_url,
        "commit": delivered.commit,
        "tests": {"passed": view.tests.passed, "failed": view.tests.failed},
        "tasks": [
            {"id": task.id, "title": task.title, "complexity": task.complexity, "state": task.state}
            | {"proof": task.proof, "evidence": task.evidence, "question": task.question.text}
            for task in view.tasks
        ],
        "error": dict(view.error),
        "files": [file_view(file) for file in delivered.files],
        "zip": base64.b64encode(archive).decode() if delivered.files else "",
    }


class ResultRoute:
    """The two routes, over the goals of whoever calls."""

    def __init__(self, goals: OpenGoals) -> None:
        self._goals = goals
        self.app = Router(
            [
                Route("/goals/{goal}/result", self._answering(self._result), methods=["GET"]),
                Route("/goals/{goal}/files.zip", self._answering(self._zip), methods=["GET"]),
            ]
        )

    async def _result(self, goal: str) -> Response:
        goals = await self._goals()
        view = await goals.get(goal)
        try:
            delivered = await goals.delivered(goal)
        except (NotFoundError, ConflictError):  # the goal is known: it has not committed anything
            delivered = NOTHING
        archive = await anyio.to_thread.run_sync(zipped, delivered.files)
        return JSONResponse(result_view(view, delivered, archive))

    async def _zip(self, goal: str) -> Response:
        delivered = await (await self._goals()).delivered(goal)
        archive = await anyio.to_thread.run_sync(zipped, delivered.files)
        name = f'attachment; filename="{goal}.zip"'
        headers = {"content-disposition": name, "x-commit": delivered.commit}
        return Response(archive, media_type="application/zip", headers=headers)

    def _answering(
        self, read: Callable[[str], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await read(request.path_params["goal"])
            except AtosError as error:
                wire = error.to_wire()
                return JSONResponse({"error": wire}, status_code=int(wire["status"]))

        return answer
