"""Generated contexts and the comparison of two engines, for the differential tests of the importers.

`BURGEE_DIFFERENTIAL=200x1000` says how many flags are compared on how many contexts each; the default is small.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.writing import written
from burgee.model import Severity

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from burgee.importers.base import Imported

    Given: TypeAlias = Callable[[dict[str, Any], Mapping[str, Any]], bool]

FLAGS, CONTEXTS = map(int, os.environ.get("BURGEE_DIFFERENTIAL", "40x100").split("x"))

VALUES: dict[str, list[Any]] = {
    "country": ["DE", "FR", "NL", "de", "", "Ünited"],
    "plan": ["free", "pro", "enterprise"],
    "email": ["a@example.com", "b@example.org", "A@EXAMPLE.COM"],
    "age": [-1, 0, 1, 17, 18, 19, 42, 65, 100],
    "score": [0.5, 1.5, 2.25, 99.5, -0.5],
    "beta": [True, False],
    "version": ["1.0.0", "1.2.3", "1.2.4-rc.1", "2.0.0-alpha", "2.0.0", "2.3.1+build.7", "10.0.0", "nonsense"],
    "tags": [[], ["new"], ["new", "vip"], ["vip"]],
    "company": ["acme", "globex", "initech", "hooli", "umbrella"],
}
ODD: dict[str, list[Any]] = {
    "version": ["2", "V2.0.0", "v1.2.3"],
    "country": [5, True],
    "plan": ["PRO", 1],
    "age": ["18", 18.5, True],
    "beta": ["true", 1],
    "company": [7, ""],
}
"""Values of another type than an attribute has: where engines convert, and we do not."""


def context(source: random.Random, number: int) -> dict[str, Any]:
    """A user with most attributes, some null; one in ten contexts has an odd value."""
    made: dict[str, Any] = {name: source.choice(values) for name, values in VALUES.items() if source.random() < 0.8}
    made |= {name: None for name in VALUES if source.random() < 0.03}
    made["user"] = {"name": f"name-{source.randrange(50)}", "level": source.choice([1, 2, 3])}
    if source.random() < 0.1:
        name = source.choice(list(ODD))
        made[name] = source.choice(ODD[name])
    if source.random() < 0.97:
        made["targetingKey"] = f"user-{number}-{source.getrandbits(20)}"
    return made


def odd(name: str, value: Any) -> bool:
    """Whether an attribute has a value of another type than its own."""
    return name in ODD and any(type(value) is type(one) and value == one for one in ODD[name])


@dataclass(slots=True)
class Compared:
    """What came of a comparison: how many answers, and how many differences by the name that explains them."""

    answers: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[Any] = field(default_factory=list)


def imported(made: Imported, folder: Path, reasons: Sequence[str]) -> tuple[Ruleset, list[str]]:
    """What an importer made, through the text that it writes, and the first flags of it.

    What it left out, it left out for one of the reasons.
    """
    path = folder / "flags.yaml"
    path.write_text(written(made, "a test"), encoding="utf-8")
    left_out = [problem.message for problem in made.problems if problem.severity is Severity.ERROR]
    assert [message for message in left_out if not any(reason in message for reason in reasons)] == []
    ruleset = Ruleset(compile_file(path))
    assert ruleset.check() == {}
    assert len(made.flags) >= FLAGS
    return ruleset, list(made.flags)[:FLAGS]


def document(text: str, file: str = "theirs.json") -> Document:
    return Document(file, text.encode())


def compare(
    flags: Mapping[str, dict[str, Any]],
    contexts: Sequence[Mapping[str, Any]],
    ours: Callable[[str, Mapping[str, Any]], Any],
    theirs: Callable[[str, Mapping[str, Any]], Any],
    names: Mapping[str, Given],
) -> Compared:
    """All flags on all contexts. A difference is explained where a named condition is met, and only there."""
    found = Compared()
    for name, flag in flags.items():
        for one in contexts:
            found.answers += 1
            here, there = ours(name, one), theirs(name, one)
            if here != there:
                why = next((title for title, given in names.items() if given(flag, one)), None)
                if why is None:
                    found.unexplained.append((name, flag, one, here, there))
                else:
                    found.explained[why] += 1
    return found
