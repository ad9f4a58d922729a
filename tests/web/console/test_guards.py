"""A flag's guard in the console: before its first step, at one, paused, and with the numbers of its end."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Scope
from burgee.guards import interventions
from burgee.guards.aggregates import Aggregates, Arm, Measured, Moments
from burgee.guards.driver import asks
from burgee.releases.deploy import apply
from burgee.releases.guarding import act as step
from burgee.releases.guarding import run
from burgee.stores import Origin, Put, Shelf
from support.keys import act, caller, shop
from support.markup import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from burgee.guards.plan import GuardPlan
    from burgee.guards.state import GuardState
    from burgee.stores.sqlite import SqliteStore

GUARD: dict[str, Any] = {"steps": [10, 50, 100], "hold": "1h", "guardrails": {"errors": {"margin": 10}}}
FLAGS = {"checkout": {"status": True, "rollout_percentage": 0, "guard": GUARD}, "plain": {"status": True}}
METRICS = {"errors": {"kind": "proportion", "event": "error", "direction": "decrease", "window": "1m"}}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    for made in shop({}):
        shared: dict[str, Any] = {"segments": {}, "holdouts": {}, "metrics": METRICS}
        snapshot = {"format": 1, "environment": None, "flags": FLAGS, **shared}
        apply(made, snapshot, Origin(), act("release.activate"))
        yield made


def arm(n: int, rate: float) -> Arm:
    moments = Moments(n, {"value": rate}, {("value", "value"): rate * (1 - rate)})
    return Arm(n, {"errors": Measured(moments, int(n * rate))})


def harmed(plan: GuardPlan, state: GuardState) -> Aggregates | None:
    ask = asks(plan, state)
    if ask is None:
        return None
    reached, compared = (
        Arm(
            n,
            {"errors": Measured(Moments(n, {"value": rate}, {("value", "value"): rate * (1 - rate)}), int(n * rate))},
        )
        for n, rate in ((2_000, 0.3), (10_000, 0.1))
    )
    return Aggregates(ask.step, ask.since, int(time.time() * 1000), reached, compared, {"errors": 0})


def shown(client: TestClient, flag: str = "checkout") -> str:
    return text_of(client.get(f"/fragments/flags/{flag}").text)


def test_a_guard_is_shown_from_its_beginning_to_its_end(client: TestClient, store: SqliteStore) -> None:
    assert "Guarded rollout It has not begun. 10 % to come 50 % to come 100 % to come" in shown(client)
    now = time.time()
    run(store, lambda: now, harmed, {})
    assert "Guarded rollout It serves 10 %, watched for 0 seconds of 1 hour. 10 % now 50 % to come" in shown(client)
    step(
        store,
        "checkout",
        act(
            "guard.pause",
        )._replace(now=now),
        interventions.pause,
    )
    assert "Paused at 10 % by ada" in shown(client)
    run(store, lambda: now + 1, harmed, {})
    page = shown(client)
    assert "It has ended at 0 %: a harm was shown, and the share is back where it began." in page
    assert "errors is worse by more than 10 %" in page
    assert "reached units 2,000 compared units 10,000" in page
    assert "Guarded rollout" not in shown(client, "plain")


def test_rollouts_that_wait_for_a_person_come_first(client: TestClient, store: SqliteStore) -> None:
    assert "checkout 10 % to come 50 % to come 100 % to come It has not begun." in rollouts(client)
    now = time.time()
    run(store, lambda: now, harmed, {})
    step(store, "checkout", act("guard.pause")._replace(now=now), interventions.pause)
    run(store, lambda: now + 1, harmed, {})
    assert "It has ended at 0 %" in rollouts(client)
    assert "errors is worse by more than 10 %" in rollouts(client)
    assert "/console/rollouts" in client.get("/fragments/frame").text


def test_a_step_of_a_guard_is_a_change_of_the_flag_but_no_operator_s(client: TestClient, store: SqliteStore) -> None:
    run(store, time.time, harmed, {})
    feed = client.get("/fragments/changes?show=flags").text
    assert "guard raised the share rollout_percentage: 0 → 10" in text_of(feed)
    (effect,) = re.findall(r'hx-get="([^"]*/effect)"', feed)
    assert "10 % off → on" in text_of(client.get(effect).text)
    listed = text_of(client.get("/fragments/flags").text)
    assert "guard checkout is 10 % on , not off for all" in listed
    assert "its guard goes on" in listed
    assert "until Git says the same" not in listed


def test_a_guard_that_waits_or_cannot_be_read_says_why(client: TestClient, store: SqliteStore) -> None:
    now = time.time()
    run(store, lambda: now, lambda *_: None, {})
    run(store, lambda: now + 1, lambda *_: None, {})
    assert "nothing was measured in this round" in shown(client)
    assert "nothing was measured in this round" in rollouts(client)
    before = store.find(Shelf.GUARDS, "checkout")
    assert before is not None
    store.keep([Put(Shelf.GUARDS, "checkout", {**before, "format": 9}, before)])
    assert "It cannot be run: its record cannot be read: the guard's state has format 9" in shown(client)
    assert "It cannot be run: its record cannot be read" in rollouts(client)


def test_a_guard_is_acted_on_from_its_card_with_its_effect_first(store: SqliteStore) -> None:
    client = caller(store, Scope.READ, Scope.WRITE)
    assert "guard/" not in client.get("/fragments/flags/checkout").text, "it has not begun"
    run(store, time.time, harmed, {})
    page = client.get("/fragments/flags/checkout").text
    assert re.findall(r'data-dialog="/fragments/flags/checkout/guard/(\w+)"', page) == ["pause", "advance", "stop"]
    assert "The guard raises the share to 50 % when this step has been watched for 1 hour." in text_of(page)
    assert "Its guard serves it, as Git plans; taking it back pauses the guard." in text_of(page)
    assert "guard/" not in caller(store, Scope.READ, Scope.PROPOSE).get("/fragments/flags/checkout").text

    def effect(step: str, **typed: str) -> str:
        return client.post(f"/fragments/flags/checkout/guard/{step}/effect", json=typed).text

    assert "Take the next step of the guard of checkout" in client.get("/fragments/flags/checkout/guard/advance").text
    assert "40 % of all users get on: 2 in 5" in text_of(effect("advance"))
    assert "Nobody moves." in text_of(effect("pause"))
    assert "Nobody moves." in text_of(effect("stop", back="false"))
    back = effect("stop", back="true")
    assert "10 % of all users lose on: 1 in 10" in text_of(back)
    assert 'data-act="/flags/checkout/guard/stop"' in back
    assert 'data-body="{&#34;back&#34;: true}"' in back
    assert "the guard is not paused" in effect("resume")
    assert client.post("/flags/checkout/guard/pause", json={"reason": "INC-311"}).status_code == 204
    page = client.get("/fragments/flags/checkout").text
    assert re.findall(r'data-dialog="/fragments/flags/checkout/guard/(\w+)"', page) == ["resume", "stop"]


def rollouts(client: TestClient) -> str:
    return text_of(client.get("/fragments/rollouts").text)
