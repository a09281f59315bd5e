"""Reads `workflows.yaml`: the only place that says which addresses the workflow server may call.

Errors name file, line and field. Secrets are named here, and read only when they are sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from atos_daemon.key_source import KeySource
from atos_daemon.yaml_file import Places, load_yaml, parse_yaml
from atos_protocol import redaction
from atos_protocol.errors import BadConfigError

LONGEST_SECONDS = 40.0
"""No ATOS call lasts longer than 45 s, and the answer has to travel too."""

NO_SOURCE = PydanticCustomError(
    "source",
    "It needs either `file` (better: a daemon does not see your shell's variables) or `env`",
)
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
        if self.file is not None:
            return KeySource(str(self.file), self.where).read()
        found = environ.get(self.env, "")
        if found and found.isascii() and found.isprintable():
            redaction.learn([found])
            return found
        message = f"{self.where}: the secret is empty, unset, or not a valid header value"
        step = "Put one line of printable ASCII into the file (better), or set the variable."
        raise BadConfigError(message, next_step=step)


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


def _address(text: str) -> str:
    parts = urlsplit(text)
    plain = text.isascii() and text.isprintable() and " " not in text
    web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    if not plain or not web or parts.username is not None or parts.password is not None:
        raise ValueError
    return text


def _expanded(text: str) -> str:
    try:
        return str(Path(text).expanduser())
    except RuntimeError as error:  # `~name` of nobody
        raise ValueError from error


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _SecretInFile(_Checked):
    header: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$", description="a header's name")
    env: str = Field("", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="a variable's name")
    file: Annotated[str, AfterValidator(_expanded)] = Field(
        "", pattern=r"\S", description="a path; `~name` must be a user of this machine"
    )

    @model_validator(mode="after")
    def _one_source(self) -> _SecretInFile:
        if bool(self.env) == bool(self.file):
            raise NO_SOURCE
        return self


class _WorkflowInFile(_Checked):
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="1 to 64 of a-z, 0-9, - and _, starting with a letter or digit",
    )
    url: Annotated[str, AfterValidator(_address)] = Field(
        repr=False, description="an http or https URL without user or password in it"
    )
    description: str = Field("", max_length=500, description="at most 500 letters")
    method: Literal["POST", "GET", "PUT", "PATCH"] = "POST"
    timeout: float = Field(
        LONGEST_SECONDS,
        gt=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        description=f"seconds, above 0 and at most {LONGEST_SECONDS:.0f}",
    )
    secret: _SecretInFile | None = None


class _File(_Checked):
    workflows: tuple[_WorkflowInFile, ...] = Field(
        (), repr=False, description=f"a list, for example:\n{EXAMPLE}"
    )
    """Secret as a whole: after a forgotten space, a URL is part of the field above it."""


def _workflow(entry: _WorkflowInFile, path: Path, where: str) -> Workflow:
    secret = None
    if named := entry.secret:
        file = path.parent / named.file if named.file else None
        secret = Secret(named.header, named.env, file, where)
    fields: dict[str, Any] = dict(entry) | {"secret": secret}
    return Workflow(**fields)


def _workflows(file: _File, places: Places) -> tuple[Workflow, ...]:
    found: dict[str, Workflow] = {}
    for number, entry in enumerate(file.workflows):
        if entry.name in found:
            message = f"{places.where('workflows', number, 'name')}: written twice"
            raise BadConfigError(message, next_step="Names must be unique.")
        where = places.where("workflows", number, "secret")
        found[entry.name] = _workflow(entry, places.path, where)
    return tuple(found.values())


def parse(text: str, path: Path) -> tuple[Workflow, ...]:
    """Read the configuration from text; `path` is for messages and for relative secret files.

    Raises:
        BadConfigError: naming file, line and field.
    """
    return _workflows(*parse_yaml(text, path, _File))


def read(path: Path) -> tuple[Workflow, ...]:
    """Read the configuration file; a missing one configures nothing.

    Raises:
        BadConfigError: it can't be read, or naming line and field of a mistake.
    """
    return _workflows(*load_yaml(path, _File))
