"""A new flag, as a proposal: a template of YAML to begin with, who would get what, and the pull request."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burgee.errors import InvalidFlag, Refused
from burgee.releases.deploy import live
from burgee.releases.overrides import served
from burgee.releases.proposals import Edit, require_admitted
from burgee.web.console.effects import in_sentences
from burgee.web.console.reading import Environment, colours
from burgee.web.console.render import fragment
from burgee.web.console.screens.change import MAX_YAML, Fault, Unfit, located, parsed
from burgee.web.console.words import day
from burgee.web.dry_run import alone
from burgee.web.exchange import Need
from burgee.web.routes.proposals import proposed_effect
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Snapshot
    from burgee.stores import State

router = APIRouter(include_in_schema=False)
Template = Literal["switch", "share", "variants", "values"]
_VARIANTS = """\
status: on
variants: {blue: blue, green: green}
off_variant: blue
rules:
  - {name: staff, when: {staff: true}, serve: green}
default: {serve: blue}
"""
_VALUES = """\
status: on
variants:
  small: {megabytes: 5}
  large: {megabytes: 50}
off_variant: small
default: {serve: small}
"""
FIELDS = ("description", "owner")
"""The keys that have a field of their own, so that no example's words go into Git."""
TEMPLATES: dict[Template, tuple[str, str]] = {
    "switch": ("On or off", "status: off\n"),
    "share": ("For a share of users", "status: on\nrollout_percentage: 5\n"),
    "variants": ("Variants", _VARIANTS),
    "values": ("Values in JSON", _VALUES),
}
"""What a flag may begin as: a title, and its YAML."""


class Wanted(BaseModel):
    """What the dialog asks for; its other fields are the API's."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field("", max_length=255)
    description: str = Field("", max_length=2000)
    owner: str = Field("", max_length=2000)
    yaml: str = Field("", max_length=MAX_YAML)

    def definition(self) -> dict[str, Any]:
        """The flag as typed: the fields, and the YAML for all else. Raises Unfit."""
        fields = {key: typed for key in FIELDS if (typed := getattr(self, key).strip())}
        rest = parsed(self.yaml)
        twice = [Fault(key, "the YAML has it too; leave one of them out") for key in fields if key in rest]
        if twice:
            raise Unfit(*twice)
        return {**fields, **rest}


class _Asked(NamedTuple):
    """The request of the API that proposes the flag."""

    body: Mapping[str, Any]
    act: str = "/proposals"
    method: str = "POST"


@router.get("/fragments/new-flag", **needs(Need.PROPOSE))
def new_flag(
    request: Request, flags: CallerFlags, kind: Annotated[Template, Query(alias="as")] = "switch"
) -> Response:
    """The dialog that proposes a flag."""
    here = Environment(flags.store)
    titles = [(one, title) for one, (title, _) in TEMPLATES.items()]
    return fragment(request, "new_flag", here=here, kind=kind, titles=titles, yaml=TEMPLATES[kind][1])


@router.post("/fragments/new-flag/effect", **needs(Need.PROPOSE))
def show_effect(request: Request, flags: CallerFlags, body: Wanted) -> Response:
    """Who would get what, and the request that proposes it; or what is wrong with what was typed."""
    state, snapshot = live(flags.store)
    name, now = body.name.strip(), time.time()

    def refused(faults: Sequence[Fault]) -> Response:
        return fragment(request, "effect", faults=faults, newest=None, flag=name, now=now)

    try:
        _require_new(name, state, snapshot, now)
        edit = Edit(name, body.definition())
        require_admitted(edit, snapshot)
        with alone():
            records = proposed_effect(edit, state, snapshot, now)
    except Unfit as error:
        return refused(error.faults)
    except InvalidFlag as error:
        named = [Fault("name", one.text) for one in error.faults if len(one.path) == 2 and one.at_key]
        own = [Fault(str(one.path[2]), one.message) for one in error.faults if one.path[2:] and one.path[2] in FIELDS]
        return refused(named or own or located(error, body.yaml))
    except Refused as error:
        if error.code.endswith("-busy"):
            raise
        return refused([Fault("", str(error))])
    coloured = colours(edit.applied(None), now)
    found = in_sentences(records, name, {name: coloured})
    return fragment(
        request,
        "effect",
        faults=[],
        flag=name,
        effect=found,
        asked=_Asked({"flag_name": name, **edit.set}),
        body=json.dumps({"flag_name": name, **edit.set}),
        done=f"/fragments/flags/{name}/done",
        etag=None,
        exposed=False,
        replaced=None,
        newest=None,
        now=now,
    )


def _require_new(name: str, state: State, snapshot: Snapshot, now: float) -> None:
    """Raises Unfit for a name that code may know already."""
    if not name:
        raise Unfit(Fault("", "the flag has no name yet", is_open=True))
    if served(state, snapshot, name, now) is not None or name in snapshot["flags"]:
        raise Unfit(Fault("name", f"there is a flag {name} already"))
    if name in state.retired:
        when = day(state.retired[name])
        raise Unfit(Fault("name", f"a flag of this name was removed on {when}; old code may still ask for it"))
