"""The arguments of the code_runner server's tools, as their schemas describe them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from atos_servers.code_runner.sandbox_probe import Policy
from atos_servers.host.tool_definition import null_means

Folder = Annotated[
    str, Field(description="Folder with the code, inside this connection's directories.")
]
Seconds = Annotated[
    float,
    Field(description="Time limit, at most 600."),
]
Targets = Annotated[
    list[str],
    null_means(list[str]()),
    Field(description="Files, folders or node ids; all when empty."),
]
Overlay = Annotated[
    dict[str, str],
    null_means(dict[str, str]()),
    Field(description="Relative path -> text to use instead, for instance a stub."),
]
Rules = Annotated[
    Policy,
    Field(description="'catalogue': plain functions without imports, judged in split mode."),
]
Code = Annotated[str, null_means(""), Field(description="Text of a script; or give `file`.")]
File = Annotated[str, null_means(""), Field(description="Script in the folder; or give `code`.")]
Arguments = Annotated[
    list[str], null_means(list[str]()), Field(description="Arguments of the script.")
]
Stdin = Annotated[str, null_means(""), Field(description="What the script reads; at most 1 MiB.")]
Place = Annotated[str, null_means(""), Field(description="File or folder; or give `source`.")]
Source = Annotated[str, null_means(""), Field(description="Text to compile; or give `path`.")]

Ticket = Annotated[
    str,
    null_means(""),
    Field(description="Of a `busy` or `deadline` reply."),
]
Measured = Annotated[
    bool, null_means(False), Field(description="Also tell which lines did not run.")
]
Handle = Annotated[str, Field(description="Of a `deadline` reply.")]
Packages = Annotated[
    list[str],
    null_means(list[str]()),
    Field(description="What it may import besides the standard library; see prepare_packages."),
]
Wanted = Annotated[
    list[str],
    Field(description="At most 24 distributions: 'flask', 'requests>=2.31', 'uvicorn[standard]'."),
]
Candidates = Annotated[
    list[dict[str, str]],
    Field(description="Up to 12; each: relative path -> text, laid over the folder."),
]
Assertions = Annotated[
    list[str],
    Field(
        description="Up to 80 Python sources: an `assert`, or statements that set up and assert. "
        "They may use the modules' names and `raises(Error, callable)`."
    ),
]
Calls = Annotated[
    list[str],
    null_means(list[str]()),
    Field(description="Up to 60 expressions whose values are wanted."),
]
Modules = Annotated[
    list[str],
    null_means(list[str]()),
    Field(description="Modules to import; each candidate's own, tests excepted, when empty."),
]
EvaluationRules = Annotated[
    Policy,
    Field(description="'catalogue': candidates that are not plain functions are not loaded."),
]
