"""Prints functions/requirements.txt: what the handlers import, at the locked versions, for Lambda's Python.

SAM's builder reads that file alone. boto3 is left out because Lambda's runtime has it.
"""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = ("fastapi", "google-re2", "jinja2", "mangum", "pydantic", "pyyaml")
LAMBDA = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "extra": "",
}
LOCK = Path(__file__).with_name("requirements.lock")


def locked() -> dict[str, str]:
    """Versions by name in the lock file, those of Lambda's platform."""
    versions: dict[str, str] = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(LAMBDA):
            versions[canonicalize_name(requirement.name)] = re.sub("^==", "", str(requirement.specifier))
    return versions


def closure() -> list[str]:
    """The roots and all that they need, sorted."""
    found: set[str] = set()
    waiting = [Requirement(root) for root in ROOTS]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        needed = map(Requirement, requires(name) or ())
        waiting += [one for one in needed if one.marker is None or one.marker.evaluate(LAMBDA)]
    return sorted(found)


def main() -> None:
    """Prints the file."""
    versions = locked()
    for name in closure():
        print(f"{name}=={versions[name]}")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
