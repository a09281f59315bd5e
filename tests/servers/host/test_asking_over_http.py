"""A person is asked over HTTP in both eras: by a request within a session, or by an answer that wants more."""

from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.client.transports import StreamableHttpTransport
from mcp.types import ElicitResult, InputRequiredResult

from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.settings import load_settings
from atos_protocol.tokens import default_token
from atos_servers.host.asking import Inquiry, ask_person
from atos_servers.host.http_server import serving_http
from atos_servers.host.suite import finished, running
from atos_servers.page.access import PageAccess

pytestmark = pytest.mark.timeout(60)


async def deploy(context: Context) -> str | InputRequiredResult:
    """Deploy, if the person wants that."""
    answer = await ask_person(context, Inquiry("Deploy it?", bool, "atos-client deploy"))
    return answer if isinstance(answer, InputRequiredResult) else f"approved: {answer}"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(("says", "told"), [(True, "approved: True"), (False, "not approved")])
async def test_a_person_is_asked_over_http(
    mode: Any, says: bool, told: str, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def person(message: str, *_: Any) -> Any:
        asked.append(message)
        return ElicitResult(action="accept", content={"value": says})

    place = {"HOME": str(tmp_path), "ATOS_HOME": str(tmp_path / "atos"), "ATOS_HTTP_PORT": "0"}
    settings = load_settings(place)
    settings.prepare()
    token = default_token(settings.token_file)
    server = FastMCP("test")
    server.tool(deploy, output_schema=None)
    suite = {"test": finished(server)}
    async with (
        running(suite),
        serving_http(suite, settings, IdleShutdown(), PageAccess(settings)) as http,
    ):
        transport = StreamableHttpTransport(f"{http.url}/test/mcp", auth=token)
        client: Any = Client(transport, elicitation_handler=person, mode=mode)
        async with client:
            result = await client.call_tool("deploy", raise_on_error=False)
    assert asked == ["Deploy it?"]
    assert told in result.content[0].text
