"""One supervised client: errors keep their class, a lost host is only a pause."""

import gc
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from atos.cli.host_connection import HostClient
from atos.tools import ToolClient
from atos.transport import SocketTransport
from atos_protocol.errors import BadRequestError, BusyError, NotFoundError, UnreachableError
from atos_protocol.settings import load_settings
from doubles.line_host import LineHost


@pytest.fixture
async def host(atos_home: Path) -> AsyncGenerator[LineHost]:
    settings = load_settings()
    settings.prepare()
    async with LineHost(settings.servers_socket).running() as running:
        yield running


@pytest.fixture
async def tools(host: LineHost) -> AsyncGenerator[ToolClient]:
    assert host.path.exists()
    async with ToolClient(load_settings(), client="worker") as client:
        yield client


async def test_a_call_returns_the_structured_result(tools: ToolClient, host: LineHost) -> None:
    roots = (Path("/a"), Path("/b"))
    assert await tools.call("vram", "echo", {"text": "hi"}, roots=roots) == {"text": "hi"}
    opening = {"atos": 1, "server": "vram", "roots": ["/a", "/b"], "client": "worker"}
    assert host.openings == [opening]


async def test_an_error_keeps_its_class_message_and_next_step(tools: ToolClient) -> None:
    with pytest.raises(NotFoundError) as raised:
        await tools.call("orchestrate", "fail", {})
    assert (raised.value.message, raised.value.next_step) == ("no goal g9", "List them.")


async def test_calls_to_one_server_share_a_connection(tools: ToolClient, host: LineHost) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(tools.call, "vram", "echo", {"text": str(number)})
    assert sorted(host.calls) == [str(n) for n in range(8)]
    assert len(host.openings) == 1


async def test_the_call_after_a_lost_connection_connects_anew(
    tools: ToolClient, host: LineHost
) -> None:
    await tools.call("vram", "echo", {"text": "before"})
    await host.drop_connections()
    assert await tools.call("vram", "echo", {"text": "after"}) == {"text": "after"}


async def test_a_call_in_flight_is_not_sent_again_unless_that_is_harmless(
    tools: ToolClient, host: LineHost
) -> None:
    async with anyio.create_task_group() as tasks:

        async def call() -> None:
            with pytest.raises(UnreachableError, match=r"lost during vram\.hang"):
                await tools.call("vram", "hang", {}, resend=False)

        tasks.start_soon(call)
        with anyio.fail_after(5):
            await host.hanging.wait()
        await host.drop_connections()
    assert host.calls == ["hang"]


async def test_a_refused_connection_says_why(tools: ToolClient, host: LineHost) -> None:
    host.refuse = BadRequestError("no such directory: /nowhere").to_wire()
    with pytest.raises(BadRequestError, match="/nowhere"):
        await tools.call("filesystem", "echo", {"text": "x"}, roots=[Path("/nowhere")])


async def test_a_host_without_room_gets_back_what_is_idle_and_nothing_that_is_used(
    tools: ToolClient, host: LineHost
) -> None:
    async def echo(text: str) -> None:
        while True:
            with suppress(BusyError):
                await tools.call("vram", "echo", {"text": text}, roots=[Path("/", text)])
                return
            await anyio.sleep(0.01)

    async def hang() -> None:
        await tools.call("vram", "hang", {})

    host.room = 2
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        with anyio.fail_after(20):
            await host.hanging.wait()
            for text in ("a", "b", "c"):
                await echo(text)
        host.room = 1
        await tools.release([Path("/c")])
        with pytest.raises(BusyError, match="no room"):
            await tools.call("vram", "echo", {"text": "d"}, roots=[Path("/d")])
        tasks.cancel_scope.cancel()
    assert host.calls == ["hang", "a", "b", "c"]


async def test_a_client_that_may_not_start_a_host_waits_for_it(atos_home: Path) -> None:
    settings = load_settings()
    settings.prepare()
    host = LineHost(settings.servers_socket)
    async with (
        ToolClient(settings, client="worker", start=False) as tools,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(tools.call, "vram", "echo", {"text": "early"})
        await anyio.wait_all_tasks_blocked()
        async with host.running():
            assert await tools.call("vram", "echo", {"text": "later"}) == {"text": "later"}
    assert host.calls == ["early", "later"]
    assert not settings.logs.joinpath("servers.log").exists()  # nobody has started a real one


async def test_a_host_that_dies_before_it_read_the_opening_is_unreachable_and_leaves_no_socket(
    atos_home: Path,
) -> None:
    settings = load_settings()
    settings.prepare()
    roots = [Path("/") / ("x" * 1_000 + str(number)) for number in range(1_000)]  # fills the buffer
    transport = SocketTransport(settings.servers_socket, "vram", roots=roots)

    async with (
        await anyio.create_unix_listener(settings.servers_socket) as listener,
        anyio.create_task_group() as tasks,
    ):

        async def die() -> None:
            await (await listener.accept()).aclose()

        tasks.start_soon(die)
        with pytest.raises(UnreachableError, match=r"does not answer at .*(Broken pipe|reset)"):
            async with transport.connect_session():
                pass
    gc.collect()  # an open socket would be reported here, and fail this test


async def test_the_standard_library_client_speaks_the_same_protocol(host: LineHost) -> None:
    line = HostClient(load_settings(), "orchestrate", start=False)
    answer = await anyio.to_thread.run_sync(line.call, "echo", {"text": "hi"})
    assert answer == {"text": "hi"}
    with pytest.raises(NotFoundError, match="no goal g9"):
        await anyio.to_thread.run_sync(line.call, "fail", dict[str, str]())
    line.close()
    assert host.openings[0]["client"] == "cli"
