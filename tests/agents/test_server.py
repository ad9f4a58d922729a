"""The server over HTTP and over standard input, asked by the official SDK's clients."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from burgee.access.keys import Kind, Scope
from burgee.agents.server import http_app
from burgee.agents.tools import Tools
from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore
from support.http import served
from support.keys import release, token

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS: dict[str, Any] = {"beta": {"status": True, "rollout_percentage": 20}}
FUNCTIONS = Path(__file__).parents[2] / "functions"


def test_over_http_every_request_needs_a_key_and_has_its_scopes(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.sqlite"), Tenant())
    release(store, FLAGS)
    reader, writer = token(store, Kind.ADMIN, Scope.READ), token(store, Kind.ADMIN, Scope.READ, Scope.WRITE)

    @contextmanager
    def opened() -> Iterator[SqliteStore]:
        yield store

    with served(http_app(Tools(opened, list, list, lambda _since, _flag: {}), "127.0.0.1"), lifespan=True) as url:

        def killed(key: str) -> Any:
            async def run() -> Any:
                async with (
                    httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http,
                    Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
                ):
                    return await client.call_tool("kill", {"flag": "beta", "reason": "on fire"})

            return anyio.run(run)

        assert "may not kill" in killed(reader).content[0].text
        assert killed(writer).structured_content["status"] == "off"
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"X-API-Key": writer}):
            refused = httpx2.post(
                f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers
            )
            assert (refused.status_code, refused.json()) == (401, {"error": "unknown key"})
        rebound = {"Authorization": f"Bearer {writer}", "Host": "evil.example", "Accept": "application/json"}
        assert httpx2.post(f"{url}/mcp", json={}, headers=rebound).status_code == 421
    store.close()


def test_over_standard_input_the_command_serves_its_store(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text("version: 1\nflags: {beta: {status: on, owner: web}}\n", encoding="utf-8")
    (tmp_path / ".burgee").mkdir()
    store = SqliteStore(str(tmp_path / ".burgee/state.sqlite"), Tenant())
    release(store, FLAGS)
    key = token(store, Kind.ADMIN, Scope.READ, Scope.PROPOSE)
    store.close()
    program = "from burgee.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(FUNCTIONS), "BURGEE_KEY": key}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-c", program, "mcp"], env=environment, cwd=str(tmp_path)
    )

    async def run() -> tuple[Any, ...]:
        async with Client(stdio_client(parameters)) as client:
            unknown = await client.call_tool("effect", {"flag": "beta", "set": {"rollout_percentage": 30}})
            nothing = await client.call_tool("proposals", {"flag": "beta"})
            listed = await client.call_tool("list_flags", {})
            proposed = await client.call_tool(
                "propose", {"flag": "beta", "keys": {"rollout_percentage": 30}, "why": "go"}
            )
            return listed, proposed, await client.call_tool("stale", {}), unknown, nothing

    listed, proposed, stale, unknown, nothing = anyio.run(run)
    assert (unknown.is_error, nothing.is_error) == (True, True)
    assert "effect has no argument 'set'; it has flag, keys, unset, absent" in unknown.content[0].text
    assert "proposals has no argument 'flag'; it has none" in nothing.content[0].text
    assert [one["flag"] for one in listed.structured_content["flags"]] == ["beta"]
    assert proposed.structured_content["proposal"]["state"] == "waiting"
    assert "not in Git" in stale.content[0].text
