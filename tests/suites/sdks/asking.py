"""Asks a rival's SDK in its own environment, and compares its answers with those of the imported file.

`BURGEE_SDKS` names it: a Python that has the SDKs, or a folder in which npm installed them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.importers.writing import written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.importers.base import Imported

SDKS = os.environ.get("BURGEE_SDKS")
JAVASCRIPT = SDKS is not None and Path(SDKS).is_dir()
SEED = int(os.environ.get("BURGEE_SEED", "20261130"))
FLAGS, CONTEXTS = map(int, os.environ.get("BURGEE_DIFFERENTIAL", "40x100").split("x"))


@dataclass(slots=True)
class Differences:
    """How many answers were compared, and the differences: by what explains them, and those that nothing explains."""

    answers: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[Any] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


USERS = CONTEXTS * 100


def users() -> list[str]:
    """Keys of generated users, some of them beyond ASCII."""
    return [f"user-{number}" + ("", "", "-ü", "-\N{GRINNING FACE}")[number % 4] for number in range(USERS)]


def theirs(engine: str, file: Any, flags: Sequence[str], contexts: Sequence[Any]) -> list[list[Any]]:
    """The answers of an SDK: for each flag a list, in the order of the contexts."""
    assert SDKS is not None
    asked = json.dumps({"file": file, "flags": list(flags), "contexts": list(contexts)})
    program = Path(__file__).with_name("answers.mjs" if JAVASCRIPT else "answers.py")
    command = ["node", str(program), engine] if JAVASCRIPT else [SDKS, "-P", str(program), engine]
    folder = SDKS if JAVASCRIPT else None
    ran = subprocess.run(command, input=asked, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


def ruleset(made: Imported, folder: Path, environment: str | None = None) -> Ruleset:
    """What was imported, through the file that is written."""
    path = folder / "flags.yaml"
    path.write_text(written(made, "a test"), encoding="utf-8")
    found = Ruleset(compile_file(path, environment))
    assert found.check() == {}
    return found


def compare(
    names: Sequence[str],
    contexts: Sequence[tuple[Any, Mapping[str, Any]]],
    there: Sequence[Sequence[Any]],
    here: Callable[[str, Mapping[str, Any]], Any],
    reasons: Mapping[str, Callable[[str, Any], bool]],
) -> Differences:
    """Every answer; contexts are in their form and in ours. A reason explains a difference where it holds."""
    found = Differences()
    for name, answers in zip(names, there, strict=True):
        for (theirs_form, ours_form), answer in zip(contexts, answers, strict=True):
            found.answers += 1
            ours = here(name, ours_form)
            if ours != answer:
                why = next((title for title, holds in reasons.items() if holds(name, theirs_form)), None)
                if why is None:
                    found.unexplained.append((name, theirs_form, ours, answer))
                else:
                    found.explained[why] += 1
    return found
