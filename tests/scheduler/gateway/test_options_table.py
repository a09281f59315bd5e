"""What becomes of a client's fields: table, page, bodies and routes say the same."""

from pathlib import Path

import pytest

from atos_protocol.errors import UnsupportedError
from atos_scheduler.gateway import anthropic_bodies, ollama_bodies, openai_bodies
from atos_scheduler.gateway.options import ROUTES, settle, table
from atos_scheduler.gateway.requests import Lenient

BODIES: dict[str, type[Lenient]] = {
    "/api/chat": ollama_bodies.ChatBody,
    "/api/generate": ollama_bodies.GenerateBody,
    "/api/embed": ollama_bodies.EmbedBody,
    "/api/embeddings": ollama_bodies.EmbeddingsBody,
    "/v1/chat/completions": openai_bodies.ChatCompletionBody,
    "/v1/completions": openai_bodies.TextCompletionBody,
    "/v1/embeddings": openai_bodies.EmbeddingBody,
    "/v1/responses": openai_bodies.ResponsesBody,
    "/v1/messages": anthropic_bodies.MessagesBody,
    "options": ollama_bodies.Options,
}
WITHOUT_A_FIELD = {"truncate", "shift", "truncation", "thinking"}
"""Mapped to what happens anyhow, whatever the value is."""


def test_the_page_shows_the_table() -> None:
    page = Path(__file__).parents[3] / "docs" / "gateway.md"
    assert table() in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("route", BODIES)
def test_what_is_honoured_or_mapped_is_what_the_body_reads(route: str) -> None:
    told = {o.name for o in ROUTES[route] if o.fate in {"honoured", "mapped"}}
    assert set(BODIES[route].model_fields) == told - WITHOUT_A_FIELD


@pytest.mark.parametrize("route", ROUTES)
def test_a_field_stands_once(route: str) -> None:
    names = [option.name for option in ROUTES[route]]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("route", "name"),
    [(route, o.name) for route, known in ROUTES.items() for o in known if o.fate == "refused"],
)
def test_what_is_refused_is_refused_unless_it_asks_for_nothing(route: str, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        settle(route, {name: "something"})
    assert settle(route, {name: None}) == ()


def test_the_table_names_routes_that_there_are() -> None:
    assert set(BODIES) == set(ROUTES)
