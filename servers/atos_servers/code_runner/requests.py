"""What a caller may ask to be run, checked: relative paths and node ids, nothing that is an option."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from atos_protocol.errors import BadRequestError

MOST_TARGETS = 500
NAME_CHARACTERS = 400
ARGUMENT_CHARACTERS = 100_000
STDIN_BYTES = 2**20
LONGEST_SECONDS = 40.0
"""Of a run that one call waits for."""
LONGEST_HELD_SECONDS = 600.0
"""Of a run that has a handle."""


@dataclass(frozen=True, slots=True)
class Script:
    """What to run: the text of a script, or a file of the staged copy.

    Raises:
        BadRequestError: arguments or input are longer than they may be, or hold what can't be passed on.
    """

    code: str = ""
    file: str = ""
    arguments: tuple[str, ...] = ()
    stdin: str = ""

    def __post_init__(self) -> None:
        if (size := _size(self.arguments)) > ARGUMENT_CHARACTERS:
            message = f"the arguments have {size} characters, more than {ARGUMENT_CHARACTERS}"
            raise BadRequestError(message, next_step="Pass long input by `stdin` or in a file.")
        if any("\0" in argument for argument in self.arguments):
            message = "an argument holds a NUL character, which no command line can"
            raise BadRequestError(message, next_step="Pass such input by `stdin`.")
        if (size := len(self.stdin.encode(errors="surrogatepass"))) > STDIN_BYTES:
            message = f"stdin has {size} bytes, more than {STDIN_BYTES}"
            raise BadRequestError(message, next_step="Put longer input into a file of the folder.")


def _size(texts: Sequence[str]) -> int:
    """Return the characters of texts with one between them, so that many empty ones are not nothing."""
    return sum(map(len, texts)) + max(0, len(texts) - 1)


def relative_path(text: str) -> PurePosixPath:
    """Return a path that stays inside its folder whatever the folder contains.

    Raises:
        BadRequestError: it is absolute, empty, or climbs.
    """
    path = PurePosixPath(text)
    odd = not text or len(text) > NAME_CHARACTERS or any(ord(mark) < 32 for mark in text)
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        message = f"{text[:80]!r} is not a path inside the folder"
        raise BadRequestError(message, next_step="Give a relative path without '..'.")
    return path


def checked_targets(tests: Iterable[str]) -> tuple[str, ...]:
    """Return pytest targets (`file.py`, `folder`, `file.py::test_name`).

    Raises:
        BadRequestError: there are too many, or one is not a relative path.
    """
    wanted = tuple(tests)
    if len(wanted) > MOST_TARGETS or _size(wanted) > ARGUMENT_CHARACTERS:
        message = (
            f"{len(wanted)} targets of {_size(wanted)} characters are more than {MOST_TARGETS} of "
            f"{ARGUMENT_CHARACTERS}"
        )
        raise BadRequestError(message, next_step="Name a folder instead of its tests.")
    checked: list[str] = []
    for target in wanted:
        file, separator, rest = target.partition("::")
        checked.append(f"{relative_path(file)}{separator}{rest}")
    return tuple(checked)


def checked_timeout(seconds: float) -> float:
    """Return the time limit of a run.

    Raises:
        BadRequestError: it is not positive, or longer than a run may last.
    """
    if not 0 < seconds <= LONGEST_HELD_SECONDS:
        most = f"{LONGEST_HELD_SECONDS:.0f}"
        message = f"timeout_s is {seconds}; it must be above 0 and at most {most}"
        step = "Split longer work: run fewer tests per call by naming them in `tests`."
        raise BadRequestError(message, next_step=step)
    return float(seconds)
