"""An MCP host that shows the page in a frame, as MCP Apps (2026-01-26) asks of hosts.

The frame gets the policy that the specification prescribes where a resource declares no origin, and an origin of its
own. Calls of the page go to the real servers, as a host passes them on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
from playwright.sync_api import FrameLocator, Page

from atos import Atos, AtosError, SyncAtos
from atos_protocol.errors import MCP_META_KEY
from atos_servers.host.page_resource import URI

POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; media-src 'self' data:; connect-src 'none'"
)
LONGEST_WAIT = 0.2
"""Seconds that a call waits for news here: meanwhile the browser's driver stands."""
HOST = """<!doctype html><title>host</title><iframe id="app" sandbox="allow-scripts" style="width:900px;height:1200px">
</iframe><script>
window.sizes = []; window.links = []; window.begun = 0;
addEventListener("message", async ({ data, source }) => {
  const frame = document.getElementById("app").contentWindow;
  if (source !== frame) return;
  const tell = (message) => frame.postMessage({ jsonrpc: "2.0", ...message }, "*");
  if (data.method === "ui/initialize") {
    window.asked = data.params;
    const hostCapabilities = { serverTools: {}, openLinks: {} };
    tell({ id: data.id, result: { protocolVersion: "2026-01-26", hostInfo: { name: "test", version: "1" }, hostCapabilities, hostContext: window.context } });
  } else if (data.method === "ui/notifications/initialized") {
    window.begun += 1;
    tell({ method: "ui/notifications/tool-input", params: { arguments: {} } });
    tell({ method: "ui/notifications/tool-result", params: window.shown });
  } else if (data.method === "ui/notifications/size-changed") window.sizes.push(data.params.height);
  else if (data.method === "ui/open-link") { window.links.push(data.params.url); tell({ id: data.id, result: {} }); }
  else if (data.method === "tools/call") tell({ id: data.id, result: JSON.parse(await callTool(JSON.stringify(data.params))) });
});
</script>"""


def page_document(server: str) -> str:
    """Return the page as a server gives it to a host."""

    async def read() -> str:
        async with Atos.connect() as atos:
            (found,) = await (await atos.tools(server)).read_resource(URI)
            assert found.mime_type == "text/html;profile=mcp-app"
            return str(getattr(found, "text", ""))

    with ThreadPoolExecutor(1) as thread:  # the browser's driver has an event loop in this one
        return thread.submit(anyio.run, read).result()


def shown_in_host(
    page: Page,
    atos: SyncAtos,
    server: str,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    theme: str = "light",
) -> FrameLocator:
    """Have the host call a tool and show its result with the page; return the frame."""

    def call(text: str) -> str:
        asked = json.loads(text)
        return json.dumps(_called(atos, server, asked["name"], dict(asked["arguments"])))

    page.expose_function("callTool", call)  # pyright: ignore[reportUnknownMemberType]
    page.set_content(HOST)
    result = _called(atos, server, tool, dict(arguments))
    document = page_document(server)
    policy = f'<meta http-equiv="content-security-policy" content="{POLICY}">'
    document = document.replace("<head>", f"<head>{policy}", 1)
    context = {"theme": theme, "toolInfo": {"tool": {"name": tool}}}
    page.evaluate(
        """([context, shown, document_]) => {
          Object.assign(window, { context, shown });
          document.getElementById("app").srcdoc = document_;
        }""",
        [context, result, document],
    )
    return page.frame_locator("#app")


def _called(atos: SyncAtos, server: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if "timeout_s" in arguments:
        arguments["timeout_s"] = min(arguments["timeout_s"], LONGEST_WAIT)
    try:
        reply = getattr(getattr(atos, server), tool)(**arguments)
    except AtosError as error:
        text = [{"type": "text", "text": error.message}]
        return {"isError": True, "content": text, "_meta": {MCP_META_KEY: error.to_wire()}}
    return {"content": [{"type": "text", "text": reply.text}], "structuredContent": reply.data}
