"""Semantic versions against the specification's own lists."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import pytest
import yaml

from burgee.evaluation.semver import Version, caret, parse_version, tilde

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/semver.yaml").read_text(encoding="utf-8"))


def test_versions_are_ordered_as_the_specification_says() -> None:
    versions = [parse_version(text) for text in CASES["ascending"]]
    assert all(version is not None for version in versions)
    for lower, higher in combinations(versions, 2):
        assert lower is not None
        assert higher is not None
        assert lower < higher


def version(text: str) -> Version:
    parsed = parse_version(text)
    assert parsed is not None
    return parsed


def neighbours(text: str) -> list[str]:
    """Versions on both sides of a bound."""
    major, minor, patch = (int(part) for part in text.partition("-")[0].split("."))
    numbers = [
        (major + a, minor + b, patch + c)
        for a, b, c in product((-1, 0, 1), repeat=3)
        if min(major + a, minor + b, patch + c) >= 0
    ]
    return [f"{a}.{b}.{c}{pre}" for a, b, c in numbers for pre in ("", "-0", "-beta", "-beta.2", "-beta.11", "-rc.1")]


@pytest.mark.parametrize(("written", "low", "below"), CASES["ranges"])
def test_tilde_and_caret_reach_as_far_as_npm_says(written: str, low: str, below: str) -> None:
    first, end = {"~": tilde, "^": caret}[written[0]](version(written[1:]))
    tried = [version(text) for text in {*neighbours(low), *neighbours(below), *CASES["ascending"]}]
    inside = [one for one in tried if version(low) <= one < version(below)]
    assert inside
    assert [one for one in tried if first <= one < end] == inside


@pytest.mark.parametrize("text", CASES["valid"])
def test_valid(text: str) -> None:
    assert parse_version(text) is not None


@pytest.mark.parametrize("text", CASES["invalid"])
def test_invalid(text: str) -> None:
    assert parse_version(text) is None


def test_build_metadata_does_not_count() -> None:
    assert parse_version("1.0.0+a") == parse_version("1.0.0+b") == parse_version("v1.0.0")
