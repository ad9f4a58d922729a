"""Switching off, changing and taking back: the effect first, then an override or a proposal by the API's routes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burgee.errors import FlagFileError, InvalidFlag, Refused
from burgee.evaluation.definition import rule_name, variants
from burgee.flagfile.fields import Name
from burgee.flagfile.yaml_reader import Document, written
from burgee.releases.deploy import live
from burgee.releases.overrides import killed, lay, lift, served
from burgee.releases.proposals import Edit, find, last_run, require_admitted
from burgee.serving.seen import seen, settled
from burgee.stores.audit import AuditContext
from burgee.times import format_time
from burgee.web.console.effects import in_sentences
from burgee.web.console.reading import Environment, colours
from burgee.web.console.render import fragment
from burgee.web.dry_run import alone
from burgee.web.exchange import Need, exchange_of
from burgee.web.replies import etag_of
from burgee.web.routes.proposals import proposed_effect
from burgee.web.routes.writes import CallerFlags, Flags, needs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Definition, Problem, Snapshot
    from burgee.stores import Change, State

router = APIRouter(include_in_schema=False)
MAX_YAML = 100_000
WATCHED_SECONDS = 30.0
"""How long a dialog looks who answers with a change."""
Kind = Literal["off", "back", "form", "yaml"]
_TITLES: dict[Kind, str] = {"off": "Switch off", "back": "Take the override back", "form": "Change", "yaml": "Change"}


class Wanted(BaseModel):
    """What a dialog asks for. Fields of the form are strings as typed; those of rules and targets end in an index."""

    model_config = ConfigDict(extra="allow")

    kind: Kind
    mode: Literal["now", "propose"] = "now"
    yaml: str = Field("", max_length=MAX_YAML)
    stale: bool = False

    def typed(self, name: str) -> str | None:
        """A field of the form; None if it has none."""
        value = (self.model_extra or {}).get(name)
        return value.strip() if isinstance(value, str) else None


class Fault(NamedTuple):
    """What is wrong with a field: its name, empty for the whole."""

    field: str
    text: str
    is_open: bool = False
    """Nothing is wrong: there is something to type yet."""


class Unfit(Exception):  # noqa: N818 - an expected outcome, shown beside the fields
    """What was typed cannot be a change."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.faults = faults


class FormField(NamedTuple):
    """A field of the form: its name, label, value, and what it takes."""

    name: str
    label: str
    value: str
    help: str = ""
    rows: int = 0


@router.get("/fragments/flags/{flag}/off", **needs(Need.PROPOSE))
def switch_off(request: Request, flags: CallerFlags, flag: Annotated[str, Name]) -> Response:
    """The dialog that switches a flag off."""
    return _dialog(request, flags, flag, "off")


@router.get("/fragments/switch-off", **needs(Need.KILL))
def switch_off_by_name(request: Request, flags: CallerFlags, flag: Annotated[str, Name] = "") -> Response:
    """The page of a caller who may switch off what they can name."""
    return fragment(request, "switch_off", tenant=flags.store.tenant, flag=flag)


@router.get("/fragments/flags/{flag}/kill", **needs(Need.KILL))
def kill(request: Request, flags: CallerFlags, flag: Annotated[str, Name]) -> Response:
    """The dialog that switches a flag off, for a caller who may not propose."""
    return _dialog(request, flags, flag, "off")


@router.post("/fragments/flags/{flag}/kill/effect", **needs(Need.KILL))
def show_effect_of_kill(request: Request, flags: CallerFlags, flag: Annotated[str, Name], body: Wanted) -> Response:
    """Who will move when a flag is switched off now, as the API's dry run of it says."""
    return show_effect(request, flags, flag, body.model_copy(update={"kind": "off", "mode": "now"}))


@router.get("/fragments/flags/{flag}/back", **needs(Need.WRITE))
def take_back(request: Request, flags: CallerFlags, flag: Annotated[str, Name]) -> Response:
    """The dialog that removes an override."""
    return _dialog(request, flags, flag, "back")


@router.get("/fragments/flags/{flag}/change", **needs(Need.PROPOSE))
def change(
    request: Request,
    flags: CallerFlags,
    flag: Annotated[str, Name],
    kind: Annotated[Kind, Query(alias="as")] = "form",
) -> Response:
    """The dialog that changes a flag, by a form or as YAML."""
    return _dialog(request, flags, flag, kind)


def _dialog(request: Request, flags: Flags, flag: str, kind: Kind) -> Response:
    here = Environment(flags.store)
    definition = here.definition(flag)
    if definition is None:
        raise Refused("not-found", f"there is no flag {flag!r}")
    may_act = (Need.KILL if kind == "off" else Need.WRITE) in exchange_of(request).caller.may
    return fragment(
        request,
        "change",
        flag=flag,
        kind=kind,
        title=_TITLES[kind],
        here=here,
        may_act=may_act,
        mode="now" if may_act and kind in {"off", "back"} else "propose",
        fields=_fields(definition) if kind == "form" else [],
        status=bool(definition.get("status")),
        yaml=written(dict(definition)) if kind == "yaml" else "",
    )


def _fields(definition: Definition) -> list[FormField]:
    """The common edits of a definition; the rest is YAML."""
    found = []
    share = definition.get("rollout_percentage")
    if share is not None and not isinstance(share, dict):
        found.append(FormField("rollout_percentage", "Rollout percentage", f"{share:g}", "0 to 100 %"))
    for index, rule in enumerate(definition.get("rules", ())):
        own = rule.get("rollout_percentage")
        if own is not None and not isinstance(own, dict):
            label = f"{rule_name(rule, index)}: rollout percentage"
            found.append(FormField(f"rule.{index}", label, f"{own:g}", "0 to 100 %, three decimals count"))
    targets = definition.get("targets", {})
    for index, variant in enumerate(variants(definition)):
        named = "\n".join(targets.get(variant, ()))
        found.append(FormField(f"targets.{index}", f"Users who always get {variant}", named, "one a line", 2))
    found.append(FormField("expires", "Expires", str(definition.get("expires", ""))[:10], "a day such as 2027-03-01"))
    return found


@router.post("/fragments/flags/{flag}/effect", **needs(Need.PROPOSE))
def show_effect(request: Request, flags: CallerFlags, flag: Annotated[str, Name], body: Wanted) -> Response:
    """Who will move, and the request that makes them; or what is wrong with what was typed."""
    state, snapshot = live(flags.store)
    now = time.time()
    current = served(state, snapshot, flag, now)
    newest = next(iter(flags.store.audit(limit=1, flag=flag)), None) if body.stale else None

    def refused(faults: Sequence[Fault]) -> Response:
        return fragment(request, "effect", faults=faults, newest=newest, flag=flag, now=now)

    try:
        asked = _Asked.of(flag, body, current, snapshot)
        records = _records(flags, asked, state, snapshot, now)
    except Unfit as error:
        return refused(error.faults)
    except InvalidFlag as error:
        return refused(located(error, body.yaml if body.kind == "yaml" else ""))
    except Refused as error:
        if error.code.endswith("-busy"):
            raise
        return refused([Fault("", str(error))])
    here = Environment(flags.store, now)
    found = in_sentences(records, flag, {one["name"]: colours(here.definition(one["name"]), now) for one in records})
    return fragment(
        request,
        "effect",
        faults=[],
        flag=flag,
        effect=found,
        asked=asked,
        etag=None if current is None else etag_of(flags.one(flag)),
        body=json.dumps(asked.body),
        exposed=flag in snapshot.get("exposed", {}),
        replaced=here.override(flag) if asked.mode == "now" and body.kind != "back" else None,
        newest=newest,
        now=now,
    )


class _Asked(NamedTuple):
    """A change and the request of the API that makes it."""

    flag: str
    mode: str
    wanted: Mapping[str, Any] | None
    """The definition to serve; None to apply Git's."""
    keys: Mapping[str, Any]
    """The keys that change, None for those that go."""
    act: str
    method: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, flag: str, body: Wanted, current: Definition | None, snapshot: Snapshot) -> _Asked:
        """What a dialog asks for. Raises Unfit."""
        if body.kind == "back":
            return cls(flag, "now", None, {}, f"/overrides/{flag}", "DELETE", {})
        if current is None:
            raise Unfit(Fault("", "the flag is not served any more; nothing can be changed about it here"))
        git: Definition | None = snapshot["flags"].get(flag)
        base = git if body.kind == "off" and body.mode == "propose" and git is not None else current
        wanted = (
            killed(base) if body.kind == "off" else parsed(body.yaml) if body.kind == "yaml" else _formed(body, base)
        )
        keys = _difference(base, wanted)
        if not keys:
            raise Unfit(
                Fault("", "it is off already" if body.kind == "off" else "nothing is changed yet", is_open=True)
            )
        if body.mode == "propose":
            return cls(flag, "propose", wanted, keys, "/proposals", "POST", {"flag_name": flag, **keys})
        if body.kind == "off":
            return cls(flag, "now", wanted, keys, f"/flags/{flag}/kill", "POST", {})
        return cls(flag, "now", wanted, keys, f"/flags/{flag}", "PUT", keys)

    def edit(self) -> Edit:
        """The edit of the file."""
        given = {key: value for key, value in self.keys.items() if value is not None}
        return Edit(self.flag, given, tuple(key for key in self.keys if key not in given))


def _records(flags: Flags, asked: _Asked, state: State, snapshot: Snapshot, now: float) -> list[dict[str, Any]]:
    """The effect, as a dry run of the request answers."""
    act = AuditContext("flag.update", "-", "-", now)

    def decide(state: State, snapshot: Snapshot) -> Change:
        if asked.method == "DELETE":
            return lift(state, snapshot, asked.flag, act)
        return lay(state, snapshot, asked.flag, asked.wanted, act)

    if asked.mode == "now":
        return flags.effect(decide)
    edit = asked.edit()
    require_admitted(edit, snapshot)
    with alone():
        return proposed_effect(edit, state, snapshot, now)


def _difference(before: Definition, after: Definition) -> dict[str, Any]:
    """The keys that differ, with their new values; None for keys that go."""
    every = dict.fromkeys([*before, *after])
    return {key: after.get(key) for key in every if before.get(key) != after.get(key)}


def parsed(yaml: str) -> dict[str, Any]:
    """The definition in the YAML that was typed. Raises Unfit with every problem and its line."""
    try:
        document = Document("", yaml.encode("utf-8", "surrogatepass"))
    except FlagFileError as error:
        raise _unfit(error.problems) from error
    if document.problems:
        raise _unfit(document.problems)
    value = document.value
    if not isinstance(value, dict):
        raise Unfit(_at(1, 1, "a flag is a mapping of keys, such as `status: on`", None))
    if value.get("status") in {"on", "off"}:
        value["status"] = value["status"] == "on"
    return value


def _unfit(problems: Sequence[Problem]) -> Unfit:
    return Unfit(*(_at(one.place.line, one.place.column, one.message, one.hint) for one in problems))


def _at(line: int, column: int, message: str, hint: str | None) -> Fault:
    return Fault("yaml", f"line {line}, column {column}: {message}{f' ({hint})' if hint else ''}")


def located(error: InvalidFlag, yaml: str) -> list[Fault]:
    """The faults of a definition, each with its line in the YAML, if there is one."""
    if not yaml:
        return [
            Fault("", f"{'.'.join(map(str, fault.path[2:]))}: {fault.text}".removeprefix(": "))
            for fault in error.faults
        ]
    document = Document("", yaml.encode("utf-8", "surrogatepass"))
    found = []
    for fault in error.faults:
        place = document.place(tuple(fault.path[2:]), key=fault.at_key)
        found.append(_at(place.line, place.column, fault.message, fault.hint))
    return sorted(found, key=lambda fault: fault.text)


def _formed(body: Wanted, base: Definition) -> dict[str, Any]:
    """A definition with the fields of the form. Raises Unfit with every field that does not fit."""
    faults: list[Fault] = []
    wanted = dict(base)
    if body.typed("status") in {"on", "off"}:
        wanted["status"] = body.typed("status") == "on"
    _share(body.typed("rollout_percentage"), wanted, "rollout_percentage", faults)
    rules = [dict(rule) for rule in base.get("rules", ())]
    for index, rule in enumerate(rules):
        _share(body.typed(f"rule.{index}"), rule, f"rule.{index}", faults)
    if rules:
        wanted["rules"] = rules
    targets = dict(base.get("targets", {}))
    for index, variant in enumerate(variants(base)):
        typed = body.typed(f"targets.{index}")
        if typed is not None:
            targets[variant] = [line.strip() for line in typed.splitlines() if line.strip()]
    targets = {variant: users for variant, users in targets.items() if users}
    _set(wanted, "targets", targets or None, base)
    expires = body.typed("expires")
    if expires is not None and expires != str(base.get("expires", ""))[:10]:
        _set(wanted, "expires", expires or None, base)
    if faults:
        raise Unfit(*faults)
    return wanted


def _set(wanted: dict[str, Any], key: str, value: Any, base: Definition) -> None:
    if value is None:
        wanted.pop(key, None)
    elif value != base.get(key):
        wanted[key] = value


def _share(typed: str | None, holder: dict[str, Any], field: str, faults: list[Fault]) -> None:
    if typed is None:
        return
    try:
        share = float(typed.removesuffix("%").strip().replace(",", "."))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100 or round(share, 3) != share:
        faults.append(Fault(field, "a share is 0 to 100 %, with up to three decimals"))
    elif share != holder["rollout_percentage"]:
        holder["rollout_percentage"] = int(share) if share == int(share) else share


@router.get("/fragments/flags/{flag}/done", **needs(Need.READ))
def show_done(
    request: Request,
    flags: CallerFlags,
    flag: Annotated[str, Name],
    proposal: Annotated[str, Query(alias="id", max_length=64)] = "",
    since: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """The result of a change: who answers with it, when it ends, and the way back."""
    here = Environment(flags.store)
    made = find(flags.store, proposal) if proposal else None
    run = last_run(flags.store) if made is not None else None
    opens = None if run is None else run.next()
    revision = since or here.state.pointer.revision
    delivered = seen(flags.store, revision, here.now) if made is None and revision else None
    return fragment(
        request,
        "done",
        flag=flag,
        here=here,
        proposal=made,
        opens=None if opens is None else format_time(opens),
        override=here.override(flag),
        is_on=bool((here.sides[1].state(flag) or {}).get("status")),
        delivered=delivered,
        waiting=delivered is not None and not settled(delivered) and here.now - (delivered.at or 0) < WATCHED_SECONDS,
        revision=revision,
    )
