"""Dry runs without a process of their own, which tests/web/test_dry_run.py is about."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from burgee.web.dry_run import answer_to


class Here:
    """Stands for the module `subprocess`: what the process would do is done here."""

    TimeoutExpired = subprocess.TimeoutExpired

    @staticmethod
    def run(command: list[str], *, input: bytes, **_options: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
        return subprocess.CompletedProcess(command, 0, json.dumps(answer_to(json.loads(input))).encode(), b"")
