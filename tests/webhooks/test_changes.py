"""Who is affected by a change, from the log and the store alone, held to `burgee diff`'s engine on real writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.effect import effects
from burgee.diff.lines import effect_lines
from burgee.releases.deploy import CanaryRequest, Consent, apply, rollback, write
from burgee.releases.overrides import lay, lift
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.webhooks.changes import served_by
from burgee.webhooks.endpoints import Kind, Wanted, add
from burgee.webhooks.messages import MAX_LINE, MAX_LINES, body, message, message_id
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.slack import slack_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store

NOW = 1_800_000_000.0
ON = {"status": True}
HALF = {"status": True, "rollout_percentage": 50}


@pytest.fixture
def store() -> Iterator[Store]:
    found = SqliteStore(":memory:")
    yield found
    found.close()


def act(action: str) -> AuditContext:
    return AuditContext(action, "ada", "because", NOW)


def release(store: Store, consent: Consent | None = None, **flags: Any) -> None:
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin("c0ffee"), act("release.activate"), consent)


def lines(store: Store, at: int = 0) -> list[str] | None:
    """The words of the newest entry, or of one before it."""
    served = served_by(store, store.audit()[at])
    return None if served is None else effect_lines(effects(served.before, served.after, NOW))


def test_a_release_is_compared_with_the_one_before_it(store: Store) -> None:
    release(store, beta=ON, other=ON)
    assert lines(store) == [
        "beta: nobody loses it",
        "all users: 100 % flag not found → on",
        "other: nobody loses it",
        "all users: 100 % flag not found → on",
    ]
    release(store, beta=HALF, other=ON)
    assert lines(store) == ["beta: some users lose it", "all users: 100 % → 50 % on → off"]
    rollback(store, 1, act("release.rollback"))
    assert lines(store) == ["beta: nobody loses it", "all users: 50 % → 100 % off → on"]


def test_an_override_is_compared_with_what_was_served(store: Store) -> None:
    release(store, beta=ON)
    write(store, lambda state, snapshot: lay(state, snapshot, "beta", {"status": False}, act("flag.kill")))
    assert lines(store) == ["beta: some users lose it", "all users: 100 % on → off"]
    write(store, lambda state, snapshot: lift(state, snapshot, "beta", act("override.clear")))
    assert lines(store) == ["beta: nobody loses it", "all users: 100 % off → on"]


def test_a_deploy_that_absorbs_an_override_changes_nothing_for_its_users(store: Store) -> None:
    release(store, beta=ON)
    write(store, lambda state, snapshot: lay(state, snapshot, "beta", {"status": False}, act("flag.kill")))
    release(store, beta={"status": False}, other=ON)
    assert [one.action for one in store.audit(limit=2)] == ["release.activate", "override.absorb"]
    assert lines(store) == ["other: nobody loses it", "all users: 100 % flag not found → on"]
    assert lines(store, 1) is None or lines(store, 1) == ["nobody sees a change"]


def test_a_release_before_which_the_log_is_too_long_is_not_compared_with_nothing(store: Store) -> None:
    release(store, beta=ON)
    store.keep([], [act("key.create").entry(after={"id": str(number)}) for number in range(200)])
    release(store, beta=HALF)
    assert lines(store) is None


def test_a_canary_says_who_is_first(store: Store) -> None:
    release(store, beta=HALF)
    release(store, Consent(canary=CanaryRequest(5, 600)), beta=ON)
    served = served_by(store, store.audit()[0])
    assert served is not None
    assert served.first == f"for 5 % of users until {format_time(NOW + 600)}, then for everyone"


def test_a_change_of_no_flag_affects_nobody(store: Store) -> None:
    store.keep([], [act("key.create").entry(after={"id": "a"})])
    assert lines(store) is None


def test_a_definition_that_was_left_out_of_the_log_is_not_guessed(store: Store) -> None:
    users = {"on": [f"user-{number}" for number in range(5_000)]}
    wanted = {**ON, "targets": users}
    write(store, lambda state, snapshot: lay(state, snapshot, "beta", wanted, act("flag.update")))
    assert lines(store) is None


def test_users_are_counted_and_not_named(store: Store) -> None:
    release(store, beta={"status": False})
    wanted = {**HALF, "targets": {"on": ["grace@example.com", "alan@example.com"]}}
    write(store, lambda state, snapshot: lay(state, snapshot, "beta", wanted, act("flag.update")))
    found = "\n".join(lines(store) or ())
    assert "2 named users" in found
    assert "example.com" not in found


def test_a_message_is_thin_and_bounded(store: Store) -> None:
    one = AuditContext("flag.kill", "a" * 900, "é" * 900, NOW).entry(flag="beta", before=ON, after={"status": False})
    made = message(store.tenant, one, None, ["x" * 1_000] * 500)
    assert len(body(made)) < 20_000
    assert set(made) == {"type", "timestamp", "data"}
    assert "before" not in made["data"]
    assert len(made["data"]["effect"]) == MAX_LINES + 1
    assert made["data"]["effect"][-1] == "and 480 more"
    assert all(len(line) <= MAX_LINE for line in made["data"]["effect"])


def test_an_id_is_one_tenants_own_and_always_the_same(store: Store) -> None:
    from burgee.stores import Tenant

    ids = {message_id(Tenant(*one), "1-1") for one in (("a", "b"), ("a", "c"), ("a/b", ""), ("a", "b/"))}
    assert len(ids) == 4
    assert message_id(store.tenant, "1-1") == message_id(store.tenant, "1-1")
    assert "." not in "".join(ids), "the specification's separator"


def test_slack_shows_who_why_and_by_which_author_and_nothing_can_be_smuggled_in(store: Store) -> None:
    reason = "see <https://evil.example|here> & <!channel>"
    one = AuditContext("flag.kill", "ada <a@b>", reason, NOW).entry(flag="beta")
    made = slack_message(
        message(store.tenant, one, None, ["beta: some users lose it"]), "https://f.example.com/console"
    )
    assert made["text"] == "beta: killed (default / default)"
    shown = [block.get("text", {}).get("text") or block["elements"][0]["text"] for block in made["blocks"]]
    assert shown == [
        "beta: killed",
        "*Who is affected*\n• beta: some users lose it",
        "*Why*\nsee &lt;https://evil.example|here&gt; &amp; &lt;!channel&gt;",
        f"by ada &lt;a@b&gt; in default / default at {format_time(NOW)}",
        "<https://f.example.com/console/flags/beta|Flag> · <https://f.example.com/console/changes|Changes>",
    ]
    without = slack_message(message(store.tenant, one, None, None), None)
    assert len(without["blocks"]) == 4


@pytest.mark.parametrize(
    "link",
    [
        "https://f.example.com/base",
        "https://f.example.com/base/",
        "https://f.example.com/base/console",
        "https://f.example.com/base/console/flags?q=a",
        "https://f.example.com//base//console/",
    ],
)
def test_the_console_is_found_from_the_address_of_the_service_or_of_a_page_of_it(store: Store, link: str) -> None:
    wanted = Wanted("https://hooks.example.com/", Kind.SLACK, link=link)
    made = add(store, Unsealed(), wanted, AuditContext("webhook.add", "ada", "", NOW)).endpoint
    assert made.link == "https://f.example.com/base/console"


def test_slack_gets_no_section_that_it_would_refuse(store: Store) -> None:
    one = AuditContext("flag.kill", "<" * 900, "<" * 900, NOW).entry(flag="b" * 300)
    made = slack_message(message(store.tenant, one, None, ["<" * 900] * 90), None)
    assert len(made["blocks"]) > 1
    for block in made["blocks"]:
        text = block.get("text", {}).get("text") or block["elements"][0]["text"]
        assert 0 < len(text) <= (150 if block["type"] == "header" else 3_000)
