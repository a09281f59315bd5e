"""What a release is, found out from its files without running them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_servers.local_web.entry import Entry, entry_of
from atos_servers.local_web.functions import Function, Parameter, public_functions

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
WSGI = "def application(environ, start_response):\n    return []\n"
ASGI = "async def app(scope, receive, send):\n    pass\n"
FACTORY = "import flask\ndef create_app(config=None):\n    return flask.Flask(__name__)\n"
RUN = "import sys\nif __name__ == '__main__':\n    print(sys.argv)\n"
TOOLS = "def add(a: int, b: int = 2) -> int:\n    '''Add two numbers.'''\n    return a + b\n"


def _of(sources: dict[str, str], *files: str) -> Entry | None:
    return entry_of(sources, frozenset([*sources, *files]))


@pytest.mark.parametrize(
    ("sources", "kind", "place"),
    [
        ({"app.py": FLASK}, "app", ("app", "app", "wsgi", False)),
        ({"web/site.py": WSGI}, "app", ("web.site", "application", "wsgi", False)),
        ({"src/main.py": ASGI}, "app", ("main", "app", "asgi", False)),
        ({"factory.py": FACTORY}, "app", ("factory", "create_app", "wsgi", True)),
        (
            {"api.py": "import fastapi\nweb = fastapi.FastAPI()\n"},
            "app",
            ("api", "web", "asgi", False),
        ),
        ({"tools.py": TOOLS}, "toolkit", ("", "", "", False)),
        ({"run.py": RUN}, "command", ("run.py", "", "", False)),
        ({"tool/__main__.py": "print(1)\n"}, "command", ("tool/__main__.py", "", "", False)),
    ],
)
def test_a_release_is_what_its_sources_say(
    sources: dict[str, str], kind: str, place: tuple[str, str, str, bool]
) -> None:
    found = _of(sources)
    assert found is not None
    assert (found.kind, (found.module, found.name, found.interface, found.factory)) == (kind, place)


def test_an_app_is_served_before_a_site_and_a_site_before_a_toolkit() -> None:
    everything = {"app.py": FLASK, "tools.py": TOOLS, "run.py": RUN}
    kinds = list[str]()
    for left_out in ("", "app.py", "public/index.html", "tools.py", "run.py"):
        everything.pop(left_out, "")
        site = ["public/index.html"] if left_out in {"", "app.py"} else []
        found = _of(everything, *site)
        kinds.append(found.kind if found else "nothing")
    assert kinds == ["app", "static", "toolkit", "command", "nothing"]


@pytest.mark.parametrize("listed", ["5", "None", "{[]: 1}", "[name]", "-'a'"])
def test_a_list_of_names_that_is_none_hides_no_function(listed: str) -> None:
    (found,) = public_functions({"tools.py": f"__all__ = {listed}\n{TOOLS}"})
    assert found.name == "add"


def test_what_only_tests_or_sets_up_is_not_served() -> None:
    assert (
        _of({"tests/test_a.py": TOOLS, "test_b.py": TOOLS, "setup.py": RUN, "conftest.py": TOOLS})
        is None
    )


@given(st.text(max_size=200))
def test_no_text_of_a_source_breaks_the_search(text: str) -> None:
    entry_of({"a.py": text}, frozenset({"a.py"}))


def test_the_functions_of_a_page_are_those_that_a_form_can_call() -> None:
    text = '''
__all__ = ["add", "shout", "main", "old"]
def add(a: int, b: int = 2) -> int:
    """Add two
    numbers.

    More.
    """
def shout(text: "str", *, times=1): ...
def _hidden(a): ...
def main(): ...
def not_exported(a): ...
def old(a, /): ...
@decorated
def changed(a): ...
'''
    assert public_functions({"pack/__init__.py": text, "broken.py": "def ("}) == snapshot(
        (
            Function(
                module="pack",
                name="add",
                parameters=(
                    Parameter(name="a", annotation="int"),
                    Parameter(name="b", annotation="int", default="2"),
                ),
                returns="int",
                doc="Add two numbers.",
            ),
            Function(
                module="pack",
                name="shout",
                parameters=(
                    Parameter(name="text", annotation="'str'"),
                    Parameter(name="times", default="1"),
                ),
            ),
        )
    )
    assert [each.signature for each in public_functions({"a.py": TOOLS})] == [
        "add(a: int, b: int = 2) -> int"
    ]
