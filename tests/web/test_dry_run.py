"""Dry runs within a budget: evaluations go on, one is computed at a time, and what is too large is said to be."""

from __future__ import annotations

import subprocess
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.effect import effects
from burgee.diff.records import flag_records
from burgee.errors import Refused
from burgee.web import dry_run
from support.keys import admin, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient


def ruled(rules: int, first: int = 0) -> dict[str, Any]:
    """A flag whose regions double with each rule."""
    return {
        "status": True,
        "variants": {"a": 1, "b": 2},
        "rules": [
            {"when": {f"x{n}": {"gte": n}}, "rollout_percentage": (first + n) % 100, "split": {"a": 1, "b": 2}}
            for n in range(rules)
        ],
        "default": {"serve": "a"},
    }


def snapshot(flag: dict[str, Any]) -> dict[str, Any]:
    return {"format": 1, "environment": None, "flags": {"big": flag}, "segments": {}, "holdouts": {}}


@pytest.fixture(autouse=True)
def _processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the tests' own process computes the effect."""
    monkeypatch.setattr(dry_run, "subprocess", subprocess)


@pytest.fixture
def client() -> Iterator[TestClient]:
    for store in shop({"big": ruled(60), "beta": {"status": True}}):
        yield admin(store)


def test_the_process_answers_what_the_engine_of_diff_does() -> None:
    before, after = snapshot(ruled(3)), snapshot(ruled(3, first=7))
    assert dry_run.effect(before, after, 1.8e9) == flag_records(effects(before, after, 1.8e9))


def test_what_takes_too_long_is_ended_and_everybody_else_is_served(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "SECONDS", 2.0)
    body = {key: value for key, value in ruled(60, first=1).items() if key == "rules"}
    answers: list[Any] = []
    asking = Thread(target=lambda: answers.append(client.put("/flags/big?dry_run=true", json=body)))
    asking.start()
    served = 0
    while asking.is_alive():
        assert client.get("/users/u/flags/beta").status_code == 200
        served += 1
        asking.join(0.02)  # below the limit of requests
    asking.join()
    (answer,) = answers
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (503, "dry-run-too-large")
    assert served > 10
    assert client.put("/flags/beta?dry_run=true", json={"rollout_percentage": 10}).status_code in {200, 503}
    assert client.get("/flags/big").json()["rules"][0]["rollout_percentage"] == 0


def test_one_dry_run_is_computed_at_a_time(client: TestClient) -> None:
    with dry_run.alone():
        busy = client.put("/flags/beta?dry_run=true", json={"rollout_percentage": 10})
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
        assert busy.json()["type"].endswith("/dry-run-busy")
        assert client.post("/releases/1/activate?dry_run=true", json={}).status_code == 429
        assert client.put("/flags/beta", json={"rollout_percentage": 10}).status_code == 200
    assert client.put("/flags/beta?dry_run=true", json={"rollout_percentage": 20}).status_code == 200


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_a_process_that_has_no_memory_or_is_killed_is_too_large(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(dry_run, "_CODE", code)
    with pytest.raises(Refused) as refused:
        dry_run.effect(snapshot(ruled(1)), snapshot(ruled(1)), 0.0)
    assert refused.value.code == "dry-run-too-large"


def test_a_fault_in_the_process_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(dry_run, "_CODE", "1 / 0")
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            dry_run.effect(snapshot(ruled(1)), snapshot(ruled(1)), 0.0)
    assert dry_run.effect(snapshot(ruled(1)), snapshot(ruled(1)), 0.0) == []
