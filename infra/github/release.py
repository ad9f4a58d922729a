"""After the merge: the plan, exactly that plan applied, and both in the job's summary."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from host import ActionError
from inputs import burgee

from burgee.cli.render.markdown import cut, fenced

if TYPE_CHECKING:
    from host import Host
    from inputs import Inputs


LIVE = re.compile(r"^release (\d+) is live(?: \(|$)", re.MULTILINE)


def release(host: Host, inputs: Inputs) -> int:
    """Releases to the environments in their order, and stops at the first that refuses."""
    if not inputs.tables:
        raise ActionError("release needs `table`, the DynamoDB table of the stack")
    if not host.is_newest():
        host.annotate("notice", "a newer commit is on the branch: its own run releases it, and this one does nothing")
        host.put_out("releases", "{}")
        return 0
    live: dict[str, int] = {}
    failed = 0
    for environment in inputs.environments:
        version = _release(host, inputs, environment)
        if version is None:
            failed = 1
            break
        live[environment or "default"] = version
    host.put_out("releases", json.dumps(live))
    return failed


def _release(host: Host, inputs: Inputs, environment: str | None) -> int | None:
    """The version that is live now; None where the release was refused."""
    where = f"`{environment}`" if environment else "flags"
    planned = burgee("plan", "--json", *inputs.store(inputs.flags, environment))
    if not planned.stdout:
        _refused(host, where, planned.stderr)
        return None
    plan = json.loads(planned.stdout)
    if plan["unchanged"] and not plan["overrides"]:
        host.summarise(f"### {where}: nothing to release\n\nRelease {plan['release']} is this file already.\n")
        return int(plan["release"])
    options = ["--plan-digest", plan["digest"], *inputs.insist]
    applied = burgee("apply", *options, *inputs.store(inputs.flags, environment))
    live = LIVE.search(applied.stdout)
    if applied.returncode or live is None:
        output = burgee("plan", *inputs.store(inputs.flags, environment)).stdout
        _refused(host, where, output + applied.stderr)
        return None
    host.summarise(f"### {where}: release {live[1]} is live\n\n{fenced(cut(applied.stdout, 50_000))}")
    host.log_text(applied.stdout)
    return int(live[1])


def _refused(host: Host, where: str, output: str) -> None:
    host.summarise(f"### ❌ {where}: not released\n\n{fenced(cut(output, 50_000))}")
    host.log_text(output)
    host.annotate(
        "error", f"{where}: not released; {output.strip().splitlines()[-1] if output.strip() else 'no answer'}"
    )
