"""The site builds without a warning, its links lead somewhere, and what the code has and the pages lack is found."""

import json
import re
import shlex
import shutil
from argparse import ArgumentParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config  # pyright: ignore[reportUnknownVariableType]
from mkdocs.exceptions import Abort

import drawn_diagrams
import reference_pages
from atos.cli.commands import parser

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of MkDocs's own parts
]


class Links(HTMLParser):
    """What a page links to, and what in it can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.names |= {found[name] for name in ("id", "name") if name in found}
        self.targets += [found[name] for name in ("href", "src") if name in found]


def built(docs: Path, site: Path) -> None:
    build(load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(site)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built(ROOT / "docs", folder)
    return folder


def test_every_link_of_the_site_leads_to_a_page_and_a_place_in_it(site: Path) -> None:
    pages = {page: Links(page.read_text("utf-8")) for page in site.rglob("*.html")}
    lost: list[str] = []
    for page, links in pages.items():
        if page.name == "404.html":
            continue  # its links are absolute, as it is shown at any address
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or target.startswith("data:"):
                continue
            place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = place / "index.html" if place.is_dir() else place
            if not place.exists() or (
                parts.fragment
                and place in pages
                and unquote(parts.fragment) not in pages[place].names
            ):
                lost.append(f"{page.relative_to(site)} -> {target}")
    assert len(pages) > 50
    assert lost == []


def test_nothing_is_fetched_for_a_page_from_elsewhere_and_no_diagram_is_left_to_a_program(
    site: Path,
) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', text) == []
        assert 'class="mermaid"' not in text, page


def test_every_diagram_is_drawn_and_every_drawing_is_of_one() -> None:
    wanted = {drawn_diagrams.picture(source) for _, source in drawn_diagrams.blocks(ROOT)}
    assert set(drawn_diagrams.FOLDER.glob("*.svg")) == wanted, "python tests/draw_diagrams.py"
    text = "".join(path.read_text("utf-8") for path in wanted)
    assert len(wanted) >= 10
    assert re.findall(r"<script|onload=|(?:href|src)=.https?:", text) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("forgotten.md", "# A page that no navigation names\n", id="page"),
        pytest.param("page.md", "# The page\n\n[gone](no-such-page.md)\n", id="link"),
        pytest.param("page.md", "# The page\n\n[gone](models.md#no-such-place)\n", id="anchor"),
    ],
)
def test_a_seeded_omission_fails_the_build(tmp_path: Path, name: str, text: str) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    (docs / name).write_text(text, encoding="utf-8")
    with pytest.raises(Abort, match="warning"):
        built(docs, tmp_path / "site")


@pytest.mark.parametrize("name", sorted(reference_pages.pages()))
def test_a_page_of_reference_says_what_the_code_has(name: str) -> None:
    page = (reference_pages.FOLDER / name).read_text("utf-8")
    assert page == reference_pages.pages()[name], "python tests/reference_pages.py"


def test_a_tool_an_argument_and_a_route_that_are_new_are_not_on_the_pages(tmp_path: Path) -> None:
    page = (reference_pages.FOLDER / "tools.md").read_text("utf-8")
    servers: dict[str, Any] = json.loads(reference_pages.MANIFEST.read_text("utf-8"))["servers"]
    tools = servers["vram"]["modern"]["answers"]["tools/list"]["tools"]
    tools[0]["inputSchema"].setdefault("properties", {})["fresh"] = {"type": "string"}
    assert reference_pages.tools_page(servers) != page
    del tools[0]["inputSchema"]["properties"]["fresh"]
    tools.append({"name": "fresh_tool", "inputSchema": {"type": "object"}})
    assert reference_pages.tools_page(servers) != page
    (tmp_path / "new_routes.py").write_text('x = [Route("/atos/v1/new", self.new)]\n')
    assert "| `/atos/v1/new` | GET |" in reference_pages.routes_page(tmp_path)


def test_an_error_code_that_is_new_is_not_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (reference_pages.FOLDER / "errors.md").read_text("utf-8")
    one = reference_pages.known_errors()["busy"]
    more = {**reference_pages.known_errors(), "fresh": one}
    monkeypatch.setattr(reference_pages, "known_errors", lambda: more)
    assert reference_pages.errors_page() != page


def shown_commands() -> list[tuple[str, str]]:
    """Return page and line of every command of the client in a fence of shell."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        for fence in re.findall(
            r"^```(?:sh|bash|console)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            joined = fence.replace("\\\n", " ")
            lines = re.findall(r"^(?:\$ )?(?:\.venv/bin/)?atos-client (.*)$", joined, re.MULTILINE)
            found += [(str(page.relative_to(ROOT)), line) for line in lines]
    return found


def words_of(line: str) -> list[str]:
    """Return a shown command as its shell would hand it over."""
    for end in (" > ", " | ", " && ", " 2>"):
        line = line.partition(end)[0]
    return shlex.split(line, comments=True)


def understands(top: ArgumentParser, words: list[str]) -> bool:
    if words == ["--version"] or words[-1:] == ["--help"]:
        return True
    try:
        top.parse_args(words)
    except SystemExit:
        return False
    return True


def test_every_command_that_the_pages_show_is_one_that_the_client_takes() -> None:
    shown = shown_commands()
    assert len(shown) > 40
    assert [(page, line) for page, line in shown if not understands(parser(), words_of(line))] == []


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert not understands(parser(), words_of("explian GOAL   # a word with a fault"))
    assert not understands(parser(), words_of('build "x" --no-such-option'))
