"""Prompts for coder, tester, writer and reflector, in the chat dialect of general models.

A prompt stays below `PROMPT_TOKENS` whatever the task: small models run with 4k tokens of context, and
an engine silently drops what does not fit from the *beginning*. Long parts are cut in the middle, and
an ellipsis marks the cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from atos_orchestrator.agents.model_request import ModelRequest, Role
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Kind, Task, test_file

PROMPT_TOKENS = 2600
"""Most tokens of a prompt, at four bytes each; the rest of 4k is for the reply."""

CODE_TOKENS = 1400
TEST_TOKENS = 900
REFLECT_TOKENS = 400

_CODE = 3600
_TESTS = 1600
_DIGEST = 1800
_CONTEXT = 1200
"""Bytes that a part of a prompt may take."""

CODER = """\
You write one small, complete Python module. Rules:
- Only the standard library and the modules named below.
- Keep to the contract exactly: names, parameters, return values.
- No placeholders, no input(), no prints at import.
- Return each complete file in one fence whose info string names it: ```python path.py"""

FIXER = """\
You repair a Python module. The tests are correct: do not change them. Find the cause, make the \
smallest change that removes it, and return each complete file in one fence whose info string names \
it: ```python path.py"""

TESTER = """\
You write pytest tests from a contract, without seeing the code. Rules:
- Test what the contract and the examples say, and nothing that they leave open.
- Each test has an assert that would fail if the function did nothing.
- Only the standard library and pytest; no network; files only below tmp_path.
- At most 8 short tests. Return the complete file in one fence: ```python path.py"""

WRITER = """\
You write one short documentation page in Markdown. Say only what the given facts support. Return the \
complete page in one fence: ```markdown path.md"""

REFLECTOR = """\
You find out why a test fails. Name the symptom, the failing test, the suspected function, the cause \
and the change that fixes it. test_wrong is true only if the test contradicts the contract. Return JSON."""

REFLECTION_SCHEMA: Json = {
    "type": "object",
    "required": ["symptom", "failing_test", "suspect", "cause", "change", "test_wrong"],
    "properties": {
        "symptom": {"type": "string", "maxLength": 200},
        "failing_test": {"type": "string", "maxLength": 80},
        "suspect": {"type": "string", "maxLength": 80},
        "cause": {"type": "string", "maxLength": 200},
        "change": {"type": "string", "maxLength": 200},
        "test_wrong": {"type": "boolean"},
    },
}


_WRITES: Mapping[Kind, tuple[Role, str]] = {
    "code": ("coder", CODER),
    "test": ("tester", TESTER),
    "docs": ("writer", WRITER),
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which pool answers, and how its model samples."""

    pool: str
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt, as a repair needs to know it."""

    code: Mapping[str, str]
    digest: str
    tests: str = ""
    reflection: Mapping[str, object] = field(default_factory=dict[str, object])


def code_request(task: Task, context: str, sampling: Sampling) -> ModelRequest:
    """Ask for the files of a task."""
    role, system = _WRITES[task.kind]
    user = _join(_assignment(task), _part("Modules that you may import", context, _CONTEXT))
    return _request(role, system, user, CODE_TOKENS, sampling)


def fix_request(task: Task, context: str, failure: Failure, sampling: Sampling) -> ModelRequest:
    """Ask for repaired files."""
    code = "\n".join(f"```python {path}\n{text}```" for path, text in failure.code.items())
    cause = "\n".join(f"{name}: {said}" for name, said in failure.reflection.items() if said)
    user = _join(
        _assignment(task),
        _part("Modules that you may import", context, _CONTEXT // 2),
        _part("The code", code, _CODE),
        _part("The tests", failure.tests, _TESTS),
        _part("What happened", failure.digest, _DIGEST),
        _part("What is thought to be the cause", cause, 600),
        f"Return the complete file{'s' if len(task.files) > 1 else ''}.",
    )
    return _request("coder", FIXER, user, CODE_TOKENS, sampling)


def tests_request(task: Task, context: str, fault: str, sampling: Sampling) -> ModelRequest:
    """Ask for the tests of a code task, before any code exists.

    `fault` says why earlier tests could not be used; empty the first time.
    """
    module = task.files[0].removesuffix(".py").replace("/", ".")
    user = _join(
        _assignment(task),
        _part("Modules that exist", context, _CONTEXT),
        f"Write {test_file(task)}. Import from the module `{module}`.",
        _part("Your last tests could not be used", fault, 800),
    )
    return _request("tester", TESTER, user, TEST_TOKENS, sampling)


def reflection_request(task: Task, failure: Failure, sampling: Sampling) -> ModelRequest:
    """Ask for the cause of a failure."""
    code = "\n".join(f"# {path}\n{text}" for path, text in failure.code.items())
    user = _join(
        f"Contract: {task.contract}",
        _part("The code", code, _CODE),
        _part("The tests", failure.tests, _TESTS),
        _part("What happened", failure.digest, _DIGEST),
        "Return JSON.",
    )
    asked = _request("reflector", REFLECTOR, user, REFLECT_TOKENS, sampling)
    return replace(asked, schema=REFLECTION_SCHEMA)


def _assignment(task: Task) -> str:
    examples = "\n".join(f"- {line}" for line in task.acceptance)
    return _join(
        f"Task: {task.title}",
        f"Files: {', '.join(task.files)}",
        f"Contract: {task.contract}" if task.contract else "",
        f"Examples:\n{examples}" if examples else "",
    )


def _part(title: str, text: str, most: int) -> str:
    return f"{title}:\n{shorten(text, most)}" if text.strip() else ""


def shorten(text: str, most: int) -> str:
    """Cut the middle out of a text that has more than `most` bytes of UTF-8."""
    data = text.encode()
    if len(data) <= most:
        return text
    half = (most - 12) // 2
    head, tail = data[:half].decode(errors="ignore"), data[-half:].decode(errors="ignore")
    return f"{head}\n[...]\n{tail}"


def _join(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _request(role: Role, system: str, user: str, tokens: int, sampling: Sampling) -> ModelRequest:
    messages: list[Json] = [
        {"role": "system", "content": system},
        {"role": "user", "content": user},
    ]
    return ModelRequest(
        role,
        messages,
        sampling.pool,
        max_tokens=tokens,
        temperature=sampling.temperature,
        seed=sampling.seed,
    )
