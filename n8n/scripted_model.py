"""A chat model for the checks, with OpenAI's HTTP API: it calls ATOS's tool once, waits as told, and says what came.

It does what a good model does and nothing more, so that what is measured is n8n and ATOS. Standard library only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EXAMPLES = ["add(1, 2) == 3", "add(0, 0) == 0", "add(-1, 1) == 0"]


class ScriptedModel:
    """What the model was asked and did."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[str] = []
        self.tool_texts: list[str] = []
        self.tools_text = ""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the next message of the assistant."""
        messages, tools = request["messages"], request.get("tools", [])
        self.tools_text = json.dumps(tools)
        asked = next(_text(m) for m in messages if m["role"] == "user")
        results = [_text(m) for m in messages if m["role"] == "tool"]
        self.tool_texts = results
        names = [tool["function"]["name"] for tool in tools]
        if not results:
            return self._call(names, "start_goal", {"goal": asked, "examples": EXAMPLES})
        if "get_result again" in results[-1]:
            return self._call(names, "get_result", {})
        return {"role": "assistant", "content": results[-1]}

    def _call(self, names: list[str], wanted: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool by the end of its name, or the only one there is."""
        name = next((each for each in names if each.endswith(wanted)), names[0])
        if not name.endswith(wanted):
            arguments = {"goal": arguments.get("goal", "")}
        self.calls.append(name)
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"id": f"call_{len(self.calls)}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


class _Handler(BaseHTTPRequestHandler):
    model: ScriptedModel

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "atos/orchestrator", "object": "model"}]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message = self.model.answer(request)
        reason = "tool_calls" if "tool_calls" in message else "stop"
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        common = {"id": "c1", "created": 0, "model": request["model"]}
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            done = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
            return self._send(done)
        for number, call in enumerate(message.get("tool_calls", [])):
            call["index"] = number
        chunks: list[dict[str, Any]] = [
            {"delta": message, "finish_reason": None, "index": 0},
            {"delta": {}, "finish_reason": reason, "index": 0},
        ]
        lines: list[dict[str, Any]] = [
            {**common, "object": "chat.completion.chunk", "choices": [c]} for c in chunks
        ]
        text = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        return self._write(text.encode(), "text/event-stream")

    def _send(self, value: Any) -> None:
        self._write(json.dumps(value).encode(), "application/json")

    def _write(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def scripted_model() -> Generator[ScriptedModel]:
    """Serve the model on loopback for the time of the block."""
    model = ScriptedModel()
    handler = type("Bound", (_Handler,), {"model": model})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        model.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join()
