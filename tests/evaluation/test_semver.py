"""Semantic versions against the specification's own lists, and ranges against npm's own answers."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import yaml

from burgee.evaluation.semver import (
    MAX_LENGTH,
    Version,
    in_caret,
    in_tilde,
    parse_version,
    parse_whole_version,
)

FOLDER = Path(__file__).parents[1] / "cases"
CASES = yaml.safe_load((FOLDER / "semver.yaml").read_text(encoding="utf-8"))
NPM = json.loads((FOLDER / "semver-npm.json").read_text(encoding="utf-8"))
"""What tests/clients/semver.mjs wrote: versions in order, each one's order to the next, and those in each range."""


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


def test_versions_are_ordered_as_npm_orders_them() -> None:
    steps = [
        (version(lower) > version(higher)) - (version(lower) < version(higher))
        for lower, higher in pairwise(NPM["ascending"])
    ]
    assert steps == NPM["steps"]
    assert {*steps} == {-1, 0}


@pytest.mark.parametrize("written", NPM["ranges"])
def test_tilde_and_caret_hold_what_npm_says(written: str) -> None:
    check = {"~": in_tilde, "^": in_caret}[written[0]]
    base = version(written[1:])
    assert {one for one in NPM["ascending"] if check(version(one), base)} == set(NPM["ranges"][written])


@pytest.mark.parametrize(("partial", "whole"), CASES["partial"])
def test_missing_numbers_are_zero_in_what_is_compared_and_no_bound_lacks_them(partial: str, whole: str) -> None:
    assert parse_version(partial) == parse_whole_version(whole) == parse_version(whole) is not None
    assert parse_whole_version(partial) is None


@pytest.mark.parametrize("text", CASES["valid"])
def test_valid(text: str) -> None:
    assert parse_version(text) is not None


@pytest.mark.parametrize("text", CASES["invalid"])
def test_invalid(text: str) -> None:
    assert parse_version(text) is None


def test_build_metadata_does_not_count() -> None:
    assert parse_version("1.0.0+a") == parse_version("1.0.0+b") == parse_version("v1.0.0") == parse_version("V1.0.0")


def test_numbers_have_any_number_of_digits_within_the_length_of_a_version() -> None:
    digits = "9" * 240
    assert parse_version(f"1.{digits}.0") == (1, int(digits), 0, version("1.0.0")[3])
    assert version(f"{digits}.0.0") < version(f"1{digits}.0.0-rc") < version(f"1{digits}.0.0")
    assert parse_version("1" * MAX_LENGTH) is not None
    assert parse_version("1" * (MAX_LENGTH + 1)) is None
