"""GitHub's API on loopback, and a repository there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.github import Api, github
from support.runner import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def api() -> Iterator[Api]:
    with github() as running:
        yield running


@pytest.fixture
def repository(tmp_path: Path, api: Api) -> Repository:
    return Repository(tmp_path, api)
