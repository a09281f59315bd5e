"""The pages that rules write for a release without pages of its own: forms for functions, or for a command. Pure.

They need no script in the browser; everything that comes from the release or from a call is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from atos_servers.local_web.functions import Function, Parameter

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
code, pre, input, textarea { font: 0.95rem/1.5 ui-monospace, monospace; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1rem 0; }
label { display: block; margin: 0.6rem 0; } label span { display: block; }
input, textarea { width: 100%; box-sizing: border-box; padding: 0.4rem; }
button { font: inherit; padding: 0.4rem 1rem; margin-top: 0.4rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.6rem 0 0; padding: 0.6rem; border: 1px solid var(--line); border-radius: 6px; }
.raised { border-color: #c33; } footer { color: color-mix(in srgb, currentColor 65%, transparent); font-size: 0.9rem; }
"""


@dataclass(frozen=True, slots=True)
class Called:
    """What a form was filled with, and what came of it."""

    module: str
    name: str
    typed: Mapping[str, str]
    text: str
    """The value or the error, as it is shown."""
    ok: bool


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the page says about the release."""

    title: str
    commit: str
    """Empty where the release is no commit."""


def toolkit_page(stamp: Stamp, functions: Iterable[Function], called: Called | None = None) -> str:
    """Return the page with a form for each function; the form that was sent keeps what was typed."""
    forms = (_form(function, _of(called, function.module, function.name)) for function in functions)
    hint = (
        "<p>Write Python values: <code>3</code>, <code>[1, 2]</code>, <code>'text'</code>."
        " Each call runs on its own in the sandbox.</p>"
    )
    return _page(stamp, hint + "".join(forms))


def command_page(stamp: Stamp, command: str, called: Called | None = None) -> str:
    """Return the page with a form for a command's arguments and standard input."""
    typed: Mapping[str, str] = called.typed if called else {}
    form = (
        f'<section><h2><code>{escape(command)}</code></h2><form method="post" action="/run">'
        f"{_field('arguments', 'arguments', typed.get('arguments', ''))}"
        '<label><span>standard input</span><textarea name="stdin" rows="4">'
        f"{escape(typed.get('stdin', ''))}</textarea></label><button>Run</button></form>"
        f"{_result(called)}</section>"
    )
    return _page(stamp, form)


def _of(called: Called | None, module: str, name: str) -> Called | None:
    return called if called and (called.module, called.name) == (module, name) else None


def _form(function: Function, called: Called | None) -> str:
    place = f"{function.module}.{function.name}"
    fields = "".join(_parameter(each, called) for each in function.parameters)
    doc = f"<p>{escape(function.doc)}</p>" if function.doc else ""
    return (
        f'<section id="{escape(place)}"><h2><code>{escape(function.module)}.{escape(function.signature)}'
        f'</code></h2>{doc}<form method="post" action="/call/{escape(function.module)}/{escape(function.name)}'
        f'#{escape(place)}">{fields}<button>Call</button></form>{_result(called)}</section>'
    )


def _parameter(parameter: Parameter, called: Called | None) -> str:
    about = parameter.name + (f": {parameter.annotation}" if parameter.annotation else "")
    if parameter.default is not None:
        about += f" (empty: {parameter.default})"
    return _field(parameter.name, about, called.typed.get(parameter.name, "") if called else "")


def _field(name: str, about: str, value: str) -> str:
    field = f'<input name="{escape(name)}" value="{escape(value)}" autocomplete="off">'
    return f"<label><span>{escape(about)}</span>{field}</label>"


def _result(called: Called | None) -> str:
    if called is None:
        return ""
    kind = "" if called.ok else ' class="raised"'
    return f'<pre{kind} role="status">{escape(called.text)}</pre>'


def _page(stamp: Stamp, body: str) -> str:
    title = escape(stamp.title)
    of = f"commit {escape(stamp.commit[:12])}; " if stamp.commit else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><main><h1>{title}</h1>{body}</main>"
        f"<footer>{of}served by ATOS on this machine only.</footer></html>"
    )
