"""What reaches receivers: each change, once each, in order, whatever other receivers do. Time is a test's own."""

from __future__ import annotations

from collections import defaultdict
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind as KeyKind
from burgee.access.keys import create as create_key
from burgee.errors import Refused
from burgee.records import replace
from burgee.releases.deploy import CanaryRequest, Consent, apply, rollback, withdraw, write
from burgee.releases.expiring import Expiry
from burgee.releases.overrides import lay
from burgee.releases.proposals import Edit, create
from burgee.stores import Origin
from burgee.times import format_time
from burgee.webhooks import endpoints
from burgee.webhooks.delivery import DAY, DELAYS
from burgee.webhooks.endpoints import MAX_ENDPOINTS, Kind
from burgee.webhooks.outbox import MAX_WAITING, Deps, Outbox
from burgee.webhooks.replaying import Choice, health, replay
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.sending import Outcome
from support.stores import committed, entry
from support.webhooks import DOWN, OK, Received, World, endpoint_id, url, waiting

if TYPE_CHECKING:
    from burgee.stores.audit import AuditContext


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
