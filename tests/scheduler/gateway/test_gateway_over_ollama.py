"""The scheduler in front of an Ollama server (its wire imitated): pulled models, adopted ones, swaps."""

from collections.abc import Generator

import pytest

from atos_scheduler.engines.ollama import Ollama
from doubles.fake_ollama import FakeModel, FakeOllama
from doubles.running_scheduler import GIB, scheduler

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def fake() -> Generator[FakeOllama]:
    pulled = [FakeModel("granite4.1:3b", 2 * GIB), FakeModel("llama3.2:latest", 2 * GIB)]
    with FakeOllama(pulled) as fake:
        yield fake


async def test_pulled_models_serve_the_pools(fake: FakeOllama) -> None:
    async with scheduler([Ollama(fake.url)], budget=8 * GIB) as running:
        answer = await running.client.chat("atos/medium", HI)
        pools = {pool.name: pool.members for pool in await running.client.pools()}
        (resident,) = (await running.client.status()).residencies
    assert (answer.model, answer.engine, answer.pool) == ("granite4.1:3b", "ollama", "medium")
    assert pools["complex"] == ("granite4.1:3b",)
    assert pools["simple"] == ("granite4.1:3b",), "no stand-in where a member is pulled"
    assert (resident.engine, resident.measured) == ("ollama", True)


async def test_what_the_server_holds_already_is_charged_and_first_used_in_our_shape(
    fake: FakeOllama,
) -> None:
    await fake.ensure(fake.models[1], {"options": {"num_ctx": 2048}, "keep_alive": "5m"})
    async with scheduler([Ollama(fake.url)], budget=8 * GIB) as running:
        (adopted,) = (await running.client.status()).residencies
        answer = await running.client.chat("llama3.2", HI)
    assert (adopted.model, adopted.state) == ("llama3.2:latest", "resident")
    assert adopted.bytes >= 2 * GIB
    assert answer.model == "llama3.2:latest"
    assert fake.loads == [("llama3.2:latest", 2048), ("llama3.2:latest", 4096)]


async def test_an_adopted_model_is_evicted_when_its_room_is_needed(fake: FakeOllama) -> None:
    await fake.ensure(fake.models[1], {"keep_alive": "5m"})
    async with scheduler([Ollama(fake.url)], budget=4 * GIB) as running:
        answer = await running.client.chat("granite4.1:3b", HI)
    assert answer.model == "granite4.1:3b"
    assert list(fake.residents) == ["granite4.1:3b"]


async def test_a_model_that_the_server_dropped_by_itself_can_still_be_unloaded(
    fake: FakeOllama,
) -> None:
    async with scheduler([Ollama(fake.url)], budget=8 * GIB) as running:
        await running.client.load("granite4.1:3b")
        fake.residents.clear()
        listed = await running.client.models()
        assert await running.client.load("llama3.2") == "llama3.2:latest"
        await running.client.unload("granite4.1:3b")
        left = [r.model for r in (await running.client.status()).residencies]
    assert {m["name"] for m in listed} == {"granite4.1:3b", "llama3.2:latest"}
    assert left == ["llama3.2:latest"]
