from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from burgee.access import key_cache
from burgee.stores.dynamodb import CONFIG
from burgee.web import dry_run
from support.cli import Burgee
from support.dry_runs import Here
from support.formats import load_later
from support.here import answer_here
from support.planted import SEARCH
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

# Hundreds of processes are started from here, and containers often forbid to write byte code: each would compile all
# that it imports, which takes longer than what most of them do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# No example has a deadline, and none is too slow to be made: how busy the machine is decides nothing. All else is
# Hypothesis's own choice, which in CI means the same examples every time.
settings.register_profile("burgee", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("burgee")
load_later()
answer_here()
# A store that has not answered after a moment is not down here: the machine is busy.
key_cache.UNKNOWN_PATIENCE = PATIENCE
CONFIG["read_timeout"] = CONFIG["connect_timeout"] = PATIENCE


@pytest.fixture(scope="session", autouse=True)
def _dry_runs_here() -> Iterator[None]:
    """No process is started for a dry run; a module whose subject that is puts it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dry_run, "subprocess", Here)
        yield


@pytest.fixture
def burgee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Burgee:
    """The command line in a folder of its own, with nothing from the environment."""
    for name in ("BURGEE_ENV", "CI", "GITHUB_ACTIONS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Burgee(tmp_path, monkeypatch, capsys)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test whose output or log records hold what was planted fails."""
    report = yield
    if call.when == "teardown" and report.passed:
        try:
            SEARCH.look("".join(text for _, text in report.sections), f"what {item.name} wrote")
        except AssertionError as error:
            report.outcome, report.longrepr = "failed", str(error)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: the collector looks for garbage among the objects of tests alone."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # or what is left then is reported as leaked


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Workers report to the main process how much they searched."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["searched"] = SEARCH.characters


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: pytest.Session) -> None:
    """Adds what a worker searched."""
    SEARCH.characters += getattr(node, "workeroutput", {}).get("searched", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Reports the search."""
    terminalreporter.write_line(f"{SEARCH.characters:,} characters of logs searched for planted data")
