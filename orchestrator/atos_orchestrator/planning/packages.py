"""What code may import: the standard library, its own modules, and the packages of its goal. Pure.

A model imports what it has seen most. An import that the goal does not name fails in the sandbox, so
it is found in the syntax tree, before anything runs, and told in the goal's terms.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from atos_protocol.packages import PackagesReport

_OTHER_NAMES = {
    "attr": "attrs", "bs4": "beautifulsoup4", "crypto": "pycryptodome", "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil", "docx": "python-docx", "dotenv": "python-dotenv", "fitz": "pymupdf",
    "git": "gitpython", "jose": "python-jose", "jwt": "pyjwt", "magic": "python-magic",
    "more_itertools": "more-itertools", "multipart": "python-multipart", "nacl": "pynacl",
    "OpenSSL": "pyopenssl", "PIL": "pillow", "pptx": "python-pptx", "serial": "pyserial",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "slugify": "python-slugify",
    "socks": "pysocks", "telegram": "python-telegram-bot", "usb": "pyusb", "websocket": "websocket-client",
    "win32api": "pywin32", "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip

_SAME_NAMES = [
    "aiofiles",
    "aiohttp",
    "aiosqlite",
    "alembic",
    "anyio",
    "arrow",
    "attrs",
    "babel",
    "bcrypt",
    "bottle",
    "cachetools",
    "cerberus",
    "chardet",
    "click",
    "colorama",
    "cryptography",
    "cssselect",
    "django",
    "emoji",
    "faker",
    "fastapi",
    "feedparser",
    "flask",
    "flask_cors",
    "flask_login",
    "flask_sqlalchemy",
    "flask_wtf",
    "geopy",
    "gunicorn",
    "h5py",
    "html5lib",
    "httpx",
    "humanize",
    "imageio",
    "isodate",
    "jinja2",
    "jsonschema",
    "loguru",
    "lxml",
    "mako",
    "markdown",
    "markdown2",
    "markupsafe",
    "marshmallow",
    "matplotlib",
    "mistune",
    "msgpack",
    "natsort",
    "networkx",
    "nltk",
    "numpy",
    "openpyxl",
    "orjson",
    "pandas",
    "paramiko",
    "parsimonious",
    "passlib",
    "peewee",
    "pendulum",
    "pint",
    "plotly",
    "polars",
    "prettytable",
    "psutil",
    "psycopg",
    "pydantic",
    "pyfiglet",
    "pygments",
    "pymongo",
    "pymysql",
    "pyparsing",
    "pypdf",
    "pyperclip",
    "pytz",
    "qrcode",
    "rapidfuzz",
    "redis",
    "regex",
    "reportlab",
    "requests",
    "rich",
    "schedule",
    "scipy",
    "seaborn",
    "selenium",
    "shapely",
    "simplejson",
    "sortedcontainers",
    "sqlalchemy",
    "sqlparse",
    "starlette",
    "statsmodels",
    "sympy",
    "tabulate",
    "tenacity",
    "termcolor",
    "textblob",
    "tinydb",
    "toml",
    "tomlkit",
    "toolz",
    "tornado",
    "tqdm",
    "trio",
    "typer",
    "tzlocal",
    "ujson",
    "unidecode",
    "urllib3",
    "uvicorn",
    "validators",
    "watchdog",
    "websockets",
    "werkzeug",
    "wtforms",
    "xlsxwriter",
    "xlrd",
    "xmltodict",
]


def normalised(name: str) -> str:
    """Return a distribution's name as the package index compares it; versions and extras are dropped."""
    bare = re.split(r"[\[<>=~!;@\s]", name.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", bare).lower()


KNOWN_PACKAGES: Mapping[str, str] = MappingProxyType(
    {name: normalised(name) for name in _SAME_NAMES} | _OTHER_NAMES
)
"""Import name -> distribution, of well-known packages. Large frameworks for neural networks are left
out: their wheels do not install within an installation's time."""

ALWAYS = frozenset({"pytest", "__future__"})
"""Besides the standard library; pytest runs the tests."""

ABSENCE = frozenset({"BaseException", "Exception", "ImportError", "ModuleNotFoundError"})
"""Who handles one of these around an import goes on without the package."""


def distribution_of(module: str) -> str:
    """Return the distribution that provides a module, as far as its name tells."""
    top = module.partition(".")[0]
    return KNOWN_PACKAGES.get(top) or normalised(top)


def undeclared_imports(
    source: str, allowed: Collection[str], own_modules: Collection[str]
) -> list[str]:
    """Return the top-level modules that a source imports and may not, in order, each once.

    Args:
        source: of one file; one that does not compile imports nothing.
        allowed: distributions, with or without versions, and names of modules.
        own_modules: top-level modules of the repository.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    distributions = {normalised(name) for name in allowed}
    fine = sys.stdlib_module_names | ALWAYS | set(allowed) | set(own_modules)
    found = (name.partition(".")[0] for name in _imported(tree))
    return [
        name
        for name in dict.fromkeys(found)
        if name not in fine and not {distribution_of(name), normalised(name)} & distributions
    ]


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that must be there; where their absence is handled, they need not be."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from [node.module] if node.module and not node.level else []
        elif isinstance(node, ast.Try) and any(map(_handles_absence, node.handlers)):
            for part in [*node.handlers, *node.orelse, *node.finalbody]:
                yield from _imported(part)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for part in node.orelse:
                yield from _imported(ast.Module([part], []))
        else:
            yield from _imported(node)


def _handles_absence(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in ABSENCE for kind in kinds)


def import_fault(path: str, modules: Collection[str]) -> str:
    """Return the sentence for imports that the goal does not name; empty where there are none."""
    if not modules:
        return ""
    return f"{path} imports {', '.join(modules)}, which the goal does not name: use the standard library"


def requirements_text(report: PackagesReport) -> str:
    """Return a requirements.txt that pins what was installed; empty where nothing was."""
    lines = [f"{p.name}=={p.version}" for p in report.packages if p.requested]
    if needed := [f"{p.name}=={p.version}" for p in report.packages if not p.requested]:
        lines += ["", "# needed by these", *needed]
    return "\n".join([*lines, ""]) if lines else ""
