"""`burgee webhooks`, as its users see it, and a running `burgee serve` that sends to a receiver on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook

from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.webhooks.delivery import Delivery, dead_letter
from support.serve import serving
from support.waiting import eventually
from support.webhooks import listening, says

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = """\
version: 1
flags:
  beta: {status: on}
  dark: {status: on}
"""
URL = "https://hooks.example.com/services/secret-path"


@pytest.fixture
def released(burgee: Burgee) -> Burgee:
    burgee.write(FILE)
    assert burgee("apply").code == 0
    return burgee


def added(burgee: Burgee, *arguments: str) -> tuple[str, str]:
    """A webhook's id and its secret."""
    made = burgee("webhooks", "add", URL, "--json", *arguments).json
    return made["id"], made["secret"]


def test_a_webhook_is_added_listed_and_removed(released: Burgee) -> None:
    made = released("webhooks", "add", URL, "--action", "flag.kill", "--reason", "on-call")
    assert made.code == 0, made.err
    assert made.out.startswith("whsec_")
    assert "The secret is not shown again." in made.err
    (one,) = released("webhooks", "list", "--json").json
    listed = released("webhooks", "list").out
    assert f"{one['id']}  standard receives changes" in listed
    assert "https://hooks.example.com  flag.kill  hooks.example.com" in listed
    for text in (listed, json.dumps(one), released("audit").out, released("audit", "--json").out):
        assert "secret-path" not in text
        assert made.out.strip() not in text
    assert "0 wait, 0 dead letters" in released("webhooks", "show", one["id"]).out
    assert released("webhooks", "remove", one["id"]).code == 0
    assert released("webhooks", "list").out.startswith("no webhooks (project default")
    assert [entry["action"] for entry in released("audit", "--json").json["entries"][:2]] == [
        "webhook.remove",
        "webhook.add",
    ]


def test_slack_has_no_secret(released: Burgee) -> None:
    made = released("webhooks", "add", URL, "--slack", "--json").json
    assert (made["kind"], made["secret"]) == ("slack", None)
    refused = released("webhooks", "rotate", made["id"])
    assert (refused.code, "has no secret" in refused.err) == (1, True)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://10.0.0.1/", "https://localhost.localdomain:22/", "ftp://x"]
)
def test_an_address_that_is_not_public_is_refused(released: Burgee, url: str) -> None:
    refused = released("webhooks", "add", url)
    assert (refused.code, refused.err.startswith("burgee: url: ")) == (1, True)
    assert released("webhooks", "list", "--json").json == []


def test_a_secret_is_rotated_with_an_overlap(released: Burgee) -> None:
    key, secret = added(released)
    rotated = released("webhooks", "rotate", key, "--overlap", "2h")
    assert rotated.out.startswith("whsec_")
    assert rotated.out.strip() != secret
    assert "the old secret also signs messages for 2h" in rotated.err
    (one,) = released("webhooks", "list", "--json").json
    assert [each["ends_at"] is None for each in one["secrets"]] == [True, False]


def test_dead_letters_are_shown_and_sent_again(released: Burgee) -> None:
    key, _ = added(released)
    store = SqliteStore(released.folder / ".burgee/state.sqlite", Tenant())
    store.keep([dead_letter(Delivery(key, "1800000000000-000000000000", "beta", 1.8e9, 1.8e9), "answered 500", 4e9)])
    assert (
        "dead   1800000000000-000000000000  beta  ended at 2096-10-02T07:06:40Z  answered 500"
        in released("webhooks", "show", key).out
    )
    assert released("webhooks", "replay", key).code == 2
    assert released("webhooks", "replay", key, "--dead", "--since", "2026-01-01").code == 2
    sent = released("webhooks", "replay", key, "--dead")
    assert sent.out.startswith("1 message to send again (")
    assert "1 wait, 0 dead letters" in released("webhooks", "show", key).out
    store.close()


def test_where_no_dead_letter_is_left_it_says_how_to_send_what_waits(released: Burgee) -> None:
    key, _ = added(released)
    store = SqliteStore(released.folder / ".burgee/state.sqlite", Tenant())
    older, younger = "1800000000000-000000000000", "1800000000001-000000000000"
    store.keep([Delivery(key, one, "beta", 1.8e9, 1.8e9).put() for one in (younger, older)])
    store.close()
    shown = released("webhooks", "show", key).out
    assert f"  waits  {older}  beta  next at 2027-01-15T08:00:00Z\n  waits  {younger}  beta  after {older}\n" in shown
    none = released("webhooks", "replay", key, "--dead")
    assert none.out.startswith("0 messages to send again; 2 still wait: --since sends them now (")
    unknown = released("webhooks", "replay", key, "evt_58bc")
    assert (unknown.code, "give its `data.id`" in unknown.err) == (1, True)


def test_a_test_that_nobody_sends_says_who_would(released: Burgee) -> None:
    key, _ = added(released)
    tried = released("webhooks", "test", key, "--wait", "1s")
    assert (tried.code, "not sent yet; `burgee serve` sends it" in tried.err) == (1, True)


def test_a_webhook_that_is_not_there_is_refused_everywhere(released: Burgee) -> None:
    for command in ("show", "test", "rotate", "enable", "remove"):
        ran = released("webhooks", command, "f" * 16)
        assert (ran.code, "there is no webhook" in ran.err) == (1, True), command


def test_a_table_needs_a_key(released: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BURGEE_WEBHOOK_KEY", raising=False)
    refused = released("webhooks", "add", URL, "--table", "flags", "--env", "default")
    assert (refused.code, "BURGEE_WEBHOOK_KEY" in refused.err) == (2, True)


def test_a_change_from_every_way_in_arrives_signed_and_in_order(released: Burgee) -> None:
    """The API, the command line, a saved file and an expiry, at a receiver that is down at first."""
    file = released.folder / "flags.yaml"
    with listening(says(204)) as (url, posts):
        made = released("webhooks", "add", url, "--json").json
        webhook = Webhook(made["secret"])
        with serving(released.folder, "--local-webhooks") as server:
            assert released("webhooks", "test", made["id"], "--wait", "60s").out.rstrip().endswith(": delivered")
            server.call("/flags/beta/kill", "POST", {"reason": "by the API", "expires_in": "1s"})
            eventually(lambda: any(b'"override.expire"' in post.body for post in posts))
            assert released("kill", "dark", "--reason", "by the command line").code == 0
            eventually(lambda: any(b"by the command line" in post.body for post in posts))
            file.write_text(FILE.replace("beta: {status: on}", "beta: {status: off}"), encoding="utf-8")
            eventually(lambda: any(b'"release.activate"' in post.body for post in posts))
    received = [webhook.verify(post.body, post.fields) for post in posts]
    assert [one["type"] for one in received] == [
        "webhook.add",
        "webhook.test",
        "flag.kill",
        "override.expire",
        "flag.kill",
        "release.activate",
    ]
    ids = [post.fields["webhook-id"] for post in posts]
    assert len(set(ids)) == len(ids)
    log = [entry["id"] for entry in released("audit", "--json").json["entries"]]
    assert [one["data"]["id"] for one in received] == log[::-1][-len(received) :]
