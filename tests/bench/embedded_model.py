"""A GGUF model in the scheduler's engine worker, asked without daemons: what a recording uses.

One slot, one request at a time, so that the beginning that a problem's requests share is read once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from atos_orchestrator.agents.model_request import ModelRequest
from atos_scheduler.engines.llama_cpp_model import LlamaModel
from atos_scheduler.engines.protocol import ModelSpec
from bench.recorded import RecordedReply

CONTEXT = 4096
REPLY_SECONDS = 900.0

Answer = Callable[[ModelRequest], Awaitable[RecordedReply]]


@asynccontextmanager
async def embedded_model(weights: Path, threads: int = 0) -> AsyncGenerator[Answer]:
    """Load a model and yield what answers requests; its process ends with the block.

    Args:
        weights: path of the GGUF file.
        threads: of the engine; 0 means all cores, as a recording has the machine to itself.
    """
    spec = ModelSpec(weights.stem, str(weights), CONTEXT, slots=1)
    sockets = tempfile.TemporaryDirectory(prefix="atos-")
    count = threads or os.cpu_count() or 1
    model = await LlamaModel.load(spec, str(weights), count, Path(sockets.name))

    async def answer(request: ModelRequest) -> RecordedReply:
        body = {"messages": list(request.messages)}
        prompt = (await _posted(model, "/apply-template", body))["prompt"] + request.begin
        found = await _posted(model, "/completion", _completion(request, prompt))
        return recorded(request, found)

    try:
        yield answer
    finally:
        await model.end()
        sockets.cleanup()


def _completion(request: ModelRequest, prompt: str) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "n_predict": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop),
        "cache_prompt": True,
    }


def recorded(request: ModelRequest, found: dict[str, Any]) -> RecordedReply:
    """Return what is kept of llama.cpp's answer."""
    times = found["timings"]
    return RecordedReply(
        role=request.role,
        seed=request.seed,
        text=request.begin + found["content"],
        cut=found["stop_type"] == "limit",
        read=times["prompt_n"],
        reused=times.get("cache_n") or 0,
        tokens=times["predicted_n"],
        seconds=round((times["prompt_ms"] + times["predicted_ms"]) / 1000, 3),
    )


async def _posted(model: LlamaModel, path: str, body: dict[str, Any]) -> dict[str, Any]:
    with anyio.fail_after(REPLY_SECONDS):
        answer = await model.client.post(path, json=body)
    answer.raise_for_status()
    return answer.json()
