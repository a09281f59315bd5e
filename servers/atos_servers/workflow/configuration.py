"""Reads `workflows.yaml`: the only place that says which addresses the workflow server may call.

Errors name file, line and field (fields.py). Secrets are named here, and read only when they are sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from atos_protocol.errors import BadConfigError
from atos_servers.workflow.fields import Fields, nodes_of

FILE_LIMIT = 256 * 1024
"""Largest configuration file, in bytes."""

LONGEST_SECONDS = 40.0
"""No ATOS call lasts longer than 45 s, and the answer has to travel too."""

METHODS = ("POST", "GET", "PUT", "PATCH")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

EXAMPLE = """\
workflows:
  - name: report
    url: http://127.0.0.1:5678/webhook/report
    description: Sends a report by mail
"""


@dataclass(frozen=True, slots=True)
class Secret:
    """A header whose value is in a file or in the server's environment."""

    header: str
    env: str
    file: Path | None
    where: str
    """File, line and field that name it, for errors."""

    def value(self, environ: Mapping[str, str] = os.environ) -> str:
        """Read the value.

        Raises:
            BadConfigError: it can't be read or used as a header; the value is never quoted.
        """
        found = environ.get(self.env, "") if self.file is None else self._read()
        if found and found.isascii() and found.isprintable():
            return found
        message = f"{self.where}: the secret is empty, unset, or not a valid header value"
        step = "Put one line of printable ASCII into the file (better), or set the variable."
        raise BadConfigError(message, next_step=step)

    def _read(self) -> str:
        assert self.file is not None
        try:
            return self.file.read_text(encoding="utf-8")[:4096].strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            message = f"{self.where}: {self.file} can't be read: {reason}"
            step = "Write the secret into that file, readable by you alone."
            raise BadConfigError(message, next_step=step) from error


@dataclass(frozen=True, slots=True)
class Workflow:
    """One webhook that may be called.

    Attributes:
        name: by which tools refer to it.
        url: where it listens; never shown, as webhook paths are often the only secret they have.
        description: what it does, for the model that chooses.
        method: HTTP method.
        timeout: seconds, the longest that one call may wait.
        secret: header that proves who calls, if it asks for one.
    """

    name: str
    url: str
    description: str
    method: str
    timeout: float
    secret: Secret | None

    @property
    def address(self) -> str:
        """Scheme, host and port, which may be shown."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_loopback(self) -> bool:
        """Whether it runs on this machine."""
        return urlsplit(self.url).hostname in {"localhost", "127.0.0.1", "::1"}


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        usable = parts.port != 0
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    return plain and usable and web and parts.username is None and parts.password is None


def _is_seconds(text: str) -> bool:
    return re.fullmatch(r"\d{1,2}(\.\d+)?", text) is not None and 0 < float(text) <= LONGEST_SECONDS


def _secret(path: Path, node: yaml.Node, title: str) -> Secret:
    fields = Fields(path, node, title)
    header = fields.text("header", lambda t: HEADER.fullmatch(t) is not None, "a header's name")
    env = fields.text("env", lambda t: VARIABLE.fullmatch(t) is not None, "a variable's name", "")
    file = fields.text("file", lambda t: bool(t.strip()), "a path", "")
    if bool(env) == bool(file):
        step = "Name a file (better: a daemon does not see your shell's variables) or a variable."
        fields.fail(node, "", "needs either file or env", step)
    fields.done("header, file, env")
    place = (path.parent / Path(file).expanduser()) if file else None
    return Secret(header, env, place, fields.where(node, ""))


def _workflow(path: Path, node: yaml.Node, number: int) -> Workflow:
    title = f"workflows[{number}]"
    fields = Fields(path, node, title)
    name = fields.text(
        "name",
        lambda t: NAME.fullmatch(t) is not None,
        "1 to 64 of a-z, 0-9, - and _, starting with a letter or digit",
    )
    url = fields.text("url", _is_address, "an http or https URL without user or password in it")
    secret = fields.node_of("secret")
    workflow = Workflow(
        name=name,
        url=url,
        description=fields.text("description", lambda t: len(t) <= 500, "at most 500 letters", ""),
        method=fields.text("method", METHODS.__contains__, f"one of {', '.join(METHODS)}", "POST"),
        timeout=float(
            fields.text(
                "timeout",
                _is_seconds,
                f"seconds, above 0 and at most {LONGEST_SECONDS:.0f}",
                str(LONGEST_SECONDS),
            )
        ),
        secret=None if secret is None else _secret(path, secret, f"{title}.secret"),
    )
    fields.done("name, url, description, method, timeout, secret")
    return workflow


def parse(text: str, path: Path) -> tuple[Workflow, ...]:
    """Read the configuration from text; `path` is for messages and for relative secret files.

    Raises:
        BadConfigError: naming file, line and field.
    """
    try:
        root = nodes_of(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "nested too deeply or not text"
        message = f"{path}{line}: not valid YAML: {problem}"
        raise BadConfigError(message, next_step=f"It should look like this:\n{EXAMPLE}") from error
    if root is None:
        return ()
    fields = Fields(path, root, "")
    listed = fields.node_of("workflows")
    fields.done("workflows")
    if listed is None:
        return ()
    if not isinstance(listed, yaml.SequenceNode):
        fields.fail(listed, "workflows", "must be a list", EXAMPLE)
    found: dict[str, Workflow] = {}
    for number, node in enumerate(listed.value):
        workflow = _workflow(path, node, number)
        if workflow.name in found:
            fields.fail(
                node, f"workflows[{number}].name", "is given twice", "Names must be unique."
            )
        found[workflow.name] = workflow
    return tuple(found.values())


def read(path: Path) -> tuple[Workflow, ...]:
    """Read the configuration file; a missing one configures nothing.

    Raises:
        BadConfigError: it can't be read, or naming line and field of a mistake.
    """
    try:
        with path.open("rb") as source:
            raw = source.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        raise BadConfigError(message, next_step="Fix its permissions or remove it.") from error
    if len(raw) > FILE_LIMIT:
        message = f"{path} has more than {FILE_LIMIT} bytes"
        raise BadConfigError(message, next_step=f"It should look like this:\n{EXAMPLE}")
    try:
        return parse(raw.decode(), path)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message = f"{path}, line {line}: not UTF-8 text"
        raise BadConfigError(message, next_step="Save it as UTF-8.") from error
