"""What a default installation listens on, over all of its processes, a loaded model's included."""

from pathlib import Path

import psutil
import pytest

from atos.scheduler_client import SchedulerClient
from atos_protocol.daemons import connect, ensure, peer_pid
from doubles.host_process import host_process

pytestmark = pytest.mark.timeout(120)


async def test_nothing_listens_on_tcp_but_the_http_port_on_loopback() -> None:
    with host_process() as host:
        pids = [host.ensure()]
        ensure("scheduler", host.settings)
        with connect("scheduler", host.settings) as connection:
            pids.append(peer_pid(connection))
        async with SchedulerClient(host.settings) as client:
            await client.load("atos-mini", seconds=90)
        daemons = [psutil.Process(pid) for pid in pids]
        tree = [each for daemon in daemons for each in (daemon, *daemon.children(recursive=True))]
        assert len(tree) >= 4, "host, worker, scheduler, engine"
        inet = {
            (found.laddr.ip, found.laddr.port)
            for process in tree
            for found in process.net_connections("inet")
            if found.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
        }
        port = int(str(host.status()["http"]["url"]).rpartition(":")[2])
        assert inet == {("127.0.0.1", port)}


def test_what_the_scheduler_and_its_engines_write_is_the_persons_alone() -> None:
    with host_process() as host:
        ensure("scheduler", host.settings)
        with connect("scheduler", host.settings) as connection:
            status = Path(f"/proc/{peer_pid(connection)}/status").read_text()
    assert "Umask:\t0077\n" in status
