from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

from burgee.access.keys import Scope
from burgee.flagfile.yaml_reader import Document, written
from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from support.keys import act, caller
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

CHECKOUT: dict[str, Any] = {
    "status": True,
    "variants": {"control": "blue", "green": "green"},
    "off_variant": "control",
    "targets": {"green": ["user-1"]},
    "rules": [
        {
            "name": "Germany",
            "when": {"country": "DE"},
            "rollout_percentage": 40,
            "split": {"control": 50, "green": 50},
            "salt": "de-1",
        }
    ],
    "default": {"serve": "control"},
}
FLAGS: dict[str, Any] = {
    "checkout": CHECKOUT,
    "page": {"status": True, "requires": [{"flag": "checkout", "variant": "green"}]},
}
SCOPES = (Scope.READ, Scope.WRITE)


class Effect:
    """An effect as the dialog gets it: in words, and the request that would make it."""

    def __init__(self, client: TestClient, at: str = "effect", **asked: Any) -> None:
        answer = client.post(f"/fragments/flags/checkout/{at}", json=asked)
        assert answer.status_code == 200, answer.text
        self.text = text_of(answer.text)
        self.faults = re.findall(r'<li data-field="([^"]*)"[^>]*>([^<]*)</li>', answer.text)
        found = re.search(r"data-ready([^>]*)>", answer.text)
        members = re.findall(r'data-([a-z]+)="([^"]*)"', found[1]) if found else []
        self.request = {name: unescape(value) for name, value in members}

    def send(self, client: TestClient, **more: Any) -> Any:
        """The request, with what the dialog's fields add."""
        headers = {"If-Match": self.request["etag"], "X-Burgee-Reason": "test"}
        body = {**json.loads(self.request["body"]), **more}
        given: dict[str, Any] = {} if self.request["method"] == "DELETE" else {"json": body}
        return client.request(self.request["method"], self.request["act"], headers=headers, **given)


def test_switching_off_says_who_loses_first_and_then_does_it(client: TestClient) -> None:
    effect = Effect(client, kind="off", mode="now")
    assert effect.text.startswith("Who will move computed, not sampled user-1 loses green.")
    assert '20 % of users matching "Germany" (country = DE) lose green: 1 in 5' in effect.text
    assert "page: user-1 loses on" in effect.text
    assert "Nobody gains anything." in effect.text
    answer = effect.send(client, expires_in="2h")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["source"]) == (False, "override")
    done = text_of(client.get("/fragments/flags/checkout/done").text)
    assert "checkout is off in production “test”, the admin" in done
    assert "in 1 h 59 min" in done or "in 2 h" in done


def test_an_effect_of_something_stale_is_not_made_and_computed_again(client: TestClient, store: SqliteStore) -> None:
    effect = Effect(client, kind="off")
    changed = {**CHECKOUT, "rules": [{**CHECKOUT["rules"][0], "rollout_percentage": 35}]}
    write(store, lambda state, git: lay(state, git, "checkout", changed, act("flag.update")))
    assert effect.send(client).status_code == 412
    again = Effect(client, kind="off", stale=True)
    assert "ada changed this flag just now: “because”. Your change was not made." in again.text
    assert "17.5 % of users matching" in again.text
    assert "It replaces the override by ada (“because”)" in again.text
    assert again.send(client).status_code == 200


def test_who_was_faster_is_named_where_nothing_is_left_to_change(client: TestClient, store: SqliteStore) -> None:
    effect = Effect(client, kind="off")
    write(store, lambda state, git: lay(state, git, "checkout", {**CHECKOUT, "status": False}, act("flag.kill")))
    assert effect.send(client).status_code == 412
    again = Effect(client, kind="off", stale=True)
    assert "ada changed this flag just now: “because”. Your change was not made." in again.text
    assert again.faults == [("", "it is off already")]
    assert "Someone else was faster" not in Effect(client, kind="off").text


def test_taking_back_applies_what_git_says(client: TestClient, store: SqliteStore) -> None:
    write(store, lambda state, git: lay(state, git, "checkout", {**CHECKOUT, "status": False}, act("flag.update")))
    effect = Effect(client, kind="back")
    assert "user-1 gets green" in effect.text
    assert effect.send(client).status_code == 204
    assert not store.state().overrides
    assert "checkout is as Git says" in text_of(client.get("/fragments/flags/checkout/done").text)


def test_a_form_changes_only_what_was_changed_in_it(client: TestClient) -> None:
    same = {"status": "on", "rule.0": "40", "targets.0": "", "targets.1": "user-1", "expires": ""}
    assert Effect(client, kind="form", **same).faults == [("", "nothing is changed yet")]
    effect = Effect(client, kind="form", **{**same, "rule.0": "35 %"})
    assert '2.5 % of users matching "Germany" (country = DE) lose green: 1 in 40' in effect.text
    assert list(json.loads(effect.request["body"])) == ["rules"]
    assert effect.request["act"] == "/flags/checkout"
    assert effect.send(client).json()["rules"][0]["rollout_percentage"] == 35
    more = {**same, "rule.0": "35", "targets.1": "user-1\nuser-9", "expires": "2099-03-01"}
    changed = json.loads(Effect(client, kind="form", **more).request["body"])
    assert changed == {"targets": {"green": ["user-1", "user-9"]}, "expires": "2099-03-01"}


def test_a_field_that_does_not_fit_is_named(client: TestClient) -> None:
    for wrong in ("105", "-1", "x", "1.2345", "nan"):
        faults = Effect(client, kind="form", **{"rule.0": wrong}).faults
        assert faults == [("rule.0", "a share is 0 to 100 %, with up to three decimals")], wrong
    (fault,) = Effect(client, kind="form", expires="soon").faults
    assert "expires" in fault[1]


def test_yaml_is_refused_with_the_line_of_every_fault(client: TestClient) -> None:
    text = written(CHECKOUT)
    assert Document("", text.encode()).value["rules"] == CHECKOUT["rules"]
    assert text.startswith("status: on\n")
    wrong = text.replace("rollout_percentage: 40", "rollout_percentage: 400").replace("serve: control", "serve: pink")
    lines = {
        word: number for number, line in enumerate(wrong.split("\n"), 1) for word in ("400", "pink") if word in line
    }
    found = Effect(client, kind="yaml", yaml=wrong).faults
    assert any(f"line {lines['400']}," in text for _, text in found), found
    broken = Effect(client, kind="yaml", yaml="status: on\n  rules: [").faults
    assert broken[0][0] == "yaml"
    assert "line 2" in broken[0][1]
    unknown = Effect(client, kind="yaml", yaml=text.replace("serve: control", "serve: pink")).faults
    assert any(f"line {lines['pink']}," in text for _, text in unknown), unknown


def test_yaml_that_fits_becomes_the_flag(client: TestClient) -> None:
    effect = Effect(
        client, kind="yaml", yaml=written(CHECKOUT).replace("rollout_percentage: 40", "rollout_percentage: 0")
    )
    assert "20 % of users matching" in effect.text
    assert effect.send(client, expires_in="30m").json()["rules"][0]["rollout_percentage"] == 0


def test_a_proposal_is_made_by_who_may_not_write(store: SqliteStore) -> None:
    proposing = caller(store, Scope.READ, Scope.PROPOSE)
    page = proposing.get("/fragments/flags/checkout/off").text
    assert "Your key may propose only." in page
    effect = Effect(proposing, kind="off", mode="propose")
    assert effect.request["act"] == "/proposals"
    answer = effect.send(proposing, title="Off", reason="errors")
    assert answer.status_code == 201
    done = text_of(proposing.get(f"/fragments/flags/checkout/done?id={answer.json()['id']}").text)
    assert "Proposed: Off “errors”" in done
    assert "Nobody moves until it is merged and released." in done
    assert Effect(proposing, kind="off", mode="now").send(proposing).status_code == 403
    assert proposing.get("/fragments/flags/checkout/back").status_code == 403


def test_who_may_only_kill_switches_off_what_they_name_and_sees_nothing_else(store: SqliteStore) -> None:
    other = act()._replace(author="grace", reason="a secret reason")
    write(store, lambda state, git: lay(state, git, "checkout", {**CHECKOUT, "targets": {}}, other))
    killing = caller(store, Scope.KILL)
    frame = text_of(killing.get("/fragments/frame").text)
    assert "Switch off" in frame
    assert "Release" not in frame
    assert "the admin kill" in frame
    assert 'value="checkout"' in killing.get("/fragments/switch-off?flag=checkout").text
    dialog = killing.get("/fragments/flags/checkout/kill").text
    assert "Propose" not in text_of(dialog)
    effect = Effect(killing, at="kill/effect", kind="yaml", mode="propose", yaml="status: on")
    dry = killing.post("/flags/checkout/kill?dry_run=true", json={"reason": "errors"}).json()
    assert dry["effect"]["flags"][0]["regions"][0]["moves"]
    assert "lose green" in effect.text
    assert "grace" not in effect.text
    assert "secret" not in effect.text
    assert (effect.request["act"], effect.request["body"]) == ("/flags/checkout/kill", "{}")
    assert effect.send(killing, expires_in="30m").json()["status"] is False
    for path in ("flags", "flags/checkout", "flags/checkout/off", "flags/checkout/done", "changes", "find", "keys"):
        assert killing.get(f"/fragments/{path}").status_code == 403, path
    assert killing.get("/fragments/flags/nowhere/kill").status_code == 404


def test_who_reads_and_kills_is_offered_to_switch_off_now(store: SqliteStore) -> None:
    client = caller(store, Scope.READ, Scope.KILL)
    assert 'data-dialog="/fragments/flags/checkout/kill"' in client.get("/fragments/flags/checkout").text
    assert "flags/checkout/kill" in client.post("/fragments/find", json={"q": "off checkout"}).text
    assert (
        "flags/checkout" not in client.post("/fragments/find", json={"q": "change checkout"}).text.split("Flags")[0]
    )
    both = caller(store, Scope.READ, Scope.PROPOSE, Scope.KILL)
    assert "Your key may propose only." not in both.get("/fragments/flags/checkout/off").text
    assert Effect(both, kind="off", mode="now").send(both).json()["status"] is False


def test_a_failed_sign_in_says_what_is_required(store: SqliteStore) -> None:
    answer = caller(store, Scope.PROPOSE).get("/fragments/frame")
    assert answer.status_code == 403
    assert answer.json()["detail"].endswith("the request needs a key that may read or kill")


def test_a_reader_gets_no_dialog(store: SqliteStore) -> None:
    reading = caller(store, Scope.READ)
    for path in ("off", "change", "back"):
        assert reading.get(f"/fragments/flags/checkout/{path}").status_code == 403
    assert reading.post("/fragments/flags/checkout/effect", json={"kind": "off"}).status_code == 403
