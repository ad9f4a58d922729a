"""What template.yaml makes for webhooks: only when asked, with the rights that the functions use and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from burgee.releases.deploy import CanaryRequest, Consent, apply, write
from burgee.releases.overrides import lay
from burgee.stores import Origin, Tenant
from burgee.stores.audit import AuditContext
from burgee.times import format_time
from burgee.webhooks import endpoints
from burgee.webhooks.background import Background
from burgee.webhooks.endpoints import Wanted
from burgee.webhooks.outbox import Deps
from burgee.webhooks.replaying import Choice, replay
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.sending import Outcome
from support.dynamodb import CREDENTIALS, table_at, wire_url
from support.iam import TABLE, Asked, allows, resources, statements
from support.template import template
from support.webhooks import Clock, Receivers, url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores.dynamodb import DynamoDbStore

KEY = "WebhookKey"
DELIVERS, MANAGES = (statements(resources("template.yaml")[name]) for name in ("DeliverFunction", "ManageFunction"))
MANAGES_WEBHOOKS = [*MANAGES, *statements(resources("template.yaml")["WebhookPolicy"])]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDbStore]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    found = table_at(wire_url(), f"burgee-{uuid4().hex}", Tenant("shop", "production"))
    yield found
    found.close()


def test_nothing_is_made_unless_a_key_is_named() -> None:
    found = template()
    assert found["Parameters"]["WebhookKey"]["Default"] == ""
    made = {name for name, one in found["Resources"].items() if one.get("Condition") == "Delivers"}
    assert made == {"DeliverFunction", "DeliverLogs", "DeliverErrors", "WebhookPolicy"}
    readers = [
        name
        for name, one in found["Resources"].items()
        if any(
            "Stream" in each.get("Properties", {}) for each in one.get("Properties", {}).get("Events", {}).values()
        )
    ]
    assert readers == ["StreamFunction"], "a shard throttles more than two readers"
    assert found["Conditions"]["Streams"]["Or"] == [{"Condition": "HasEventBus"}, {"Condition": "Rings"}]
    assert found["Conditions"]["Rings"]["Or"] == [{"Condition": "Delivers"}, {"Condition": "IsLive"}]


def test_the_functions_may_do_what_they_do_and_the_sender_needs_all_it_may(store: DynamoDbStore) -> None:
    """Every way through the outbox on a real table: deliver, fail, die, 410, replay, expire, end a canary."""
    clock = Clock()
    receivers = Receivers(clock)
    far = store.at(Tenant("shop", "staging"))

    def act(action: str, until: float | None = None) -> AuditContext:
        return AuditContext(action, "ada", "", clock.now, None if until is None else format_time(until))

    def release(consent: Consent | None = None, **flags: Any) -> None:
        snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
        apply(store, snapshot, Origin(), act("release.activate"), consent)

    on = {"status": True}
    release(beta=on)
    managing = table_at(wire_url(), store.table, store.tenant)
    asked = Asked(managing)
    vault = Unsealed()
    one, two, gone = (
        endpoints.add(managing, vault, Wanted(url(name)), act("webhook.add")).endpoint.id
        for name in ("one", "two", "gone")
    )
    receivers.answers[url("two")] = lambda _asked: Outcome(why="no connection")
    receivers.answers[url("gone")] = lambda _asked: Outcome(410)
    sending = table_at(wire_url(), store.table, store.tenant)
    sent = Asked(sending)
    background = Background(sending, Deps(receivers, vault, lambda *_: ["nobody"], clock))
    big = {"status": True, "targets": {"on": [f"{number:064}" for number in range(5_000)]}}
    write(store, lambda state, snapshot: lay(state, snapshot, "beta", big, act("flag.update", clock.now + 60)))
    release(Consent(canary=CanaryRequest(5, 60), overrides="keep"), beta={"status": False})
    for _ in range(40):
        background.step([far.tenant])
        assert background.settle(60)
        clock.now += 3_600
    endpoints.rotate(managing, vault, one, 60, act("webhook.rotate"))
    endpoints.test(managing, one, act("webhook.test"))
    replay(managing, two, Choice(dead=True), act("webhook.replay"))
    endpoints.enable(managing, gone, act("webhook.enable"))
    background.step()
    assert background.settle(60)
    endpoints.remove(managing, two, act("webhook.remove"))
    actions = {entry.action for entry in store.audit(limit=100)}
    assert {"override.expire", "canary.end", "webhook.disable", "webhook.test"} <= actions
    assert sent.refused(DELIVERS) == []
    assert asked.refused(MANAGES_WEBHOOKS) == []
    used = {(action, key.split("#")[2]) for action, key in sent.actions}
    reads = {part for action, part in used if action in {"GetItem", "Query"}}
    for action in ("GetItem", "PutItem", "ConditionCheckItem", "DeleteItem"):
        needed = reads if action == "GetItem" else {part for done, part in used if done == action}
        # What ends together beyond one transaction is written as a blob first; here little does.
        named = {pattern.split("#")[2] for pattern in patterns(action)} - ({"BLOB"} if action == "PutItem" else set())
        assert named == needed, action
    for other in (managing, sending):
        other.close()


def patterns(action: str) -> list[str]:
    """The leading keys that the sender's role names for an action."""
    return [
        pattern
        for statement in DELIVERS
        if f"dynamodb:{action}"
        in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for pattern in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    ]


@pytest.mark.parametrize("partition", ["KEYS", "USE", "REQUESTS", "SETTINGS", "PROPOSALS", "SEEN"])
def test_the_sender_reads_no_keys_and_writes_nothing_that_lets_anyone_in(partition: str) -> None:
    for action in ("GetItem", "Query", "PutItem", "DeleteItem"):
        keys = {"dynamodb:LeadingKeys": [f"shop#production#{partition}"]}
        assert not allows(DELIVERS, f"dynamodb:{action}", TABLE, keys)


def test_the_sender_reaches_no_other_project_and_deletes_only_what_it_sent() -> None:
    for action in ("GetItem", "Query", "PutItem", "ConditionCheckItem", "DeleteItem"):
        for partition in ("STATE", "RELEASES", "DELIVERIES"):
            keys = {"dynamodb:LeadingKeys": [f"blog#production#{partition}"]}
            assert not allows(DELIVERS, f"dynamodb:{action}", TABLE, keys)
    for partition in ("STATE", "AUDIT", "RELEASES", "WEBHOOKS", "DEAD_LETTERS"):
        keys = {"dynamodb:LeadingKeys": [f"shop#production#{partition}"]}
        assert not allows(DELIVERS, "dynamodb:DeleteItem", TABLE, keys)


def test_one_function_encrypts_and_another_decrypts() -> None:
    context, other = ({"kms:EncryptionContext:burgee": f"{project}/production"} for project in ("shop", "blog"))
    assert allows(DELIVERS, "kms:Decrypt", KEY, context)
    assert allows(MANAGES_WEBHOOKS, "kms:Encrypt", KEY, context)
    for granted, action in ((DELIVERS, "kms:Encrypt"), (MANAGES_WEBHOOKS, "kms:Decrypt")):
        assert not allows(granted, action, KEY, context)
    for granted, action in ((DELIVERS, "kms:Decrypt"), (MANAGES_WEBHOOKS, "kms:Encrypt")):
        assert not allows(granted, action, KEY, other)
        assert not allows(granted, action, KEY, {})
    boundary = statements(resources("infra/deploy-role.yaml")["Boundary"])
    arn = "arn:aws:kms:eu-west-1:111111111111:key/1"
    assert allows(boundary, "kms:Decrypt", arn, context)
    assert not allows(boundary, "kms:Decrypt", arn, {})
    assert not allows(boundary, "kms:CreateGrant", arn, context)


def test_the_stream_function_may_put_events_and_nothing_else() -> None:
    (granted,) = statements(resources("template.yaml")["StreamFunction"])
    assert granted["Action"] == "events:PutEvents"
    assert "Environment" not in str(granted)
