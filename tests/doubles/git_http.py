"""Git's own smart HTTP server, `git http-backend`, behind a few lines of WSGI: real pushes, and a token to push with."""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BACKEND = Path(subprocess.run(
    ["git", "--exec-path"], capture_output=True, text=True, check=True
).stdout.strip()) / "git-http-backend"  # fmt: skip


def make_repository(root: Path, name: str) -> Path:
    """Make an empty repository that takes pushes."""
    path = root / f"{name}.git"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    subprocess.run(["git", "-C", path, "config", "http.receivepack", "true"], check=True)
    return path


def copy_repository(root: Path, name: str, fork: str) -> None:
    """Make a fork."""
    shutil.copytree(root / f"{name}.git", root / f"{fork}.git")


def head(root: Path, name: str, branch: str) -> str:
    """Return the commit of a branch; empty where it is not there."""
    path = root / f"{name}.git"
    asked = ["git", "-C", path, "rev-parse", "-q", "--verify", f"refs/heads/{branch}"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def password_of(environ: dict[str, Any]) -> str:
    """Return the password of a request's basic authentication."""
    kind, _, coded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return base64.b64decode(coded).decode().partition(":")[2] if kind == "Basic" else ""


def served(environ: dict[str, Any], start: Any, root: Path) -> Iterable[bytes]:
    """Have the backend answer one request."""
    wanted = (
        "REQUEST_METHOD",
        "QUERY_STRING",
        "CONTENT_TYPE",
        "PATH_INFO",
        "HTTP_CONTENT_ENCODING",
    )
    cgi = {name: environ[name] for name in wanted if environ.get(name)}
    cgi |= {"GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "atos"}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    ran = subprocess.run(
        [BACKEND],
        input=body,
        capture_output=True,
        check=True,
        env=cgi | {"PATH": os.environ["PATH"]},
    )
    top, _, content = ran.stdout.partition(b"\r\n\r\n")
    headers = [tuple(line.split(": ", 1)) for line in top.decode().split("\r\n")]
    status = next((value for name, value in headers if name == "Status"), "200 OK")
    start(status, [pair for pair in headers if pair[0] != "Status"])
    return [content]
