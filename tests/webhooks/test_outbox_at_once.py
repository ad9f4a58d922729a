"""Deliveries while other processes send, webhooks change, clocks jump and stores fail: none is lost or doubled."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from threading import Event, Lock, current_thread
from typing import TYPE_CHECKING, Any, cast

import pytest

from burgee.errors import StoreUnavailable
from burgee.records import replace
from burgee.stores import Put, Shelf
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.webhooks import endpoints
from burgee.webhooks.delivery import DAY, LONGEST_DELAY
from burgee.webhooks.outbox import LEASE_SECONDS, PAUSE_SECONDS
from burgee.webhooks.replaying import health
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.sending import Outcome
from burgee.webhooks.signing import signed
from support.stores import committed, entry
from support.waiting import eventually
from support.webhooks import DOWN, OK, Received, World, url, waiting

if TYPE_CHECKING:
    from burgee.stores import Store


def test_two_processes_send_each_message_once(world: World) -> None:
    world.receiver("one")
    other = world.another()
    held = world.receivers.hanging[url("one")] = Event()
    said = [world.change(), world.change()]
    world.outbox.step()
    eventually(lambda: any(one["holder"] for one in world.store.shelf(Shelf.OUTBOX, "lease.").values()))
    world.run(other)
    held.set()
    world.outbox.settle(60)
    world.clock.now += 120
    world.run(other)
    world.run()
    assert world.receivers.delivered(url("one")) == said


def test_a_process_that_dies_while_sending_leaves_the_message_to_another(world: World) -> None:
    made = world.receiver("one")
    said = world.change()
    world.outbox._collect(endpoints.listed(world.store))
    assert world.another()._leased(made.id) is not None, "and then it is gone"
    world.run()
    assert not world.receivers.delivered(url("one"))
    world.pass_time(120)
    assert world.receivers.delivered(url("one")) == [said]


def test_a_webhook_that_is_removed_while_messages_wait_receives_no_more(world: World) -> None:
    made = world.receiver("one")

    def remove(_asked: Received) -> Outcome:
        world.receivers.answers.clear()
        endpoints.remove(world.store, made.id, world.act("webhook.remove"))
        return OK

    world.receivers.answers[url("one")] = remove
    for flag in "abc":
        world.change(flag)
    world.run()
    assert len(world.receivers.received[url("one")]) == 1
    assert waiting(world) == 0


def test_a_secret_that_is_rotated_while_messages_wait_signs_the_next_of_them(world: World) -> None:
    made = world.receiver("one")

    def rotate(_asked: Received) -> Outcome:
        world.receivers.answers.clear()
        endpoints.rotate(world.store, Unsealed(), made.id, 60.0, world.act("webhook.rotate"))
        world.clock.now += 61.0
        return OK

    world.receivers.answers[url("one")] = rotate
    for flag in "abc":
        world.change(flag)
    world.run()
    (old,) = made.keys(Unsealed(), world.store.tenant, 0.0)
    new, _ = endpoints.find(world.store, made.id).keys(Unsealed(), world.store.tenant, 0.0)
    sent = world.receivers.received[url("one")]
    assert len(sent) >= 3
    for number, one in enumerate(sent):
        stamp, signature = one.fields["webhook-timestamp"], one.fields["webhook-signature"]
        content = json.dumps(one.body, separators=(",", ":"), ensure_ascii=False).encode()
        key = new if number else old
        assert signature == signed(one.fields["webhook-id"], float(stamp), content, [key])["webhook-signature"]


def test_a_webhook_that_another_process_disables_while_messages_wait_receives_no_more(world: World) -> None:
    made = world.receiver("one")

    def disable(_asked: Received) -> Outcome:
        world.receivers.answers.clear()
        act = world.act("webhook.disable")
        endpoints.disable(world.store, endpoints.find(world.store, made.id), "by another", act)
        return OK

    world.receivers.answers[url("one")] = disable
    for flag in "abc":
        world.change(flag)
    world.run()
    assert len(world.receivers.received[url("one")]) == 1
    assert health(world.store, made.id, world.clock.now).counts == {"waiting": 0, "dead": 2}
    endpoints.enable(world.store, made.id, world.act("webhook.enable"))
    said = world.change()
    world.run()
    assert world.receivers.delivered(url("one"))[-1] == said


def test_a_webhook_that_is_added_during_a_pass_misses_no_change_after_it(world: World) -> None:
    world.receiver("one")
    real = world.store.audit_after
    said: list[str] = []

    def meanwhile(after: str, *, limit: int = 200) -> Any:
        if not said:
            endpoints.add(world.store, Unsealed(), endpoints.Wanted(url("two")), world.act("webhook.add"))
            said.append(world.change())
        return real(after, limit=limit)

    world.store.audit_after = meanwhile  # type: ignore[method-assign]
    world.run()
    world.run()
    assert world.receivers.delivered(url("two"))[-1] == said[0]


YEAR = 365 * DAY


@pytest.mark.parametrize("jump", [3_600.0, DAY, YEAR], ids=["an hour", "a day", "a year"])
def test_a_clock_that_was_ahead_and_is_put_back_delays_no_message_by_as_much(world: World, jump: float) -> None:
    """What a process wrote then: a message that waits, one that failed, and the lease of one that died."""
    made = world.receiver("one")
    world.receivers.answers[url("one")] = lambda _asked: DOWN
    world.clock.now += jump
    said = [world.change("a"), world.change("b")]
    world.run()
    assert world.another()._leased(made.id) is not None, "and then it is gone"
    world.clock.now -= jump
    world.receivers.answers.clear()
    said.append(world.change("c"))
    world.pass_time(3 * LEASE_SECONDS)
    assert said[2] in world.receivers.delivered(url("one"))
    world.pass_time(LONGEST_DELAY, step=600.0)
    assert sorted(world.receivers.delivered(url("one"))) == sorted(said)


def test_a_clock_that_jumps_ahead_gives_up_no_message_before_it_was_tried(world: World) -> None:
    world.receiver("one")
    world.outbox._collect(endpoints.listed(world.store))
    said = world.change()
    world.clock.now += YEAR
    world.run()
    assert world.receivers.delivered(url("one")) == [said]


class Failing:
    """A store of which one operation fails: before it is done, or after it, as when an answer is lost."""

    OPERATIONS = frozenset({"audit", "audit_after", "find", "shelf", "keep", "state", "payload", "pointer"})

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._lock = Lock()
        self.fails_at, self.is_done, self.count = -1, False, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in self.OPERATIONS:
            return found

        def operation(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                self.count += 1
                fails = self.count == self.fails_at
            if fails and not self.is_done:
                raise StoreUnavailable("throttled")
            answer = found(*arguments, **options)
            if fails:
                raise StoreUnavailable("its answer was lost")
            return answer

        return operation


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_store_that_fails_at_any_operation_loses_no_message(is_done: bool) -> None:
    """Each is delivered at least once, under one id, and none of a flag before an older one of it."""
    number = 0
    while True:
        number += 1
        with closing(SqliteStore(":memory:")) as real:
            store = Failing(real)
            world = World(cast("Store", store))
            world.receiver("one")
            world.receiver("gone")
            world.receivers.answers[url("gone")] = lambda _asked: Outcome(410)
            said = [world.change(flag) for flag in "aba"]
            store.count, store.fails_at, store.is_done = 0, number, is_done
            for _ in range(4):
                with suppress(StoreUnavailable):
                    world.outbox.step()
                assert world.outbox.settle(60)
                world.clock.now += PAUSE_SECONDS + LEASE_SECONDS
            reached = store.count >= number
            got = world.receivers.received[url("one")]
            of_ours = [one for one in got if one.reason in said]
            assert {one.reason for one in of_ours} == set(said), number
            assert len({(one.reason, one.fields["webhook-id"]) for one in of_ours}) == 3, number
            assert len(of_ours) <= 4, number
            first = [list(dict.fromkeys(one.reason for one in of_ours)).index(one) for one in (said[0], said[2])]
            assert first == sorted(first), number
            gone = next(one for one in endpoints.listed(real) if one.name.startswith("gone"))
            assert gone.disabled_at is not None, number
            assert [one.action for one in real.audit(limit=200)].count("webhook.disable") == 1, number
            assert not real.shelf(Shelf.DELIVERIES), number
        if not reached:
            break
    assert number > 20


def test_an_entry_that_becomes_visible_late_is_not_missed(world: World) -> None:
    """DynamoDB may show the second entry of a transaction before the first."""
    world.receiver("one")
    committed(world.store, audit=[entry(1, "a"), entry(2, "b")])
    real = world.store.audit_after
    hidden = real("")[-2].id

    def partial(after: str, *, limit: int = 200) -> list[object]:
        return [one for one in real(after, limit=limit) if one.id != hidden]

    world.store.audit_after = partial  # type: ignore[method-assign, assignment]
    world.run()
    assert world.receivers.delivered(url("one")) == [entry(2).reason]
    world.store.audit_after = real  # type: ignore[method-assign]
    world.run()
    assert world.receivers.delivered(url("one")) == [entry(2).reason, entry(1).reason]
    world.run(world.another())
    assert len(world.receivers.delivered(url("one"))) == 2


def test_a_position_that_was_lost_sends_nothing_twice(world: World) -> None:
    world.receiver("one")
    world.change()
    world.run()
    world.store.keep([Put(Shelf.OUTBOX, "position", None, blind=True)])
    world.run(world.another())
    assert len(world.receivers.delivered(url("one"))) == 1


def test_what_came_while_there_was_no_webhook_is_not_read_again(world: World) -> None:
    made = world.receiver("one")
    world.change()
    world.run()
    endpoints.remove(world.store, made.id, world.act("webhook.remove"))
    world.clock.now += 3_600
    at = format_time(world.clock.now)
    committed(world.store, audit=[replace(entry(number), at=at) for number in range(500)])
    world.clock.now += 3_600
    world.store.keep([], [world.act("key.create").entry()])
    read: list[int] = []
    real = world.store.audit_after

    def counted(after: str, *, limit: int = 200) -> object:
        found = real(after, limit=limit)
        read.append(len(found))
        return found

    world.store.audit_after = counted  # type: ignore[method-assign, assignment]
    world.receiver("two")
    said = world.change()
    world.run(world.another())
    assert world.receivers.delivered(url("two")) == [said]
    assert sum(read) < 20


def test_a_change_that_comes_while_its_webhook_is_being_looked_at_does_not_wait(world: World) -> None:
    world.receiver("one")
    looked, go_on = Event(), Event()
    real = world.store.shelf

    def slow(shelf: Shelf, prefix: str = "") -> object:
        found = real(shelf, prefix)
        if shelf is Shelf.DELIVERIES and current_thread().name.startswith("webhook") and not looked.is_set():
            looked.set()
            go_on.wait(60)
        return found

    world.store.shelf = slow  # type: ignore[method-assign, assignment]
    world.clock.now += 60
    world.outbox.step()
    assert looked.wait(60)
    said = world.change()
    world.outbox.step()
    go_on.set()
    world.outbox.settle(60)
    world.run()
    assert world.receivers.delivered(url("one")) == [said]
