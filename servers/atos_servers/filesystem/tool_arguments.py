"""The arguments that several tools of this server take, with what they mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from atos_servers.host.tool_definition import null_means

MOST = 1 << 53
"""Numbers beyond are no whole numbers to every client."""


class TextEdit(BaseModel):
    """One replacement in a file."""

    model_config = ConfigDict(extra="forbid")

    oldText: Annotated[
        str, Field(description="Text to replace; must occur in the file exactly once.")
    ]
    newText: Annotated[str, Field(description="Its replacement.")]


Path_ = Annotated[
    str, Field(description="Absolute path inside an allowed directory, or relative to the first.")
]
Excluded = Annotated[
    list[str],
    null_means(list[str]()),
    Field(description="Globs to leave out, such as node_modules.", max_length=200),
]
Lines = Annotated[
    int, Field(ge=0, le=MOST, description="Number of lines; 0: all of them."), null_means(0)
]
StartLine = Annotated[
    int, Field(ge=0, le=MOST, description="First line, from 1; with head, so many from there."),
    null_means(0),
]  # fmt: skip
Offset = Annotated[int, Field(ge=0, le=MOST, description="First byte."), null_means(0)]
Length = Annotated[
    int, Field(ge=0, le=MOST, description="Number of bytes; 0: all of them."), null_means(0)
]
Cursor = Annotated[
    str, null_means(""), Field(description="nextCursor of the last reply, for what follows it.")
]
Sha256 = Annotated[
    str, null_means(""), Field(description="Only if this is the SHA-256 of the present content.")
]
ChangeId = Annotated[int, Field(ge=1, le=MOST, description="Number of a change, from history.")]
ChangeOrNone = Annotated[
    int, Field(ge=0, le=MOST, description="Number of a change, from history; 0: the last one."),
    null_means(0),
]  # fmt: skip
Context = Annotated[
    int, Field(ge=0, le=20, description="Lines to show before and after a match."), null_means(0)
]
Flag = Annotated[bool, null_means(default=False)]
SortBy = Annotated[Literal["name", "size"], null_means("name")]
