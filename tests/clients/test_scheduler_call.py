"""A control request to a scheduler that does not read it to its end."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from atos.cli.scheduler_call import scheduler_call
from atos_protocol.errors import BusyError, UnreachableError
from atos_protocol.settings import load_settings

MORE_THAN_A_SOCKET_HOLDS = {"text": "x" * 8_000_000}
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 48\r\n\r\n"
    b'{"atos": {"code": "busy", "message": "not now"}}'
)

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def answered(atos_home: Path) -> Callable[[bytes], threading.Thread]:
    """Has a scheduler's socket answer one request as soon as its first bytes came, and hang up."""

    def listen(answer: bytes) -> threading.Thread:
        settings = load_settings()
        settings.prepare()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(settings.scheduler_socket))
        listener.listen()

        def serve() -> None:
            with listener, listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        return thread

    return listen


def test_an_answer_that_comes_before_the_request_was_read_is_told(
    answered: Callable[[bytes], threading.Thread],
) -> None:
    thread = answered(REFUSAL)

    with pytest.raises(BusyError, match="not now"):
        scheduler_call(load_settings(), "POST", "/atos/pause", MORE_THAN_A_SOCKET_HOLDS)

    thread.join()


def test_a_scheduler_that_hangs_up_without_an_answer_is_unreachable(
    answered: Callable[[bytes], threading.Thread],
) -> None:
    thread = answered(b"")

    with pytest.raises(UnreachableError, match="the scheduler gave no answer"):
        scheduler_call(load_settings(), "POST", "/atos/pause", MORE_THAN_A_SOCKET_HOLDS)

    thread.join()
