"""A project to reconcile, and the API of its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.github import Api, github
from support.reconciling import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr("burgee.cli.pull_requests.api.time.sleep", lambda _: None)
    with github() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, api: Api) -> Iterator[Project]:
    made = Project(tmp_path, api)
    yield made
    made.store.close()
