"""Finds secrets in what would be public.

Shapes only, such as those of keys that their makers gave a prefix, and assignments of a literal to a name that says
password or token. Entropy is not looked at: commits, hashes and ids look like keys, and whoever is warned every time
reads no warning. A line that says `example`, `dummy` or the like is nobody's secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atos_protocol.errors import RefusedError

MOST_SHOWN = 5
MOST_BYTES = 1 << 20
"""A longer file is looked at up to here."""

# Each shape begins where few places of a line can begin it: what is looked through may be one line of a megabyte, and
# while a pattern is tried from every place to the line's end, this whole process waits.
ASSIGNED = (
    r"(?i)(?:passw(?:or)?d|secret|api_?key|auth_?token|access_?token|private_?key)"
    r"['\"]?\s*[:=]\s*['\"][^\s'\"{}$<]{8,}['\"]"
)
SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(shape))
    for what, shape in (
        ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,})"),
        ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}\b"),
        ("a Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
        ("a Stripe key", r"\b[rs]k_live_[0-9A-Za-z]{20,}"),
        ("an OpenAI or Anthropic key", r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}"),
        ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
        ("a PyPI or npm token", r"\b(?:pypi-AgE[A-Za-z0-9_-]{50,}|npm_[A-Za-z0-9]{36})"),
        ("an ATOS token", r"\batos_[A-Za-z0-9_-]{40,}"),
        (
            "a JSON web token",
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        ),
        ("a password in an address", r"[a-z0-9+.-]://[^\s/:@'\"]+:[^\s/@'\"{}$<]{6,}@"),
        ("a password or key", ASSIGNED),
    )
)
NOBODYS = re.compile(
    r"(?i)example|dummy|placeholder|changeme|your[-_ ]|xxxx|\.\.\.|\*\*\*|redacted"
)
SECRET_FILES = re.compile(
    r"(?:^|/)(?:\.env(?:\.(?!example|sample|template)[^/]*)?|id_(?:rsa|dsa|ecdsa|ed25519)|\.netrc|\.pypirc|\.npmrc"
    r"|\.git-credentials|[^/]*\.(?:pem|p12|pfx|keystore|kdbx))$"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like a secret; the secret itself is not kept."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return (
            f"{self.file}, line {self.line}: {self.what}"
            if self.line
            else f"{self.file}: {self.what}"
        )


def secrets_in(file: str, data: bytes) -> Iterator[Finding]:
    """Yield what looks like a secret in one file, at most one finding a line.

    Args:
        file: its path, which may itself say that it holds secrets (`.env`).
        data: its content; what is binary is not looked at.
    """
    yield from secrets_named([file])
    head = data[:MOST_BYTES]
    if b"\0" in head:
        return
    for number, line in enumerate(head.decode(errors="replace").splitlines(), 1):
        what = next((what for what, shape in SHAPES if shape.search(line)), "")
        if what and not NOBODYS.search(line):
            yield Finding(file, number, what)


def secrets_named(files: Iterable[str]) -> Iterator[Finding]:
    """Yield the paths that say by themselves that they hold secrets."""
    for file in files:
        if SECRET_FILES.search(file):
            yield Finding(file, 0, "a file of this name holds secrets")


def check_no_secrets(folder: Path, files: Iterable[str]) -> None:
    """Look through files that would be public.

    Raises:
        RefusedError: something in them looks like a secret.
    """
    found = [each for name in files for each in secrets_in(name, (folder / name).read_bytes())]
    if found:
        raise secrets_found(found)


def secrets_found(found: list[Finding]) -> RefusedError:
    """Return the refusal of what holds these."""
    whole = "; ".join(str(each) for each in found[:MOST_SHOWN])
    shown = whole.encode(errors="backslashreplace").decode()  # names need not be UTF-8
    more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    message = f"not public: {len(found)} places look like secrets: {shown}{more}"
    step = (
        "Take them out of the files and of the history (git filter-repo), and change the secrets: they may be"
        " known already. A line that says `example` is not counted."
    )
    return RefusedError(message, next_step=step)
