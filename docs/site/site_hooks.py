"""What MkDocs does beside its own: pages that live elsewhere in the repository, and links that lead there.

README, changelog, security policy and the design pages beside the code are shown as pages of the site, where links
to them lead. Diagrams are shown as they were drawn (`drawn_diagrams`). A link to a source file has no page to lead to: its text stays, with the file's path. Decisions are
listed from their folder, so that none can be forgotten.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent))

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from drawn_diagrams import with_pictures

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting-a-weakness.md",
    "scheduler/atos_scheduler/core/design.md": "design/scheduler.md",
    "orchestrator/atos_orchestrator/design.md": "design/orchestrator.md",
    "servers/atos_servers/host/design.md": "design/server-host.md",
}
"""File of the repository -> page of the site."""
DECISIONS = "decisions/index.md"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_OUTSIDE = re.compile(r"^(?:[a-z]+:|#|/)")


def title_of(text: str) -> str:
    """Return the first heading of a page."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def decisions(folder: Path) -> list[tuple[str, str]]:
    """Return file name and title of every decision, in order."""
    return [(p.name, title_of(p.read_text("utf-8"))) for p in sorted(folder.glob("[0-9]*.md"))]


def rewritten(text: str, source: str, page: str) -> str:
    """Return a page's text with links that hold on the site.

    Args:
        text: Markdown.
        source: where the file lies in the repository; its links are relative to that.
        page: where its page lies in the site's sources.
    """

    def link(match: re.Match[str]) -> str:
        mark, label, target = match.groups()
        if _OUTSIDE.match(target):
            return match[0]
        path, hash_sign, anchor = target.partition("#")
        meant = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if meant.startswith("docs/") and path.endswith("/"):
            meant = f"{meant}/index.md"
        place = meant.removeprefix("docs/") if meant.startswith("docs/") else ELSEWHERE.get(meant)
        if place is None or place.endswith(".py"):
            return f"{label} (`{meant}`)" if f"`{meant}`" != label else label
        near = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"{mark}[{label}]({near}{hash_sign}{anchor})"

    pieces = _FENCE.split(text)
    pieces[::2] = [_LINK.sub(link, piece) for piece in pieces[::2]]
    return "".join(pieces)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation."""
    found: list[Any] = [{title: f"decisions/{name}"} for name, title in decisions(_decisions())]
    nav: list[Any] = cast("list[Any]", config.nav or [])  # pyright: ignore[reportUnknownMemberType]
    config.nav = [*nav, {"Decisions": [{"All decisions": DECISIONS}, *found]}]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that live elsewhere, and the list of decisions."""
    for source, page in ELSEWHERE.items():
        text = rewritten((ROOT / source).read_text("utf-8"), source, page)
        files.append(File.generated(config, page, content=text))
    rows = [f"* [{title}]({name})" for name, title in decisions(_decisions())]
    listed = "# Decisions\n\nWhat was chosen, and why, in the order of choosing.\n\n"
    files.append(File.generated(config, DECISIONS, content=listed + "\n".join(rows) + "\n"))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have the links of a page hold on the site."""
    del config, files
    place = page.file.src_uri
    markdown = with_pictures(markdown)
    if place in ELSEWHERE.values() or place == DECISIONS:
        return markdown
    return rewritten(markdown, f"docs/{place}", place)


def _decisions() -> Path:
    return ROOT / "docs" / "decisions"
