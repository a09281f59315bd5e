"""What becomes of an error in a durable step that ran several things side by side."""

import pytest

from atos_orchestrator.execution.steps import with_retries
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError, BadRequestError, SandboxUnavailableError

BROKEN = SandboxUnavailableError("python has no pytest", next_step="Install it.")


async def test_an_error_that_a_task_group_wrapped_keeps_its_class_and_next_step() -> None:
    async def work() -> Json:
        message = "unhandled errors in a TaskGroup"
        raise ExceptionGroup(message, [ExceptionGroup(message, [BROKEN]), BROKEN])

    with pytest.raises(SandboxUnavailableError) as caught:
        await with_retries("test.0", work)
    assert caught.value.next_step == "Install it."


async def test_a_defect_beside_it_is_not_hidden() -> None:
    async def work() -> Json:
        message = "unhandled errors in a TaskGroup"
        raise ExceptionGroup(message, [BadRequestError("no"), ZeroDivisionError()])

    with pytest.raises(AtosError, match=r"ExceptionGroup in step test\.0") as caught:
        await with_retries("test.0", work)
    assert caught.value.code == "internal"


async def test_the_first_of_several_foreseen_errors_is_told() -> None:
    async def work() -> Json:
        message = "unhandled errors in a TaskGroup"
        raise ExceptionGroup(message, [BadRequestError("first"), BROKEN])

    with pytest.raises(BadRequestError, match="first"):
        await with_retries("test.0", work)
