"""The grammar of a flag in flags.yaml: its definition, and what an environment, a schedule or a test adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from burgee.evaluation.pinned_hashes import PINNED
from burgee.flagfile.condition_grammar import When
from burgee.flagfile.experiments import Experiment
from burgee.flagfile.fields import Name, Number, Part, Percentage, Switch, Text, Time, dump, shown, three_decimals
from burgee.flagfile.guards import Guard
from burgee.flagfile.value_schemas import ValueSchema
from burgee.numeric import is_number
from burgee.times import parse_time

if TYPE_CHECKING:
    from burgee.model import Definition


def _status(value: Any) -> Any:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


def _weight(value: float) -> float:
    if not 0 <= value <= 1_000_000:
        raise PydanticCustomError("weight-range", "{value} is not between 0 and 1,000,000", {"value": value})
    return three_decimals(value)


def _split(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise PydanticCustomError("no-weight", "at least one weight must be above zero", {})
    return weights


def _one_number_type(variants: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers beside fractions become floats: typed clients expect one type per flag."""
    if not all(map(is_number, variants.values())) or not any(isinstance(value, float) for value in variants.values()):
        return variants
    for name, value in variants.items():
        if float(value) != value:
            message = "{found} has too many digits for a float, and it stands beside fractions: quote them all"
            raise PydanticCustomError("inexact-number", message, {"found": value, "path": (name,)})
    return {name: float(value) for name, value in variants.items()}


def _hash(value: str) -> str:
    if value not in PINNED:
        words = {"found": repr(value), "known": ", ".join(PINNED)}
        raise PydanticCustomError("unknown-hash", "{found} is none of {known}", words)
    return value


def _attributes(value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        message = "an attribute is needed here, or a list of attributes, not {found}"
        raise PydanticCustomError("attribute-expected", message, {"found": shown(value)})
    if len(set(names)) < len(names):
        raise PydanticCustomError("attribute-twice", "name an attribute once", {})
    return value


def _variants(value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) for name in names):
        message = "a variant is needed here, or a list of variants, not {found}"
        raise PydanticCustomError("variant-expected", message, {"found": shown(value)})
    return value


def _ranges(ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    last = 0.0
    for variant, (start, end) in sorted(ranges.items(), key=lambda item: item[1]):
        if end <= start:
            raise PydanticCustomError("range-backwards", "the range must end above its start", {"path": (variant,)})
        if start < last:
            message = "this range begins before another ends"
            raise PydanticCustomError("range-overlap", message, {"path": (variant,)})
        last = end
    return ranges


Status = Annotated[
    bool,
    Field(strict=True),
    BeforeValidator(_status),
    WithJsonSchema({"enum": [True, False, "on", "off"]}),
]
Weight = Annotated[Number, AfterValidator(_weight), WithJsonSchema({"type": "number", "minimum": 0})]
Salt = Annotated[str, Field(max_length=255)]
Hash = Annotated[str, AfterValidator(_hash), WithJsonSchema({"enum": list(PINNED)})]
Split = Annotated[dict[str, Weight], Field(min_length=1), AfterValidator(_split)]
Ranges = Annotated[dict[str, tuple[Percentage, Percentage]], Field(min_length=1), AfterValidator(_ranges)]
_NAMES = {
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}
Attributes = Annotated[Any, BeforeValidator(_attributes), WithJsonSchema(_NAMES)]
Variants = Annotated[Any, BeforeValidator(_variants), WithJsonSchema(_NAMES)]
User = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(min_length=1),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1}),
]
Variant = Annotated[str, Field(min_length=1, max_length=255)]
MAX_METADATA = 50
RESERVED_METADATA = frozenset({"version", "digest", "commit", "owner", "rule", "bucket", "below", "hashed"})


def _scalar(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("scalar-expected", "a string, a number, true or false is needed here", {})
    return value


def _metadata(values: dict[str, Any]) -> dict[str, Any]:
    for name in values:
        if name in RESERVED_METADATA:
            message = "every answer already has `{name}`; use another name"
            raise PydanticCustomError("reserved-metadata", message, {"name": name, "path": (name,)})
    return values


Scalar = Annotated[Any, BeforeValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Metadata = Annotated[dict[Variant, Scalar], Field(max_length=MAX_METADATA), AfterValidator(_metadata)]
BUCKET_BY_DESCRIPTION = "The attribute to bucket on instead of the targeting key; of a list, the first that is there."
_WITHOUT_UNIT = "The variant of contexts without the attribute to bucket on, or"
HASH_DESCRIPTION = "Another engine's hash for shares and arms, so that a migration moves no users."


class RampSpec(Part):
    """A percentage that grows over time."""

    from_: Percentage = Field(alias="from", description="The percentage until `start`.")
    to: Percentage = Field(description="The percentage from `end` on.")
    start: Time = Field(description="When the ramp begins.")
    end: Time = Field(description="When the ramp ends.")

    @model_validator(mode="after")
    def _forward(self) -> RampSpec:
        if parse_time(self.end) <= parse_time(self.start):
            raise PydanticCustomError("ramp-order", "`end` must be after `start`", {"path": ("end",)})
        return self


Rollout = Annotated[
    Annotated[Percentage, Tag("(percentage)")] | Annotated[RampSpec, Tag("(ramp)")],
    Discriminator(lambda value: "(ramp)" if isinstance(value, (dict, RampSpec)) else "(percentage)"),
]


class ServeOrSplit(Part):
    """What is served: one variant, or a split over several."""

    serve: str | None = Field(None, description="The variant to serve.")
    split: Split | None = Field(None, description="Weights by variant; shares of their sum, in this order.")
    ranges: Ranges | None = Field(
        None, description="From and to by variant, in percent; users between two ranges get none of them."
    )

    @model_validator(mode="after")
    def _one(self) -> ServeOrSplit:
        given = [key for key in ("serve", "split", "ranges") if getattr(self, key) is not None]
        if len(given) > 1:
            words = {"first": given[0], "other": given[1], "path": (given[1],)}
            raise PydanticCustomError("serve-and-split", "write `{first}` or `{other}`, not both", words)
        return self


class Requirement(Part):
    """Another flag that must serve a certain variant, or one of several; or must not."""

    flag: str = Field(description="The other flag.")
    variant: Variants | None = Field(None, description="The variant that it must serve, or a list of them.")
    not_variant: Variants | None = Field(None, description="The variant that it must not serve, or a list of them.")

    @model_validator(mode="after")
    def _one(self) -> Requirement:
        if self.variant is not None and self.not_variant is not None:
            message = "write `variant` or `not_variant`, not both"
            raise PydanticCustomError("variant-twice", message, {"path": ("not_variant",)})
        if self.variant is None and self.not_variant is None:
            raise PydanticCustomError("variant-missing", "`variant` is needed here, or `not_variant`", {})
        return self


class RuleSpec(ServeOrSplit):
    """Serves users who meet its condition."""

    name: str | None = Field(
        None, min_length=1, max_length=255, description="The rule's name in reviews and answers."
    )
    when: When = Field(description="The users that the rule applies to.")
    start: Time | None = Field(None, description="The rule is in force from then on; default: always.")
    end: Time | None = Field(None, description="The rule is no longer in force from then on; default: never.")
    rollout_percentage: Rollout | None = Field(
        None, description="Share of the matching users; the rest fall through to the next rule."
    )
    bucket_by: Attributes | None = Field(None, description=f"{BUCKET_BY_DESCRIPTION} Default: the flag's.")
    without_unit: Variant | None = Field(
        None, description=f"{_WITHOUT_UNIT} `next` for the next rule. Default: the flag's."
    )
    salt: Salt | None = Field(None, description="Makes this rule's shares independent of the flag's other shares.")
    hash_: Hash | None = Field(None, alias="hash", description=f"{HASH_DESCRIPTION} Default: the flag's.")
    requires: list[Requirement] | None = Field(
        None, description="Other flags that must serve certain variants; otherwise the next rule decides."
    )
    guard: Guard | None = Field(None, description="Raises the rule's `rollout_percentage` step by step.")

    @model_validator(mode="after")
    def _in_order(self) -> RuleSpec:
        if self.start is not None and self.end is not None and parse_time(self.end) <= parse_time(self.start):
            raise PydanticCustomError("rule-order", "`end` must be after `start`", {"path": ("end",)})
        return self


class LayerSpec(Part):
    """A share of a layer: experiments in one layer exclude each other."""

    name: Name = Field(description="The layer; all flags that name it share its users.")
    range: tuple[Percentage, Percentage] = Field(description="From and to, in percent of the layer's users.")

    @model_validator(mode="after")
    def _forward(self) -> LayerSpec:
        if self.range[1] <= self.range[0]:
            raise PydanticCustomError("layer-range", "the range must end above its start", {"path": ("range",)})
        return self


class DecidingKeys(Part):
    """The keys that decide what is served; an environment or a schedule may override them."""

    status: Status | None = Field(None, description="`on` or `off`; off serves the off variant to everyone.")
    rollout_percentage: Rollout | None = Field(
        None, description="Share of users, 0 to 100 with up to three decimals, who get the default."
    )
    variants: Annotated[dict[Variant, Any], Field(min_length=1), AfterValidator(_one_number_type)] | None = Field(
        None, description="Values by name, all of one type; without it the flag is boolean, `on` and `off`."
    )
    off_variant: str | None = Field(None, description="Served when the flag is off and outside its rollout.")
    targets: dict[str, list[User]] | None = Field(None, description="Users by the variant they get.")
    requires: list[Requirement] | None = Field(None, description="Other flags that must serve a certain variant.")
    rules: list[RuleSpec] | None = Field(None, description="Tried in order; the first that serves decides.")
    default: ServeOrSplit | None = Field(None, description="What is served when no rule decides.")
    bucket_by: Attributes | None = Field(None, description=BUCKET_BY_DESCRIPTION)
    without_unit: Variant | None = Field(
        None, description=f"{_WITHOUT_UNIT} `next` to be outside every rollout and split. Default: an error."
    )
    salt: Salt | None = Field(
        None, description="Hashed with the unit; default: the flag's name. Changing it moves users."
    )
    hash_: Hash | None = Field(None, alias="hash", description=HASH_DESCRIPTION)
    layer: LayerSpec | None = Field(None, description="Separates experiments that must not share users.")
    holdout: str | None = Field(None, description="A top-level holdout whose users get the off variant.")
    client: Switch | None = Field(None, description="Browsers and apps may see this flag.")


class ScheduledChange(Part):
    """A time at which keys of a flag change."""

    at: Time = Field(description="When.")
    set: DecidingKeys = Field(description="The keys that change then.")


class Overlay(DecidingKeys):
    """An environment's keys."""

    schedule: list[ScheduledChange] | None = Field(None, description="Changes at given times, earliest first.")
    guard: Guard | None = Field(
        None, description="Raises `rollout_percentage` step by step, and takes it back if a metric gets worse."
    )


class FlagTest(Part):
    """An expected answer; checked by `burgee test`, lint and every deploy."""

    NULLS = frozenset({"expect"})

    user: str | None = Field(None, description="The targeting key.")
    context: dict[str, Any] = Field(default_factory=dict, description="Attributes.")
    at: Time | None = Field(None, description="The time to evaluate at; default now.")
    environment: str | None = Field(None, description="Only in this environment; default in all.")
    expect: str | None = Field(description="The variant, or null for none.")


class DefinitionSpec(Overlay):
    """A flag in one environment: a definition."""

    description: Text | None = Field(None, description="What the flag is for, at most 500 characters.")
    owner: str | None = Field(None, max_length=255, description="The team that owns the flag.")
    tags: list[str] | None = Field(None, description="Tags to find it by.")
    metadata: Metadata | None = Field(None, description="Strings, numbers and booleans that every answer includes.")
    schema_: ValueSchema | None = Field(
        None, alias="schema", description="The type of the flag's values, for generated code; lint checks it."
    )
    expires: Time | None = Field(None, description="When it should be removed; lint warns from then on.")
    permanent: Switch | None = Field(None, description="Never stale: a flag that is meant to stay.")


class FlagSpec(DefinitionSpec):
    """A flag as written in the file."""

    environments: dict[str, Overlay] | None = Field(None, description="Keys that override these, by environment.")
    experiment: Experiment | None = Field(
        None, description="The plan of an experiment on the flag; does not affect answers."
    )
    tests: list[FlagTest] | None = Field(None, description="Expected answers.")


DEFINITION_KEYS = tuple(field.alias or name for name, field in DefinitionSpec.model_fields.items())
"""The keys of a definition, in its canonical order."""


def normalise(definition: Any) -> Definition:
    """A definition in the form that releases hold. Raises pydantic.ValidationError if it violates the grammar."""
    served = DefinitionSpec.model_validate(definition)
    return dump(served)
