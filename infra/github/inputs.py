"""What the workflow says, checked, and the command line that does the work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from host import ActionError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
DURATION = re.compile(r"[1-9][0-9]{0,8}[smhd]")
INSISTING = {"--allow-empty", "--allow-shrink", "--reuse", "--overrides=keep", "--overrides=discard"}


@dataclass(frozen=True, slots=True)
class Inputs:
    """None among the environments is the file without one laid over."""

    flags: str
    environments: tuple[str | None, ...]
    tables: Mapping[str | None, str]
    project: str
    fail_on: str
    fail_on_loss: bool
    insist: tuple[str, ...]
    every: str
    check: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Inputs:
        """Reads and checks them."""
        names = environ.get("INPUT_ENVIRONMENTS", "").split()
        for name in names:
            if not NAME.fullmatch(name):
                raise ActionError(f"{name!r} is not an environment's name")
        insist = tuple(environ.get("INPUT_INSIST", "").split())
        for option in insist:
            if option not in INSISTING:
                raise ActionError(f"insist takes {', '.join(sorted(INSISTING))}, not {option!r}")
        every = environ.get("INPUT_EVERY", "")
        if every and not DURATION.fullmatch(every):
            raise ActionError(f"every is such as 15m or 1h, not {every!r}")
        codes = environ.get("INPUT_FAIL_ON", "").replace(",", " ").split()
        for code in codes:
            if not NAME.fullmatch(code):
                raise ActionError(f"{code!r} is not a finding's code")
        environments = tuple(names) or (None,)
        return cls(
            flags=environ.get("INPUT_FLAGS") or "flags.yaml",
            environments=environments,
            tables=_tables(environ.get("INPUT_TABLE", ""), environments),
            project=environ.get("INPUT_PROJECT") or "default",
            fail_on=",".join(codes),
            fail_on_loss=environ.get("INPUT_FAIL_ON_LOSS", "false") == "true",
            insist=insist,
            every=every,
            check=environ.get("INPUT_CHECK") or "review",
        )

    def failing(self) -> list[str]:
        """The option that names findings which fail; what the file names fails anyhow."""
        return ["--fail-on", self.fail_on] if self.fail_on else []

    def store(self, flags: str, environment: str | None) -> list[str]:
        """Options that name a flag file, its environment and what is live."""
        chosen = ["--env", environment] if environment else []
        return ["--flags", flags, *chosen, "--table", self.tables[environment], "--project", self.project]


def _tables(given: str, environments: tuple[str | None, ...]) -> dict[str | None, str]:
    """The table of each environment: one for all, or `staging=TABLE production=TABLE`; empty where none is given."""
    if "=" not in given:
        return dict.fromkeys(environments, given.strip()) if given.strip() else {}
    tables: dict[str | None, str] = {}
    for pair in given.split():
        name, _, table = pair.partition("=")
        if not NAME.fullmatch(name) or not NAME.fullmatch(table):
            raise ActionError(f"table takes a name or ENVIRONMENT=TABLE pairs, not {pair!r}")
        tables[name] = table
    missing = [name or "the file without an environment" for name in environments if name not in tables]
    if missing:
        raise ActionError(f"table names none for {', '.join(missing)}")
    return tables


def burgee(*arguments: str, folder: Path | None = None, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command beside this Python; it has the token only where it is given that."""
    withheld = {"INPUT_TOKEN", "GITHUB_TOKEN", "BURGEE_ENV", "BURGEE_TABLE"}
    environment = {name: value for name, value in os.environ.items() if name not in withheld}
    environment |= {} if token is None else {"GITHUB_TOKEN": token}
    program = Path(sys.executable).parent / "burgee"
    return subprocess.run(  # noqa: S603 - a list, no shell
        [str(program), *arguments], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
