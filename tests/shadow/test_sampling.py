"""Contexts of an application's requests are sampled without its requests noticing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.shadow.sampling import ContextSampling

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.model import Context


async def answered(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def requested(app: ContextSampling, path: str, kind: str = "http") -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a body is not read")

    asyncio.run(app({"type": kind, "path": path}, receive, send))
    return sent


def context_of(scope: Any) -> Context | None:
    if scope["path"] == "/broken":
        raise KeyError("ada@example.com")
    return None if scope["path"] == "/none" else {"targetingKey": scope["path"], "kind": object}


def lines(folder: Path) -> list[Any]:
    return [
        json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text(encoding="utf-8").splitlines()
    ]


def test_contexts_are_written_and_answers_are_the_applications(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = ContextSampling(answered, folder=tmp_path / "sampled", context=context_of, share=1.0)
    for path in ("/a", "/none", "/broken", "/b"):
        assert [message["type"] for message in requested(app, path)] == ["http.response.start", "http.response.body"]
    requested(app, "/socket", "websocket")
    assert app.recorder.drain(60)
    assert [one["context"]["targetingKey"] for one in lines(tmp_path / "sampled")] == ["/a", "/b"]
    assert app.recorder.dropped == 1
    assert "ada@example.com" not in caplog.text


def test_a_share_is_sampled(tmp_path: Path) -> None:
    none = ContextSampling(answered, folder=tmp_path / "none", context=context_of, share=0.0)
    some = ContextSampling(answered, folder=tmp_path / "some", context=context_of, share=0.2)
    for number in range(500):
        requested(none, f"/{number}")
        requested(some, f"/{number}")
    assert some.recorder.drain(60)
    assert lines(tmp_path / "none") == []
    assert 50 < len(lines(tmp_path / "some")) < 150  # 5.6 standard deviations on either side
    with pytest.raises(ValueError, match="from 0 to 1"):
        ContextSampling(answered, folder=tmp_path, context=context_of, share=5)
