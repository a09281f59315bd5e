"""The installed version, found without the packages that read all metadata: it is asked for on every prompt.

`importlib.metadata` takes 30 ms; the name of the folder beside the packages says the same.
"""

from __future__ import annotations

import os
import sys

DISTRIBUTION = "atos-"


def installed_version() -> str:
    """Return the version; `unknown` where nothing is installed."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - pathlib takes longer to import than this command may
        except OSError:
            continue
        for name in names:
            if name.startswith(DISTRIBUTION) and name.endswith(".dist-info"):
                return name.removeprefix(DISTRIBUTION).removesuffix(".dist-info")
    return "unknown"
