"""Contexts of an application's requests are sampled without its requests noticing."""

from __future__ import annotations

import asyncio
import json
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.events.recorder import BATCH, Recorder
from burgee.shadow.sampling import MAX_CONTEXT_BYTES, ContextSampling

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.model import Context


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP
FAULTY: dict[str, Any] = {
    "/loop": LOOP,
    "/nan": {"age": float("nan")},
    "/text": "ada",
    "/long": {"targetingKey": "x" * MAX_CONTEXT_BYTES},
}


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
    if scope["path"] in FAULTY:
        return FAULTY[scope["path"]]  # type: ignore[no-any-return]
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


def test_what_is_no_context_is_counted_and_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = ContextSampling(answered, folder=tmp_path, context=context_of, share=1.0)
    for path in ("/broken", *FAULTY) * 3:
        assert [message["type"] for message in requested(app, path)] == ["http.response.start", "http.response.body"]
    requested(app, "/a")
    assert app.recorder.drain(60)
    assert [one["context"]["targetingKey"] for one in lines(tmp_path)] == ["/a"]
    assert app.recorder.dropped == 3 * (1 + len(FAULTY))
    assert [record.args for record in caplog.records if "no context" in record.message] == [
        ("KeyError",),
        ("ValueError",),
    ]


class Stuck:
    """A sink that is written to until it is freed."""

    def __init__(self) -> None:
        self.freed, self.batches = Event(), 0

    def write(self, _records: Any) -> None:
        self.batches += 1
        self.freed.wait(60)


def test_a_sink_that_hangs_and_a_full_queue_hold_up_no_request(tmp_path: Path) -> None:
    app = ContextSampling(answered, folder=tmp_path, context=context_of, share=1.0)
    stuck = Stuck()
    app.recorder = Recorder(stuck, capacity=10)
    for number in range(600):
        assert len(requested(app, f"/{number}")) == 2
    assert stuck.batches == 1
    assert 600 - app.recorder.dropped <= 10 + BATCH
    stuck.freed.set()
    assert app.recorder.drain(60)


class Failing:
    """A sink that refuses everything."""

    def write(self, records: Any) -> None:
        raise OSError(f"no space for {records}")


def test_a_sink_that_fails_costs_contexts_and_no_answer(tmp_path: Path) -> None:
    app = ContextSampling(answered, folder=tmp_path, context=context_of, share=1.0)
    app.recorder = Recorder(Failing())
    for number in range(20):
        assert len(requested(app, f"/{number}")) == 2
    assert app.recorder.drain(60)
    assert app.recorder.dropped == 20


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan"])
def test_the_application_gets_its_own_scope_receive_and_send(tmp_path: Path, kind: str) -> None:
    """So a body is streamed, a socket is open and the application starts as without it."""
    passed: list[Any] = []

    async def application(*given: Any) -> None:
        passed.extend(given)

    app = ContextSampling(application, folder=tmp_path, context=context_of, share=1.0)
    given = ({"type": kind, "path": "/a"}, object(), object())
    asyncio.run(app(*given))  # type: ignore[arg-type]
    assert all(one is other for one, other in zip(passed, given, strict=True))
    assert app.recorder.drain(60)
    assert len(lines(tmp_path)) == (kind == "http")


def test_an_applications_own_fault_is_raised(tmp_path: Path) -> None:
    async def application(*_: Any) -> None:
        raise LookupError("its own")

    app = ContextSampling(application, folder=tmp_path, context=context_of, share=1.0)
    with pytest.raises(LookupError, match="its own"):
        requested(app, "/a")


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
