"""Which way a commit goes to GitHub, and where it may be pushed. Pure.

the repository does not exist          create   it is made, public, and its main branch is pushed
it exists and its main branch is
missing, or at a commit of ours      push     the main branch is moved to the commit
at somebody's commit                 pull     a branch of its own is pushed, and a pull request opened;
it is not ours to push to              fork     the same, from a fork
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from atos_protocol.errors import BadRequestError, ConflictError, RefusedError
from atos_protocol.server_url import ServerUrl

Way = Literal["create", "push", "pull", "fork"]
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}", re.ASCII)
GITHUB_API, GITHUB = "api.github.com", "github.com"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a release goes; part of what is approved."""

    repository: str
    """`owner/name`."""
    way: Way
    branch: str
    """That is pushed."""
    base: str = ""
    """That a pull request is against."""
    pages: str = ""
    """Folder of the branch that Pages serves, `/` or `/docs`; empty: none."""

    @property
    def words(self) -> str:
        """What will be done."""
        match self.way:
            case "create":
                told = f"creates the public repository {self.repository} and pushes its branch {self.branch}"
            case "push":
                told = f"pushes the branch {self.branch} of {self.repository}"
            case "pull":
                told = (
                    f"pushes the branch {self.branch} of {self.repository} and opens a pull request"
                )
            case "fork":
                told = f"forks {self.repository} and opens a pull request from the branch {self.branch}"
        return told + (f", and has Pages serve its folder {self.pages}" if self.pages else "")


def destination_of(entry: Mapping[str, Any]) -> Destination:
    """Return the destination that a journal's JSON describes."""
    whole: dict[str, Any] = dict(entry)
    return Destination(**whole)


def checked_repository(name: str) -> str:
    """Return the name of a repository.

    Raises:
        BadRequestError: it is none.
    """
    if NAME.fullmatch(name) and not name.endswith((".git", "/.", "/..")):
        return name
    message = f"{name[:80]!r} is no repository"
    raise BadRequestError(message, next_step="Write it as OWNER/NAME.")


def way_to(repository: Mapping[str, Any] | None, head: str, ours: Collection[str]) -> Way:
    """Return the way to a repository as it is now.

    Args:
        repository: GitHub's answer about it; None where there is none.
        head: commit of its default branch; empty where it has none.
        ours: commits that this deployment has put there or may have.
    """
    if repository is None:
        return "create"
    if not cast("dict[str, bool]", repository.get("permissions") or {}).get("push"):
        return "fork"
    return "push" if not head or head in ours else "pull"


def check_unchanged(planned: Destination, head: str, ours: Collection[str]) -> None:
    """Refuse to push over a commit that is not ours.

    Raises:
        ConflictError: somebody has pushed since the plan was made.
    """
    if head and head not in ours:
        where = f"{planned.branch} of {planned.repository}"
        message = f"{where} is at {head[:12]} now, which is not of this deployment"
        raise ConflictError(message, next_step="Plan it again, and look at what it says then.")


def clone_address(api: str, clone_url: str) -> str:
    """Return the address to push to, if the token of this API may be sent there.

    Raises:
        RefusedError: it is another host, or would go unencrypted over a network.
    """
    there, here = urlsplit(clone_url), urlsplit(api)
    host = GITHUB if here.hostname == GITHUB_API else here.hostname
    encrypted = there.scheme == "https" or ServerUrl(clone_url).is_loopback
    if there.hostname == host and encrypted and not there.username:
        return clone_url
    message = f"GitHub's API names {there.scheme}://{there.hostname} for the repository"
    raise RefusedError(message, next_step=f"The token goes to https://{host} only.")
