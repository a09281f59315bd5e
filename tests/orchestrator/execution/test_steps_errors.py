"""What becomes of an error in a durable step: a verdict is recorded, trouble is waited out, a defect asks for help."""

import errno
import importlib
import pkgutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import anyio.lowlevel
import pytest
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

import atos_servers
from atos_orchestrator.execution import steps
from atos_orchestrator.execution.result_aggregator import ended_by
from atos_orchestrator.execution.step_errors import (
    DEFECTS,
    PATIENCE,
    as_atos_error,
    class_of,
    patience,
)
from atos_orchestrator.execution.steps import until_done
from atos_orchestrator.ports import Json
from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    BusyError,
    ContextError,
    DeadlineError,
    EngineError,
    LoadFailedError,
    SandboxUnavailableError,
    UnreachableError,
    from_wire,
    known_errors,
)
from atos_protocol.scheduler_api import ONLY_WAITED

BROKEN = SandboxUnavailableError("python has no pytest", next_step="Install it.")
WRAPPED = "unhandled errors in a TaskGroup"
PAGE = Path(__file__).parents[3] / "docs" / "execution.md"


class Told:
    """What a step told of its waits."""

    def __init__(self) -> None:
        self.waits = list[tuple[str, float]]()

    def __call__(self, error: AtosError, since: float, pause: float) -> None:
        assert since > 0
        self.waits.append((error.message, pause))


class Failing:
    """Work that fails so often and then is done."""

    def __init__(self, *errors: Exception) -> None:
        self.left = list(errors)

    async def __call__(self) -> Json:
        if self.left:
            raise self.left.pop(0)
        return {"done": True}


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses pass at once; how long each would have been."""
    slept = list[float]()

    async def pass_at_once(seconds: float) -> None:
        slept.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(steps.anyio, "sleep", pass_at_once)
    return slept


async def test_a_verdict_is_raised_at_once() -> None:
    work = Failing(ContextError("8200 tokens, the model has 8192"))
    with pytest.raises(ContextError, match="8200"):
        await until_done("code.0", work, Told())
    assert work.left == []


async def test_an_error_that_a_task_group_wrapped_keeps_its_class_and_next_step() -> None:
    work = Failing(ExceptionGroup(WRAPPED, [ExceptionGroup(WRAPPED, [BROKEN]), BROKEN]))
    with pytest.raises(SandboxUnavailableError) as caught:
        await until_done("test.0", work, Told())
    assert caught.value.next_step == "Install it."


async def test_a_defect_beside_it_is_not_hidden() -> None:
    work = Failing(ExceptionGroup(WRAPPED, [BadRequestError("no"), ZeroDivisionError()]))
    with pytest.raises(AtosError, match=r"ExceptionGroup in step test\.0") as caught:
        await until_done("test.0", work, Told())
    assert caught.value.code == "internal"


async def test_trouble_that_a_task_group_wrapped_is_waited_out(no_pauses: list[float]) -> None:
    work = Failing(ExceptionGroup(WRAPPED, [BusyError("2 runs are going")]))
    assert await until_done("test.0", work, Told()) == {"done": True}
    assert len(no_pauses) == 1


async def test_a_step_waits_for_hours_and_tells_each_longer_pause_once(
    no_pauses: list[float],
) -> None:
    told, away = Told(), UnreachableError("nobody listens")
    assert await until_done("code.0", Failing(*[away] * 200), told) == {"done": True}
    assert [pause for _, pause in told.waits] == [2.0, 4.0, 8.0, 15.0, 30.0, 60.0]
    assert len(no_pauses) == 200
    assert 45.0 <= no_pauses[-1] <= 75.0


async def test_patience_begins_with_the_first_failure_however_long_the_work_took_before(
    monkeypatch: pytest.MonkeyPatch, no_pauses: list[float]
) -> None:
    clock, since = [0.0], list[float]()
    monkeypatch.setattr(steps.anyio, "current_time", lambda: clock[0])
    monkeypatch.setattr(steps, "time", SimpleNamespace(time=lambda: 1e9 + clock[0]))
    lost = Failing(*[EngineError("the engine is lost")] * 6)

    async def work() -> Json:
        clock[0] += 1.0 if len(lost.left) < 6 else PATIENCE["engine"]
        return await lost()

    done = await until_done("sample.0", work, lambda _error, at, _pause: since.append(at))
    assert done == {"done": True}
    assert set(since) == {1e9 + PATIENCE["engine"]}


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    error = BusyError("always")

    def none(_error: Exception) -> float:
        return 0.0

    monkeypatch.setattr(steps, "patience", none)
    with pytest.raises(BusyError, match="always"):
        await until_done("code.0", Failing(error), Told())


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no_space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no_space"),
        (OSError(errno.EMFILE, "Too many open files"), "busy"),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "busy"),
        (OperationalError("insert", {}, sqlite3.OperationalError("database is locked")), "unreachable"),
        (DatabaseError("select", {}, sqlite3.DatabaseError("file is not a database")), "unreachable"),
        (OperationalError("insert", {}, sqlite3.OperationalError()), "unreachable"),
        (IntegrityError("insert", {}, sqlite3.IntegrityError("UNIQUE")), "internal"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "internal"),
        (KeyError("worktree"), "internal"),
    ],
)  # fmt: skip
def test_what_has_no_code_gets_one(raised: Exception, code: str) -> None:
    assert as_atos_error(raised, "code.0").code == code


def test_every_code_of_the_suite_has_a_class_and_a_row_on_the_page() -> None:
    for module in pkgutil.walk_packages(atos_servers.__path__, "atos_servers."):
        if module.name.endswith("errors"):
            importlib.import_module(module.name)
    # Other tests define errors too.
    ours = {code for code, kind in known_errors().items() if kind.__module__.startswith("atos_")}
    rows = [f"| `{code}` | {class_of(code)} |" for code in sorted(ours)]
    page = PAGE.read_text(encoding="utf-8")
    assert [row for row in rows if row not in page] == []
    assert set(PATIENCE) | DEFECTS <= ours


def test_whoever_may_try_again_is_patient() -> None:
    class OfTomorrowError(AtosError):
        code = "of_tomorrow"
        retry = True

    assert patience(OfTomorrowError("a newer daemon's")) > 0
    assert patience(ContextError("too long")) == 0
    killed = from_wire(LoadFailedError("killed by SIGKILL").to_wire() | {"retry": True})
    assert (patience(killed) > 0, patience(LoadFailedError("no GGUF"))) == (True, 0)
    assert patience(ZeroDivisionError()) == 0


def test_a_call_that_only_waited_for_a_model_is_no_slow_one() -> None:
    """Of thirty tasks whose calls take half a minute each, the last wait for longer than a call may take."""
    waited = from_wire(DeadlineError("no model was free", data={ONLY_WAITED: True}).to_wire())

    assert patience(waited) == patience(BusyError("2 runs are going"))
    assert 0 < patience(DeadlineError("not complete")) < patience(waited)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ContextError("too long"), "failed"),
        (BROKEN, "needs_help"),
        (AtosError("a bug"), "needs_help"),
        (UnreachableError("still away after hours"), "needs_help"),
    ],
)
def test_only_a_verdict_fails_a_goal(error: AtosError, state: str) -> None:
    outcome = ended_by(error.to_wire(), "g1")
    assert outcome.state == state
    assert ("atos-client retry g1" in str(outcome.error)) == (state == "needs_help")
