"""LaunchDarkly's own cases of bucketing, through the importer.

They are those of `sdktests/server_side_eval_bucketing.go` in launchdarkly/sdk-test-harness at 713b622. Each brackets
the bucket that its formula computes, so an answer is right only if the bucket is within 5 of 100,000. They stand in a
program there, not among the data files that `BURGEE_SUITES` runs. Around a bucket of 0 theirs has an arm of -5 before
it, and ours one of 0: no weight below 0 is imported.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.base import DIFFERS
from burgee.importers.launchdarkly import import_launchdarkly
from burgee.importers.writing import written
from suites.sdks.launchdarkly import context_here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from burgee.importers.base import Imported

KEY, SALT, MARGIN, ALL = "hashKey", "saltyA", 5, 100_000
UNWANTED, FALLTHROUGH, RULE, SEGMENT = range(4)
VALUES = ["wrong", "expected-value-for-fallthrough", "expected-value-for-rule", "expected-value-for-segment-match"]
USERS = ("userKeyA", "userKeyB", "userKeyC")
OTHER_KIND = {"kind": "wrongkind", "key": "wrongkey"}


@dataclass(frozen=True, slots=True)
class Case:
    """A rollout or an experiment, and who is asked for."""

    name: str
    bucket: int
    context: dict[str, Any]
    """Of one kind."""
    multi: bool = False
    experiment: bool = False
    bucket_by: str = ""
    seed: int | None = None
    invalid: bool = False
    """By a value that is neither a string nor a whole number: in a segment's share there, and outside here."""

    @property
    def differs(self) -> bool:
        """Whether the import says that some contexts differ: others may have such a value."""
        return bool(self.bucket_by)

    @property
    def kind(self) -> str:
        """Of the contexts that are divided."""
        return str(self.context["kind"])


def bucket_of(value: object, seed: int | None = None) -> int:
    """Of 100,000: their `computeExpectedBucketValue`."""
    prefix = f"{KEY}.{SALT}" if seed is None else str(seed)
    digest = hashlib.sha1(f"{prefix}.{value}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:15], 16) * ALL // 0xFFFFFFFFFFFFFFF


def rollouts(name: str, context: dict[str, Any], **more: Any) -> Iterator[Case]:
    """The users as keys of a kind: rollouts and, with and without a seed, experiments."""
    for user in USERS:
        for experiment, seed in ((False, None), (True, None), (True, 61)):
            if "bucket_by" in more and not experiment:
                continue
            yield Case(
                f"{name}, {'experiment' if experiment else 'rollout'}, {user}, seed {seed}",
                bucket_of(user, seed),
                {**context, "key": user},
                experiment=experiment,
                seed=seed,
                **more,
            )


def cases() -> Iterator[Case]:
    """In their order."""
    yield from rollouts("basic", {"kind": "user"})
    yield from rollouts("single-kind", {"kind": "org"})
    yield from rollouts("multi-kind", {"kind": "org"}, multi=True)
    for user in USERS:
        org = {"kind": "org", "key": "arbitrary-key"}
        named, nested = {**org, "attr1": user}, {**org, "attr1": {"subprop": user}}
        yield Case(f"by attribute, {user}", bucket_of(user), named, multi=True, bucket_by="attr1")
        yield Case(f"by reference, {user}", bucket_of(user), nested, multi=True, bucket_by="/attr1/subprop")
    someone = {"kind": "user", "key": "arbitrary-key"}
    for number in (33_333, 99_999):
        yield Case(f"by {number}", bucket_of(number), {**someone, "attr1": number}, bucket_by="attr1")
    for invalid in (1.5, True, ["x"], {"x": "y"}):
        yield Case(f"by {invalid}", 0, {**someone, "attr1": invalid}, bucket_by="attr1", invalid=True)
    yield Case("by nothing", 0, someone, bucket_by="missingAttr")
    ignored = {"kind": "user", "attr1": "this should be ignored"}
    yield from rollouts("an attribute is ignored", ignored, bucket_by="attr1")


def rollout(case: Case, variation: int) -> dict[str, Any]:
    """Serves `variation` around the bucket alone."""
    before = max(0, case.bucket - MARGIN)
    weights = ((UNWANTED, before), (variation, 2 * MARGIN), (UNWANTED, ALL - before - 2 * MARGIN))
    return {
        "kind": "experiment" if case.experiment else "rollout",
        "contextKind": case.kind,
        **({"bucketBy": case.bucket_by} if case.bucket_by else {}),
        **({} if case.seed is None else {"seed": case.seed}),
        "variations": [{"variation": one, "weight": weight} for one, weight in weights],
    }


def data(case: Case) -> dict[str, Any]:
    """What an SDK would receive."""
    clause = {"contextKind": case.kind, "attribute": "matchrule", "op": "in", "values": [True]}
    in_segment = {"contextKind": case.kind, "attribute": "", "op": "segmentMatch", "values": [KEY]}
    flag = {"on": True, "variations": VALUES, "salt": SALT}
    weighed = {
        "id": "weighed",
        "clauses": [{"attribute": "kind", "op": "in", "values": [""], "negate": True}],
        "weight": case.bucket + MARGIN,
        "rolloutContextKind": case.kind,
        **({"bucketBy": case.bucket_by} if case.bucket_by else {}),
    }
    return {
        "flags": {
            KEY: {
                **flag,
                "key": KEY,
                "fallthrough": {"rollout": rollout(case, FALLTHROUGH)},
                "rules": [{"id": "rule", "clauses": [clause], "rollout": rollout(case, RULE)}],
            },
            f"matchsegment-{KEY}": {
                **flag,
                "key": f"matchsegment-{KEY}",
                "fallthrough": {"variation": UNWANTED},
                "rules": [{"id": "rule", "clauses": [in_segment], "variation": SEGMENT}],
            },
        },
        "segments": {KEY: {"key": KEY, "salt": SALT, "rules": [weighed]}},
    }


def imported(given: dict[str, Any], folder: Path) -> tuple[Imported, Ruleset]:
    made = import_launchdarkly([(None, Document("flags.json", json.dumps(given).encode()))])
    assert made.left_out == set()
    file = folder / "flags.yaml"
    file.write_text(written(made, "a test"), encoding="utf-8")
    return made, Ruleset(compile_file(file))


def context_of(case: Case, **more: Any) -> dict[str, Any]:
    one = {**case.context, **more}
    named = {key: value for key, value in one.items() if key != "kind"}
    return context_here({"kind": "multi", "wrongkind": OTHER_KIND, case.kind: named} if case.multi else one)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_unit_is_in_the_bucket_that_launchdarkly_computes(case: Case, tmp_path: Path) -> None:
    made, ruleset = imported(data(case), tmp_path)

    def value(flag: str, **more: Any) -> object:
        return ruleset.evaluate(flag, context_of(case, **more), 0).value

    assert value(KEY) == VALUES[FALLTHROUGH]
    assert value(KEY, matchrule=True) == VALUES[RULE]
    assert any(finding.code == DIFFERS for finding in made.findings) is case.differs
    if not case.experiment:
        assert (value(f"matchsegment-{KEY}") == VALUES[SEGMENT]) is not case.invalid


@pytest.mark.parametrize("multi", [False, True])
def test_without_the_kind_that_is_divided_the_first_arm_is_served(tmp_path: Path, *, multi: bool) -> None:
    [case, *_] = rollouts("no such kind", {"kind": "org"}, multi=multi)
    arms = [{"variation": 0, "weight": 1}, {"variation": 1, "weight": 99_999}]
    experiment = {"kind": "experiment", "contextKind": "nonexistent", "variations": arms}
    flag = {"key": "flagkey", "on": True, "variations": [False, True], "fallthrough": {"rollout": experiment}}
    _, ruleset = imported({"flags": {"flagkey": flag}, "segments": {}}, tmp_path)
    assert ruleset.evaluate("flagkey", context_of(case), 0).value is False


def test_the_buckets_can_be_missed(tmp_path: Path) -> None:
    """A bucket that is 6 further on is another's."""
    case = next(cases())
    _, ruleset = imported(data(replace(case, bucket=case.bucket + 6)), tmp_path)
    assert ruleset.evaluate(KEY, context_of(case), 0).value == VALUES[UNWANTED]
