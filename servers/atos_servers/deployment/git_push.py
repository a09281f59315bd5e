"""Pushes one commit with git, and asks where a branch stands. The token stands in no argument, variable, address or file.

git asks a credential helper for it; ours is a shell function that reads a pipe which only git and its children
inherit. No redirect is followed, no hook runs, nobody's configuration is read, and only the protocol of the address
is allowed.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from atos_daemon.key_source import KeySource
from atos_protocol.errors import ConflictError, UnauthorizedError, UnreachableError
from atos_protocol.redaction import redacted
from atos_protocol.server_url import ServerUrl
from atos_servers.deployment.process_group import Ended, run_in_group
from atos_servers.deployment.release_files import GIT, SAFE

PUSH_SECONDS = 30.0
USER = "x-access-token"
"""What GitHub takes as the user of any token."""
PASSED_ON = (
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
)
REFUSED = ("401", "403", "authentication failed", "could not read username", "permission to")


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository elsewhere."""

    url: str
    key: KeySource

    def head(self, repository: Path, branch: str) -> str:
        """Return the commit that a branch is at; empty where there is no such branch.

        Raises:
            AtosError: it can't be asked.
        """
        listed = self._git(repository, "ls-remote", self.url, f"refs/heads/{branch}")
        return listed.split()[0] if listed.split() else ""

    def push(self, repository: Path, commit: str, branch: str, *, expected: str) -> None:
        """Set a branch to a commit, if it is still where it was seen.

        Args:
            repository: that holds the commit.
            commit: what to push.
            branch: where to.
            expected: the commit that the branch is at now; empty where there is none.

        Raises:
            ConflictError: the branch was moved meanwhile, or is protected.
            AtosError: it could not be pushed.
        """
        lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
        self._git(
            repository,
            "push",
            "--porcelain",
            "--no-verify",
            lease,
            self.url,
            f"{commit}:refs/heads/{branch}",
        )

    def _git(self, repository: Path, *arguments: str) -> str:
        readable, writable = os.pipe()
        try:
            os.write(writable, f"username={USER}\npassword={self.key.read()}\n".encode())
            os.close(writable)
            writable = -1
            ran = _run(self._command(repository, readable, *arguments), readable)
        finally:
            os.close(readable)
            if writable >= 0:
                os.close(writable)
        if ran.returncode:
            raise _failure(arguments[0], ran.errors + ran.output)
        return ran.output

    def _command(self, repository: Path, token: int, *arguments: str) -> list[str]:
        scheme = self.url.partition(":")[0]
        settings = [
            *SAFE, f"protocol.{scheme}.allow=always", "http.followRedirects=false", "credential.helper=",
            f'credential.helper=!f() {{ test "$1" = get && cat /dev/fd/{token}; }}; f',
        ]  # fmt: skip
        given = [part for each in settings for part in ("-c", each)]
        return ["git", "--no-replace-objects", *given, "-C", str(repository), *arguments]


def _run(command: list[str], token: int) -> Ended:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    loopback = ServerUrl(command[-2]).is_loopback
    environment = GIT | {"PATH": os.environ.get("PATH", os.defpath)} | ({} if loopback else passed)
    try:
        return run_in_group(command, environment, PUSH_SECONDS, passed=(token,))
    except subprocess.TimeoutExpired as error:
        message = f"git did not end within {PUSH_SECONDS:.0f} s"
        raise UnreachableError(
            message, next_step="Run it again: it goes on where it stopped."
        ) from error
    except OSError as error:
        message = f"git can't be started: {error.strerror}"
        raise UnreachableError(message, next_step="Install git.") from error


def _failure(what: str, said: str) -> UnauthorizedError | ConflictError | UnreachableError:
    text = redacted(" ".join(said.split()))[:400]
    if any(each in text.lower() for each in REFUSED):
        message = f"git {what} was refused: {text}"
        return UnauthorizedError(message, next_step="Check the token and what it may write.")
    if "[rejected]" in text or "stale info" in text or "protected" in text.lower():
        message = f"the branch is not where it was, or is protected: {text}"
        return ConflictError(message, next_step="Plan it again: it sees what is there now.")
    message = f"git {what} failed: {text}"
    return UnreachableError(message, next_step="Run it again: it goes on where it stopped.")
