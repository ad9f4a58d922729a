"""The grammar of flags.yaml as pydantic models: they parse the file, validate the HTTP API's bodies, and become the
JSON Schema that editors use. Descriptions are for the person who types the key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from burgee.evaluation.definition import SHARE
from burgee.findings import Code, unknown_codes
from burgee.flagfile.condition_grammar import When
from burgee.flagfile.data_sources import DataSource
from burgee.flagfile.experiments import Experiment, Metric
from burgee.flagfile.fields import Name, Part, Percentage, Switch, Text, dump
from burgee.flagfile.flag_grammar import BUCKET_BY_DESCRIPTION, HASH_DESCRIPTION, Attributes, FlagSpec, Hash, Salt


def _finding_code(value: str) -> str:
    if unknown_codes([value]):
        raise PydanticCustomError("unknown-finding", "there is no finding {code}", {"code": repr(value)})
    return value


FindingCode = Annotated[
    str, AfterValidator(_finding_code), WithJsonSchema({"enum": [*sorted(Code), "all"], "type": "string"})
]


class Segment(Part):
    """A named group of users."""

    description: Text | None = Field(None, description="Who the users are.")
    when: When = Field(description="The condition for membership.")
    rollout_percentage: Percentage | None = Field(
        None, description="Share of the users who meet the condition; the others are not in the segment."
    )
    bucket_by: Attributes | None = Field(
        None, description=f"{BUCKET_BY_DESCRIPTION} Without it, a context is not in the share."
    )
    salt: Salt | None = Field(None, description="Hashed with the unit; default: the segment's name.")
    hash_: Hash | None = Field(None, alias="hash", description=HASH_DESCRIPTION)

    @model_validator(mode="after")
    def _of_a_share(self) -> Segment:
        for key, value in (("bucket_by", self.bucket_by), ("salt", self.salt), ("hash", self.hash_)):
            if value is not None and self.rollout_percentage is None:
                message = "without `rollout_percentage` nothing is hashed"
                raise PydanticCustomError("share-missing", message, {"path": (key,)})
        if self.salt == "" and self.hash_ is None:
            raise PydanticCustomError("empty-salt", "this must not be empty", {"path": ("salt",)})
        return self

    def condition(self, name: str) -> dict[str, Any]:
        """The segment as a release holds it, by its name: its condition, with its share."""
        if self.rollout_percentage is None:
            return dict(self.when)
        settings = dump(self)
        share = {key: settings[key] for key in ("rollout_percentage", "bucket_by", "hash") if key in settings}
        return {**self.when, SHARE: {"salt": name if self.salt is None else self.salt, **share}}


class HoldoutSpec(Part):
    """Users excluded from every flag that names it."""

    percentage: Percentage = Field(description="Share of users held out.")
    description: Text | None = Field(None, description="What the holdout measures.")
    experiment: Experiment | None = Field(
        None, description="Compares the users held out with all others, to show what everything together was worth."
    )


class Included(Part):
    """A file named by `include`."""

    version: Literal[1] = Field(1, description="The version of this grammar.")
    segments: dict[Name, Segment] = Field(default_factory=dict, description="Groups of users by name.")
    flags: dict[Name, FlagSpec] = Field(default_factory=dict, description="Flags by name.")
    holdouts: dict[Name, HoldoutSpec] = Field(default_factory=dict, description="Held-out users by name.")
    metrics: dict[Name, Metric] = Field(default_factory=dict, description="What experiments measure, by name.")
    sources: dict[Name, DataSource] = Field(
        default_factory=dict, description="Tables of your own that experiments read, by name."
    )


class AgentLimits(Part):
    """What proposals of agents may change; those of people have no limits."""

    max_share: Percentage | None = Field(
        None, description="The largest share of users, in percent, whose answer a proposal may change."
    )
    losses: Switch = Field(True, description="Whether a proposal may take something away from users.")


class Review(Part):
    """When a review fails a change."""

    fail_on: list[FindingCode] = Field(
        default=[], description="Findings of `burgee lint` and `burgee diff` that fail; `all` but notes."
    )
    stale_after_days: int = Field(
        default=30, ge=1, le=3650, description="After how many unedited days a flag at 0 or 100 % is stale."
    )
    agents: AgentLimits | None = Field(
        default=None, description="Limits of proposals that agents make through `burgee mcp`."
    )


class FlagFile(Included):
    """flags.yaml."""

    version: Literal[1] = Field(description="The version of this grammar.")
    environments: list[Name] = Field(default_factory=list, description="Where flags are served.")
    include: list[str] = Field(default_factory=list, description="Files by glob, relative to this one.")
    review: Review | None = Field(default=None, description="When a review fails a change.")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of flags.yaml, draft 2020-12."""
    schema = _without_nulls(FlagFile.model_json_schema(by_alias=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flags.yaml",
        "description": "Feature flags and A/B tests as Burgee reads them.",
        **{key: value for key, value in schema.items() if key not in {"title", "description"}},
    }


def _without_nulls(schema: Any) -> Any:
    """A schema without null for keys that can be left out."""
    if isinstance(schema, list):
        return [_without_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _without_nulls(item) for key, item in schema.items()}
    if "default" in made and made["default"] is None:
        del made["default"]
        kinds = [kind for kind in made.pop("anyOf", []) if kind != {"type": "null"}]
        made = {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}), **made} if kinds else made
    return made
