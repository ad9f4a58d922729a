"""What reaches receivers: each change, once each, in order, whatever other receivers do. Time is a test's own."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import closing, suppress
from threading import Event, Lock, current_thread
from typing import TYPE_CHECKING, Any, cast

import pytest

from burgee.access.keys import Kind as KeyKind
from burgee.access.keys import create as create_key
from burgee.errors import Refused, StoreUnavailable
from burgee.records import replace
from burgee.releases.deploy import CanaryRequest, Consent, apply, rollback, withdraw, write
from burgee.releases.expiring import Expiry
from burgee.releases.overrides import lay
from burgee.releases.proposals import Edit, create
from burgee.stores import Origin, Put, Shelf
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.webhooks import endpoints
from burgee.webhooks.delivery import DAY, DELAYS, LONGEST_DELAY
from burgee.webhooks.endpoints import MAX_ENDPOINTS, Kind
from burgee.webhooks.outbox import LEASE_SECONDS, MAX_WAITING, PAUSE_SECONDS, Deps, Outbox
from burgee.webhooks.replaying import Choice, health, replay
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.sending import Outcome
from burgee.webhooks.signing import signed
from support.stores import committed, entry
from support.waiting import eventually
from support.webhooks import DOWN, OK, Received, World, url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store
    from burgee.stores.audit import AuditContext


@pytest.fixture
def world() -> Iterator[World]:
    store = SqliteStore(":memory:")
    found = World(store)
    yield found
    found.receivers.release()
    store.close()


def waiting(world: World) -> int:
    return len(world.store.shelf(Shelf.DELIVERIES))


def test_each_change_is_delivered_once_and_in_order(world: World) -> None:
    world.receiver("one")
    said = [world.change(flag) for flag in ("a", "b", "a", None, "b")]
    world.run()
    world.run()
    assert sorted(world.receivers.delivered(url("one"))) == sorted(said)
    of_a = [one.reason for one in world.receivers.received[url("one")] if one.body["data"]["flag"] == "a"]
    assert of_a == [said[0], said[2]]
    assert waiting(world) == 0


def test_what_was_before_a_webhook_is_not_sent_to_it(world: World) -> None:
    world.change()
    world.receiver("late")
    said = world.change()
    world.run()
    assert world.receivers.delivered(url("late")) == [said]


def test_a_webhook_receives_the_actions_that_it_names(world: World) -> None:
    world.receiver("all")
    world.receiver("kills", actions=("flag.kill", "release"))
    committed(world.store, audit=[entry(1)])
    for number, action in enumerate(("flag.kill", "flag.killed", "release.activate", "releases", "key.create")):
        committed(world.store, audit=[replace(entry(100 + number), action=action)])
    world.run()
    assert [one.body["type"] for one in world.receivers.received[url("kills")]] == ["flag.kill", "release.activate"]
    assert len(world.receivers.received[url("all")]) == 6


def test_a_failing_receiver_is_tried_again_on_the_schedule_and_gets_the_message_once(world: World) -> None:
    world.receiver("one")
    world.receivers.answers[url("one")] = lambda asked: Outcome(500, "answered 500") if asked.at < up else OK
    up = world.clock.now + 9_000
    said = world.change()
    world.run()
    world.pass_time(20_000, step=5.0)
    attempts = [one.at - world.receivers.received[url("one")][0].at for one in world.receivers.received[url("one")]]
    expected = [0.0, DELAYS[0], sum(DELAYS[:2]), sum(DELAYS[:3]), sum(DELAYS[:4])]
    assert attempts == pytest.approx(expected, abs=30)
    assert world.receivers.delivered(url("one")) == [said]
    assert len({one.fields["webhook-id"] for one in world.receivers.received[url("one")]}) == 1
    times = [int(one.fields["webhook-timestamp"]) for one in world.receivers.received[url("one")]]
    assert times == sorted(set(times)), "the time is that of the attempt"


def test_a_younger_message_waits_for_the_older_one_of_its_flag_and_of_no_other(world: World) -> None:
    world.receiver("one")
    poison = world.change("a")
    world.receivers.answers[url("one")] = lambda asked: Outcome(500) if asked.reason == poison else OK
    younger, other = world.change("a"), world.change("b")
    world.run()
    world.pass_time(3_600)
    assert world.receivers.delivered(url("one")) == [other]
    world.pass_time(DAY)
    assert world.receivers.delivered(url("one")) == [other, younger]
    (dead,) = health(world.store, endpoints.listed(world.store)[0].id, world.clock.now).dead
    assert dead["why"] == ""
    assert dead["flag"] == "a"


def test_of_ten_receivers_one_is_dead_for_a_day_and_the_others_do_not_notice(world: World) -> None:
    """A change every ten minutes; the dead one has its messages as dead letters, all others theirs at once."""
    names = [f"r{number}" for number in range(10)]
    for name in names:
        world.receiver(name)
    world.receivers.answers[url("r3")] = lambda _asked: DOWN
    flags = ["a", "b", "c"]
    said: dict[str, list[str]] = defaultdict(list)
    made_at = {}
    for turn in range(144):
        flag = flags[turn % 3]
        said[flag].append(world.change(flag))
        made_at[said[flag][-1]] = world.clock.now
        world.run()
        world.pass_time(600, step=300)
    everything = sorted(made_at)
    for name in names:
        got = world.receivers.received[url(name)]
        if name == "r3":
            assert not world.receivers.delivered(url(name))
            continue
        assert sorted(one.reason for one in got) == everything, "each exactly once"
        assert all(one.at == made_at[one.reason] for one in got), "in the pass in which it was made"
        for flag in flags:
            assert [one.reason for one in got if one.body["data"]["flag"] == flag] == said[flag]
    world.pass_time(2 * DAY, step=900)
    dead = next(one for one in endpoints.listed(world.store) if one.name == "r3")
    assert health(world.store, dead.id, world.clock.now).counts == {"waiting": 0, "dead": 144}
    world.receivers.answers.pop(url("r3"))
    assert replay(world.store, dead.id, Choice(dead=True), world.act("webhook.replay")) == 144
    world.run()
    assert sorted(world.receivers.delivered(url("r3"))) == everything
    accepted = world.receivers.delivered(url("r3"))
    for flag in flags:
        assert [reason for reason in accepted if reason in said[flag]] == said[flag]
    assert health(world.store, dead.id, world.clock.now).counts == {"waiting": 0, "dead": 0}


def test_a_receiver_that_hangs_holds_up_no_other(world: World) -> None:
    world.receiver("stuck")
    world.receiver("fine")
    held = world.receivers.hanging[url("stuck")] = Event()
    said = []
    for _ in range(3):
        said.append(world.change())
        world.outbox.step()
        assert world.outbox._sending[endpoint_id(world, "fine")].result(60) is None
        world.clock.now += 1
    assert world.receivers.delivered(url("fine")) == said
    assert url("stuck") not in world.receivers.received
    held.set()
    world.outbox.settle(60)
    world.run()
    assert world.receivers.delivered(url("stuck")) == said


def endpoint_id(world: World, name: str) -> str:
    return next(one.id for one in endpoints.listed(world.store) if one.name == name)


def test_a_receiver_that_comes_back_gets_all_that_waited_in_one_pass(world: World) -> None:
    world.receiver("one")
    world.receivers.answers[url("one")] = lambda _asked: DOWN
    said = [world.change(f"flag-{number % 7}") for number in range(50)]
    world.run()
    assert len(world.receivers.received[url("one")]) == 1, "one that does not answer is asked once in a pass"
    world.pass_time(600)
    world.receivers.answers.pop(url("one"))
    world.pass_time(40_000, step=600)
    assert sorted(world.receivers.delivered(url("one"))) == sorted(said)


def test_gone_disables_and_keeps_what_waited_as_dead_letters(world: World) -> None:
    made = world.receiver("one")
    world.receiver("other")
    world.receivers.answers[url("one")] = lambda _asked: Outcome(410, "answered 410")
    said = [world.change(), world.change(), world.change("b")]
    world.run()
    assert len(world.receivers.received[url("one")]) == 1
    found = endpoints.find(world.store, made.id)
    assert (found.disabled_why, waiting(world)) == ("it answered 410 Gone", 0)
    assert health(world.store, made.id, world.clock.now).counts == {"waiting": 0, "dead": 3}
    assert next(one for one in world.store.audit() if one.action == "webhook.disable").actor == "burgee"
    world.change()
    world.run()
    assert len(world.receivers.received[url("one")]) == 1
    types = [one.body["type"] for one in world.receivers.received[url("other")]]
    assert types.count("webhook.disable") == 1, "other receivers are notified"
    world.receivers.answers.pop(url("one"))
    endpoints.enable(world.store, made.id, world.act("webhook.enable"))
    assert replay(world.store, made.id, Choice(dead=True), world.act("webhook.replay")) == 3
    world.run()
    delivered = [one.reason for one in world.receivers.received[url("one")][1:]]
    assert sorted(one for one in delivered if one in said) == said


def test_a_receiver_says_when_to_come_again(world: World) -> None:
    world.receiver("one")
    world.receivers.answers[url("one")] = lambda asked: Outcome(429, "", 3_600) if asked.at < begin + 60 else OK
    begin = world.clock.now
    world.change()
    world.run()
    world.pass_time(3_500)
    assert len(world.receivers.received[url("one")]) == 1
    world.pass_time(300)
    assert len(world.receivers.delivered(url("one"))) == 1


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


def test_a_test_goes_to_one_webhook_and_says_so(world: World) -> None:
    world.receiver("one", actions=("release",))
    world.receiver("two")
    world.run()
    before = len(world.receivers.received.get(url("two"), []))
    endpoints.test(world.store, endpoint_id(world, "one"), world.act("webhook.test"))
    world.run()
    (sent,) = world.receivers.received[url("one")]
    assert sent.body["type"] == "webhook.test"
    assert len(world.receivers.received.get(url("two"), [])) == before


def test_a_test_waits_for_no_message_that_failed(world: World) -> None:
    made = world.receiver("one")
    poison = world.change(None)
    world.receivers.answers[url("one")] = lambda asked: Outcome(500) if asked.reason == poison else OK
    world.run()
    endpoints.test(world.store, made.id, world.act("webhook.test"))
    world.run()
    assert world.receivers.received[url("one")][-1].body["type"] == "webhook.test"
    world.receivers.answers[url("one")] = lambda _asked: Outcome(500)
    failing = endpoints.test(world.store, made.id, world.act("webhook.test"))
    world.run()
    (shown,) = (one for one in health(world.store, made.id, world.clock.now).waiting if one["message"] == failing)
    assert (shown["flag"], shown["attempts"]) == (None, 1)
    world.receivers.answers.clear()
    endpoints.test(world.store, made.id, world.act("webhook.test"))
    world.run()
    assert world.receivers.received[url("one")][-1].outcome == OK, "nor for another test"


def test_messages_are_sent_again_by_id_and_since_a_time(world: World) -> None:
    made = world.receiver("one")
    said = [world.change(f"flag-{number}") for number in range(3)]
    world.run()
    ids = [one.body["data"]["id"] for one in world.receivers.received[url("one")]]
    first = world.receivers.received[url("one")][0].fields["webhook-id"]
    assert replay(world.store, made.id, Choice(messages=[ids[0]]), world.act("webhook.replay")) == 1
    world.run()
    again = world.receivers.received[url("one")][3]
    assert (again.reason, again.fields["webhook-id"]) == (said[0], first)
    assert replay(world.store, made.id, Choice(since=0.0), world.act("webhook.replay")) == 4
    world.run()
    assert len(world.receivers.delivered(url("one"))) == 8


def test_what_waits_for_one_webhook_is_bounded_and_the_rest_are_dead_letters(world: World) -> None:
    made = world.receiver("one")
    world.receivers.answers[url("one")] = lambda _asked: DOWN
    committed(world.store, audit=[entry(number) for number in range(MAX_WAITING + 5)])
    world.run()
    assert health(world.store, made.id, world.clock.now).counts == {"waiting": MAX_WAITING, "dead": 5}


def test_a_removed_webhook_leaves_nothing_that_waits(world: World) -> None:
    made = world.receiver("one")
    world.receivers.answers[url("one")] = lambda _asked: DOWN
    for _ in range(3):
        world.change()
    world.run()
    assert waiting(world) == 3
    endpoints.remove(world.store, made.id, world.act("webhook.remove"))
    assert waiting(world) == 0
    world.pass_time(600)


def test_slack_gets_blocks_and_no_signature(world: World) -> None:
    world.receiver("slack", Kind.SLACK)
    seen: list[Received] = []
    world.receivers.answers[url("slack")] = lambda asked: seen.append(asked) or OK  # type: ignore[func-returns-value]
    world.change()
    world.run()
    (sent,) = seen
    assert {"text", "blocks"} == set(sent.body)
    assert not any(name.startswith("webhook-") for name in sent.fields)


def test_nothing_personal_is_logged(world: World) -> None:
    world.receiver("one")
    world.change()
    world.run()
    assert world.logged
    for line in world.logged:
        assert not any(word in line for word in ("ada", "because", "example.com", "beta"))


def test_every_webhook_that_there_may_be_fits_into_one_transaction(world: World) -> None:
    for number in range(MAX_ENDPOINTS):
        world.receiver(f"r{number}")
    world.change()
    world.run()
    assert all(world.receivers.delivered(url(f"r{number}")) for number in range(MAX_ENDPOINTS))


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


def test_an_entry_that_cannot_be_explained_is_sent_without_words_and_stops_nothing(world: World) -> None:
    world.receiver("one")

    def broken(*_arguments: object) -> list[str]:
        raise KeyError("a fault of ours")

    deps = Deps(world.receivers, Unsealed(), broken, world.clock, log=world.logged.append)
    said = [world.change(), world.change()]
    world.run(Outbox(world.store, deps))
    assert world.receivers.delivered(url("one")) == said
    assert [one.body["data"]["effect"] for one in world.receivers.received[url("one")]] == [None, None]


def test_an_effect_that_takes_too_long_is_said_to(world: World) -> None:
    world.receiver("one")

    def slow(*_arguments: object) -> list[str]:
        raise Refused("dry-run-too-large", "the effect takes more than 8 s")

    committed(world.store, audit=[replace(entry(1, "beta"), action="flag.kill", after={"status": False})])
    world.run(Outbox(world.store, Deps(world.receivers, Unsealed(), slow, world.clock)))
    (sent,) = world.receivers.received[url("one")]
    assert sent.body["data"]["effect"] == ["who is affected could not be computed: the effect takes more than 8 s"]


def test_while_nothing_waits_nothing_is_written(world: World) -> None:
    """Each minute of each webhook would cost a write."""
    world.receiver("one")
    world.change()
    world.run()
    world.store.keep = lambda *_arguments: pytest.fail("something was written")  # type: ignore[method-assign]
    for outbox in (world.outbox, world.another()):
        world.clock.now += 3_600
        world.run(outbox)


def test_a_change_is_sent_whichever_way_it_came_in(world: World) -> None:
    """A deploy, a canary, its alarm and its end, a rollback, a kill and its expiry, a proposal, a key."""
    world.receiver("one")
    store, on = world.store, {"status": True}

    def act(action: str, seconds: float | None = None) -> AuditContext:
        until = None if seconds is None else format_time(world.clock.now + seconds)
        return world.act(action)._replace(reason=action, until=until)

    def release(consent: Consent | None = None, **flags: Any) -> None:
        snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
        apply(store, snapshot, Origin(), act("release.activate"), consent)

    release(a=on)
    canary = Consent(canary=CanaryRequest(5, 60))
    release(canary, a={"status": False})
    withdraw(store, act("release.withdraw"), world.clock.now + 1)
    release(canary, a={"status": False})
    world.clock.now += 61
    Expiry(store).step(world.clock.now)
    rollback(store, 1, act("release.rollback"))
    write(store, lambda state, snapshot: lay(state, snapshot, "a", {"status": False}, act("flag.kill", 60)))
    world.clock.now += 61
    Expiry(store).step(world.clock.now)
    create(store, Edit("a", {"owner": "web"}), "", act("proposal.create"))
    create_key(store, KeyKind.SERVER, "shop", act("key.create"))
    world.run()
    sent = [one.body["type"] for one in world.receivers.received[url("one")]]
    expected = [entry.action for entry in reversed(store.audit()) if entry.action != "webhook.add"]
    assert sorted(sent) == sorted(expected)
    assert set(sent) == {
        "release.activate",
        "release.withdraw",
        "canary.end",
        "release.rollback",
        "flag.kill",
        "override.expire",
        "proposal.create",
        "key.create",
    }
