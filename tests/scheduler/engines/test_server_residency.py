"""Servers of others that can load and unload are asked to; those that can't are left alone."""

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import LoadFailedError
from atos_scheduler.engines.openai import OpenAi
from atos_scheduler.engines.protocol import ModelSpec
from doubles.loading_server import Kind, LoadingServer

SPEC = ModelSpec("m", "m", 2048, 1)
POSTS: dict[Kind, list[str]] = {
    "router": ['/models/load {"model": "m"}', '/models/unload {"model": "m"}'],
    "lm_studio": [
        '/api/v1/models/load {"model": "m"}',
        '/api/v1/models/unload {"instance_id": "m:1"}',
    ],
    "vllm": ["/wake_up {}", "/sleep?level=1 {}"],
    "other": [],
}


@pytest.mark.parametrize("kind", POSTS)
async def test_a_model_is_loaded_once_and_unloaded_where_the_server_can(kind: Kind) -> None:
    with LoadingServer(kind) as server:
        engine = OpenAi(server.url)
        try:
            await engine.load(SPEC)
            there = server.loaded
            await engine.load(SPEC)
            await engine.unload("m")
        finally:
            await engine.close()
    assert server.posts == POSTS[kind]
    assert (there, server.loaded) == (kind != "other", False)


async def test_a_load_that_fails_on_the_server_is_a_failed_load() -> None:
    with LoadingServer("router", broken=True) as server:
        engine = OpenAi(server.url)
        try:
            with pytest.raises(LoadFailedError) as caught:
                await engine.load(SPEC)
        finally:
            await engine.close()
    assert caught.value.message == snapshot("the server could not load m (exit code 1)")
