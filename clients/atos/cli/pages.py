"""`python -m atos.cli.pages FILE` writes the page of commands; a test compares docs/commands.md with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from atos.cli.commands import parser
from atos.cli.describing import WIDTH, help_page


def page() -> str:
    """Return the page, whatever the terminal's width."""
    os.environ |= {"COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    return help_page(parser())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
