"""The comments that docs/effect/ shows, made by the program: a small, a dangerous and a huge change.

`BURGEE_WRITE=1 pytest tests/diff/test_effect_pages.py` writes them again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from burgee.cli.render.diff_markdown import markdown
from burgee.cli.render.diff_report import Comparison, DiffReport
from burgee.diff.effect import effects
from burgee.review.change_findings import ReviewedChange, proofs
from burgee.review.file_findings import size
from burgee.times import parse_time

PAGES = Path(__file__).parents[2] / "docs/effect"
NOW = parse_time("2027-01-01T12:00:00Z")
SEGMENTS = {"eu": {"country": ["DE", "FR", "NL"]}, "staff": {"email": {"ends_with": "@example.com"}}}
CHECKOUT: dict[str, Any] = {
    "owner": "payments",
    "status": True,
    "variants": {"control": "blue", "green": "#0a0", "red": "#a00"},
    "off_variant": "control",
    "targets": {"green": ["ada", "bob"]},
    "rules": [
        {"name": "staff preview", "when": {"segment": "staff"}, "serve": "green"},
        {
            "name": "EU experiment",
            "when": {"segment": "eu", "app_version": {"semver_gte": "2.3.0"}},
            "rollout_percentage": 40,
            "split": {"control": 50, "green": 25, "red": 25},
        },
    ],
    "default": {"serve": "control"},
}
SEARCH: dict[str, Any] = {"status": True, "owner": "search", "rollout_percentage": 5}


def snapshot(flags: dict[str, Any], segments: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "format": 1,
        "environment": "production",
        "flags": flags,
        "segments": segments or SEGMENTS,
        "holdouts": {},
    }


def small() -> tuple[Any, Any]:
    flags = {"checkout_button": CHECKOUT, "beta_search": SEARCH}
    return snapshot(flags), snapshot({**flags, "beta_search": {**SEARCH, "rollout_percentage": 10}})


def dangerous() -> tuple[Any, Any]:
    staff, experiment = CHECKOUT["rules"]
    split = {**experiment, "split": {"control": 25, "green": 25, "red": 50}}
    changed = {
        **CHECKOUT,
        "targets": {"green": ["ada"]},
        "rules": [
            {"name": "Germany first", "when": {"country": ["DE", "FR", "NL"]}, "serve": "control"},
            staff,
            split,
        ],
    }
    banner = {"status": True, "rollout_percentage": 50, "owner": "web"}
    before = {
        "checkout_button": CHECKOUT,
        "beta_search": SEARCH,
        "banner": banner,
        "login": {"status": True, "owner": "id"},
        "sessions": {"status": True, "owner": "id", "requires": [{"flag": "login", "variant": "on"}]},
        "invoices": {"status": True, "owner": "billing", "bucket_by": "company", "rollout_percentage": 30},
    }
    after = {
        **before,
        "checkout_button": changed,
        "banner": {**banner, "rollout_percentage": 60, "salt": "banner-2"},
        "beta_search": {
            **SEARCH,
            "schedule": [
                {"at": "2027-02-01T09:00:00Z", "set": {"rollout_percentage": 50}},
                {"at": "2027-03-01T09:00:00Z", "set": {"rollout_percentage": 0}},
            ],
        },
        "invoices": {**before["invoices"], "bucket_by": "account"},
        "promo": {"status": True, "owner": "web", "salt": "banner-2", "rollout_percentage": 20},
    }
    del after["login"]
    return snapshot(before), snapshot(after, {**SEGMENTS, "staff": {"email": {"ends_with": "@example.org"}}})


def huge() -> tuple[Any, Any]:
    def flag(number: int, share: int) -> dict[str, Any]:
        rules = [{"name": f"plan {plan}", "when": {"plan": plan}, "serve": "on"} for plan in ("pro", "team")]
        made = {"status": True, "owner": f"team-{number % 7}", "rules": rules, "rollout_percentage": share}
        return {**made, "rules": rules[: 1 + share % 2]} if number % 3 else made

    before = {f"area_{number % 20}.flag_{number}": flag(number, 10) for number in range(600)}
    after = {name: flag(number, 25 if number % 5 else 5) for number, name in enumerate(before)}
    return snapshot(before), snapshot(after)


def comment(before: Any, after: Any) -> str:
    found = effects(before, after, NOW)
    change = ReviewedChange(before, after, found, NOW)
    findings = proofs(change, {"promo": "on 2026-05-04"})
    report = DiffReport(found, findings, (size(before), size(after)), change.renames)
    return markdown(Comparison([report]))


@pytest.mark.parametrize("change", [small, dangerous, huge])
def test_the_page_is_what_the_program_says(change: Any) -> None:
    page = PAGES / f"{change.__name__}.md"
    reported = comment(*change())
    if os.environ.get("BURGEE_WRITE"):
        page.parent.mkdir(exist_ok=True)
        page.write_text(reported, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == reported
    assert len(reported) < 65_536
    # Another renderer's opinion: every table is one, and nothing of a cell is left as markup.
    rendered = MarkdownIt("commonmark").enable("table").render(reported)
    assert rendered.count("<table>") == reported.count("\n|---")
    assert rendered.count("<details>") == rendered.count("</details>") == reported.count("<details>")


def test_the_huge_page_says_what_it_leaves_out() -> None:
    assert "more of 600 flags; `burgee diff` shows them all" in (PAGES / "huge.md").read_text(encoding="utf-8")
