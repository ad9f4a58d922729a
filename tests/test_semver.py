"""Semantic versions against the specification's own lists."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import yaml

from burgee.semver import parse_version

CASES = yaml.safe_load((Path(__file__).parent / "cases/semver.yaml").read_text(encoding="utf-8"))


def test_versions_are_ordered_as_the_specification_says() -> None:
    versions = [parse_version(text) for text in CASES["ascending"]]
    assert all(version is not None for version in versions)
    for lower, higher in combinations(versions, 2):
        assert lower is not None
        assert higher is not None
        assert lower < higher


@pytest.mark.parametrize("text", CASES["valid"])
def test_valid(text: str) -> None:
    assert parse_version(text) is not None


@pytest.mark.parametrize("text", CASES["invalid"])
def test_invalid(text: str) -> None:
    assert parse_version(text) is None


def test_build_metadata_does_not_count() -> None:
    assert parse_version("1.0.0+a") == parse_version("1.0.0+b") == parse_version("v1.0.0")
