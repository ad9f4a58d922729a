"""What is live and what was proposed as pull requests, each with the review that its own workflow would wait with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from host import ActionError
from inputs import burgee

from burgee.cli.render.markdown import cut, fenced
from review import review

if TYPE_CHECKING:
    from host import Host
    from inputs import Inputs

OPEN = {"opened", "updated", "unchanged", "left", "outdated"}


def reconcile(host: Host, inputs: Inputs) -> int:
    """Looks at every environment once; 1 where one could not be looked at, while what needs a person is a warning."""
    if not inputs.tables:
        raise ActionError("reconcile needs `table`, the DynamoDB table of the stack")
    if host.is_fork:
        host.annotate("notice", "a fork opens no pull requests of its own for what is live elsewhere")
        return 0
    addresses: list[str] = []
    failed = 0
    for environment in inputs.environments:
        result = _reconciled(host, inputs, environment)
        if result is None:
            failed = 1
            continue
        for pull in result["pull_requests"]:
            if pull["number"] is not None and pull["did"] in OPEN:
                addresses.append(pull["address"])
                if pull["head"] is not None:
                    _reviewed(host, inputs, result["base"], pull)
    host.put_out("pull-requests", json.dumps(addresses))
    return failed


def _reconciled(host: Host, inputs: Inputs, environment: str | None) -> dict[str, Any] | None:
    """What `burgee reconcile` did; None where it could not."""
    where = f"`{environment}`" if environment else "flags"
    every = ["--every", inputs.every] if inputs.every else []
    options = ["--json", "--host", "github", "--branch", host.branch, *every]
    ran = burgee("reconcile", *options, *inputs.store(inputs.flags, environment), token=host.token)
    if not ran.stdout:
        host.summarise(f"### ❌ {where}: not reconciled\n\n{fenced(cut(ran.stderr, 50_000))}")
        host.log_text(ran.stderr)
        host.annotate("error", f"{where}: not reconciled; {(ran.stderr.strip() or 'no answer').splitlines()[-1]}")
        return None
    result: dict[str, Any] = json.loads(ran.stdout)
    lines = [" ".join(filter(None, (f"{pull['branch']}:", *_words(pull)))) for pull in result["pull_requests"]]
    said = "\n".join([*lines, *result["warnings"]]) or "the file says all that is live, and no proposal waits"
    host.summarise(f"### {where}\n\n{fenced(cut(said, 50_000))}")
    host.log_text(said)
    for warning in [
        *result["warnings"],
        *(_needing(pull) for pull in result["pull_requests"] if pull["needs_person"]),
    ]:
        host.annotate("warning", f"{where}: {warning}")
    return result


def _words(pull: dict[str, Any]) -> tuple[str, ...]:
    return pull["did"], pull["note"] and f"({pull['note']})", pull["address"] or ""


def _needing(pull: dict[str, Any]) -> str:
    return f"{pull['address'] or pull['branch']}: {pull['note']}"


def _reviewed(host: Host, inputs: Inputs, base: str, pull: dict[str, Any]) -> None:
    """Reviews a pull request whose commit has no check yet, and gives it one."""
    try:
        if host.is_checked(pull["head"], inputs.check):
            return
        side = {"sha": pull["head"], "repo": {"full_name": host.repository}}
        event = {"pull_request": {"number": pull["number"], "base": {"sha": base}, "head": side}}
        failing = review(replace(host, event=event, commit="", output_file=None), inputs)
        said = "What changes is in the comment of the pull request."
        host.check(pull["head"], inputs.check, said, passes=not failing)
    except ActionError as error:
        host.annotate("warning", f"{pull['address']}: not reviewed (the job needs `checks: write`): {error}")
