"""Which package index to use: what the person's pip is set to, and nothing else of its settings.

An option such as `target`, `no-binary` or `user` in somebody's pip configuration would change what an
installation does, so the settings are read by pip itself and only those that say *where from* go on.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping

WHERE_FROM = frozenset(
    {
        "cert", "client-cert", "constraint", "default-timeout", "extra-index-url", "find-links",
        "index-url", "no-index", "proxy", "timeout", "trusted-host",
    }
)  # fmt: skip
SECTIONS = ("global", "install", ":env:")
"""In the order in which pip lets one override the other."""

NETWORK = (
    "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)  # fmt: skip
READ_SECONDS = 20.0


def read_pip_settings() -> str:
    """Return what `pip config list` says for this person; empty where pip can't say.

    Raises:
        OSError: the interpreter can't be started.
        subprocess.TimeoutExpired: it does not answer.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=READ_SECONDS)
    return done.stdout.decode(errors="replace")


def index_environment(listed: str) -> dict[str, str]:
    """Return the environment variables that give another pip the same index.

    Args:
        listed: lines such as `global.index-url='https://...'`.
    """
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.splitlines():
        whole, equals, value = line.partition("=")
        section, _, name = whole.strip().partition(".")
        if not equals or section not in found or name not in WHERE_FROM:
            continue
        try:
            text = str(ast.literal_eval(value))
        except (SyntaxError, ValueError):
            continue
        found[section][f"PIP_{name.replace('-', '_').upper()}"] = text
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def clean_environment(
    listed: str, home: str, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return all the environment variables of an installation.

    Args:
        listed: what `read_pip_settings` returned.
        home: an empty folder, its home and temporary folder.
        environ: of this process; only the way to the network is taken from it.
    """
    both = [spelling for name in NETWORK for spelling in (name, name.lower())]
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "1",  # with none, pip does not say that it could not connect
        "PIP_KEYRING_PROVIDER": "disabled",
        **{name: environ[name] for name in both if name in environ},
        **index_environment(listed),
    }
