"""Addresses of servers: the password reaches the server, and nothing that anybody reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_daemon.outbound_http import reach
from atos_protocol.errors import AtosError
from atos_protocol.server_url import ServerUrl
from atos_protocol.settings import load_settings
from atos_scheduler.engines.ollama import Ollama
from atos_scheduler.engines.openai import OpenAi
from atos_scheduler.engines.protocol import ModelSpec
from atos_scheduler.models.sources.mirror import Mirror

PASSWORD = "c4n4ry"
LOCAL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "shown", "address", "auth"),
    [
        ("", "", "", None),
        ("http://h:8000/v1/", "http://h:8000/v1", "http://h:8000/v1", None),
        ("https://u:p@h", "https://***@h", "https://h", ("u", "p")),
        ("http://u:p%40%2F@h:1/v1", "http://***@h:1/v1", "http://h:1/v1", ("u", "p@/")),
        ("http://u:p@q@h", "http://***@h", "http://h", ("u", "p@q")),
        ("http://u:p/q#r?s@h", "http://***@h", "http://h", ("u", "p/q#r?s")),
        ("http://token@h", "http://***@h", "http://h", ("token", "")),
        ("http://h/v1?key=p#p", "http://h/v1", "http://h/v1", None),
        ("http://h:80/a@b", "http://***@b", "http://h:80/a@b", None),
        ("http://[::1]:80/v1", "http://[::1]:80/v1", "http://[::1]:80/v1", None),
        ("http://u:p@[::1", "http://***@[::1", "", ("u", "p")),
    ],
)
def test_it_is_shown_without_and_used_with_its_password(
    text: str, shown: str, address: str, auth: tuple[str, str] | None
) -> None:
    url = ServerUrl(text)
    assert (str(url), repr(url), bool(url)) == (shown, f"ServerUrl({shown!r})", bool(text))
    assert (url.address, url.credentials) == (address, auth)


@given(
    before=st.text(st.characters(exclude_characters="/?#@:", codec="ascii"), min_size=1),
    after=st.text(st.characters(codec="ascii")),
)
def test_whatever_else_is_in_a_password_it_is_not_shown(before: str, after: str) -> None:
    url = ServerUrl(f"http://user:{before}{PASSWORD}{after}@host:80/v1")
    assert PASSWORD not in f"{url} {url!r} {url.address}"


@pytest.mark.parametrize(
    ("text", "proxies"),
    [
        ("http://127.0.0.1:1", False), ("http://127.8.9.1", False), ("http://localhost:1/v1", False),
        ("http://u:p@[::1]:1", False), ("http://LOCALHOST", False), ("http://192.168.0.2", True),
        ("https://api.example", True), ("http://127.0.0.1.example", True),
    ],
)  # fmt: skip
def test_what_goes_to_this_machine_goes_through_no_proxy(text: str, proxies: bool) -> None:
    assert reach(ServerUrl(text))["trust_env"] is proxies


@pytest.mark.parametrize("address", ["127.0.0.1:1", "h:no", "[::1", "127.0.0.1:1/v1#x", ""])
async def test_no_error_of_an_engine_or_source_quotes_a_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    url = f"http://user:{PASSWORD}@{address}"
    said = [ServerUrl(url)]
    for engine in (OpenAi(url), Ollama(url)):
        said += [await engine.health()]
        for call in (engine.installed(), engine.load(ModelSpec("m", "m", 2048, 1, {}))):
            try:
                await call
            except AtosError as error:
                said += [error.to_text(), error.to_wire(), error.__cause__]
        await engine.close()
    said += [Mirror(url)._unreachable("it is silent")]  # pyright: ignore[reportPrivateUsage]
    assert PASSWORD not in "\n".join(map(repr, said))


def test_settings_do_not_show_what_may_hold_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_URL", "OLLAMA_URL", "MODEL_MIRROR", "DATABASE_URL"):
        monkeypatch.setenv(f"ATOS_{name}", f"http://user:{PASSWORD}@h")
    assert PASSWORD not in repr(load_settings())
