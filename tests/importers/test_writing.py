"""How an imported file is written."""

from __future__ import annotations

from burgee.flagfile.formatter import formatted
from burgee.importers.base import Imported
from burgee.importers.writing import written, yaml_text
from support.migrate import document

FILE = """\
version: 1
environments: [production]

segments:
  staff:
    when: {email: {ends_with: "@example.com"}}

flags:
  a:
    tags: [web, checkout]
    variants: {red: "#f00", blue: "#00f"}
    rules:
      - name: Staff
        when: {segment: staff, plan: {any_value: [pro, team]}}
        serve: red
    default: {split: {red: 25, blue: 75}}

  b:
    variants:
      small: {limit: 1}
      large: {limit: 2}
    default: {serve: small}
    environments:
      production: {status: on, default: {serve: large}}
"""


def test_what_is_short_is_on_one_line_and_entries_are_apart() -> None:
    assert formatted(yaml_text(document(FILE).value)) == formatted(FILE)


def test_a_long_list_has_a_line_for_each_item_so_that_a_change_is_one_line() -> None:
    ids = [f"account-{number}" for number in range(20)]
    text = yaml_text({"version": 1, "flags": {"a": {"rules": [{"when": {"id": ids}, "serve": "on"}]}}})
    assert text.count("\n") == 2 + 20 + 5 + 1


def test_keys_that_people_rarely_write_are_explained_once() -> None:
    made = Imported(document("{}"))
    split = {"status": "on", "salt": "a.x", "hash": "launchdarkly", "default": {"split": {"on": 1, "off": 1}}}
    made.flags = {"a": dict(split), "b": dict(split)}
    head = written(made, "x.json").partition("version:")[0]
    assert head == (
        "# Imported from 'x.json' by `burgee import`.\n"
        "# `hash` and `salt` keep the variant of every user; remove them when a rollout is over.\n"
    )
