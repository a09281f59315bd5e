"""How every daemon starts and ends, written once.

    settings -> home prepared -> log to standard error -> lifetime lock -> body -> lock released

The body binds its socket with `listen_unix`, says `announce_ready` (`atos_protocol.daemons`) when it
answers, and serves in a task group beside `until_signal`, `idle_shutdown.IdleShutdown.wait_idle` and
`until_unreachable`; whichever of these returns first ends it. Standard library and anyio, and anyio is
imported when it is needed: a daemon may start its children before anything heavy.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from atos_daemon.daemon_log import StandardErrorHandler, formatter_of, trim_log
from atos_daemon.descriptors import raise_soft_limit
from atos_protocol.daemons import take_role
from atos_protocol.errors import AtosError, BadConfigError
from atos_protocol.server_url import learn_secrets
from atos_protocol.settings import Settings, load_settings

CHATTY = ("fastmcp", "httpx", "httpx2", "mcp", "uvicorn")
"""Libraries that log every request at INFO."""

BACKLOG = 512
REACH_SECONDS = 30.0
"""How often a daemon looks whether its socket is still there: its home may be removed."""

logger = logging.getLogger(__name__)


def usage(program: str, about: str, words: Sequence[str]) -> int | None:
    """Answer words on the command line of a daemon that takes none; return the exit status, None without words.

    Whoever asks for help would start it otherwise, in the foreground.
    """
    if not words:
        return None
    asked = words[0] in ("-h", "--help")
    text = f"usage: {program}\n\n{about} It takes no arguments; `atos-client up` starts it.\n"
    (sys.stdout if asked else sys.stderr).write(text)
    return 0 if asked else 2


def run_daemon(role: str, body: Callable[[Settings], None]) -> int:
    """Run a daemon as the only one of its role in this home; return the exit status.

    What keeps it from running is one line on standard error, which whoever started it quotes.
    """
    try:
        settings = load_settings()
        learn_secrets(settings)
        settings.prepare()
        log_to_stderr(settings.log_level, settings.log_format, role)
        leave_no_core()
        raise_soft_limit()
        lock = take_role(role, settings)
        try:
            body(settings)
        finally:
            lock.release()
    except AtosError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 1
    return 0


def leave_no_core() -> None:
    """Leave no core file behind: it would hold every key. Crashes are logged, without secrets."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.excepthook = _log_crash


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logger.critical("ended by an unexpected error", exc_info=(kind, error, trace))


def log_to_stderr(level: str, form: str = "text", role: str = "") -> None:
    """Log to standard error, which is the daemon's file in `logs/`.

    Args:
        level: the least that is written.
        form: `text` or `json`.
        role: the daemon's, as lines of JSON name it.

    Raises:
        BadConfigError: there is no such level.
    """
    if (number := logging.getLevelNamesMapping().get(level.upper())) is None:
        message = f"ATOS_LOG_LEVEL: there is no level {level[:40]!r}"
        raise BadConfigError(message, next_step="Use DEBUG, INFO, WARNING or ERROR.")
    logging.basicConfig(level=number, handlers=[StandardErrorHandler(formatter_of(form, role))])
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def listen_unix(path: Path) -> socket.socket:
    """Listen on a Unix socket, mode 0600; a stale one at this path is replaced.

    Only the holder of the role's lock may call this: whoever has it knows that nobody listens any
    more, however alive the file looks.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


async def until_signal(
    signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> None:
    """Return at the first of these signals."""
    import anyio

    with anyio.open_signal_receiver(*signals) as received:
        async for number in received:
            logger.info("ending on %s", number.name)
            return


async def until_unreachable(path: Path, seconds: float = REACH_SECONDS) -> None:
    """Return when the socket at `path` is not the one of now any more: nobody could come again."""
    import anyio

    mine = _identity(path)
    while _identity(path) == mine:
        await anyio.sleep(seconds)
        trim_log()  # what libraries and children write passes no handler
    logger.warning("ending, since %s is gone", path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
