"""What the importers make of a file, and what they say has no equivalent."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.symbolic import Side
from burgee.diff.world import World
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.flag_grammar import normalise
from burgee.flagfile.formatter import formatted
from burgee.flagfile.source import Source
from burgee.importers.appconfig import import_appconfig
from burgee.importers.base import Generation, both
from burgee.importers.flagd import import_flagd
from burgee.importers.goff import import_goff
from burgee.importers.growthbook import import_growthbook
from burgee.importers.launchdarkly import import_launchdarkly
from burgee.importers.overlays import each_environment
from burgee.importers.unleash import import_unleash
from burgee.importers.writing import written
from burgee.review.file_findings import starved
from burgee.times import parse_time
from suites.sdks.growthbook import GrowthBook
from suites.sdks.launchdarkly import LaunchDarkly
from suites.sdks.unleash import Unleash
from support.generate import Flagd, Goff
from support.migrate import document

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.importers.base import Imported
    from support.cli import Burgee

MIGRATING = Path(__file__).parents[2] / "docs/migrating.md"
COLOURS = {"red": "#f00", "blue": "#00f"}


def flagd(targeting: Any, generation: Generation = Generation.CBOR, **more: Any) -> Imported:
    flag = {"state": "ENABLED", "variants": COLOURS, "defaultVariant": "red", "targeting": targeting, **more}
    return import_flagd(document(json.dumps({"flags": {"flag": flag}})), generation)


def goff(**flag: Any) -> Imported:
    flag = {"variations": COLOURS, "defaultRule": {"variation": "red"}, **flag}
    return import_goff(document(json.dumps({"flag": flag})))


def queried(query: str) -> Imported:
    return goff(targeting=[{"query": query, "variation": "blue"}])


def reported(made: Imported) -> list[tuple[str, str]]:
    text = written(made, "a test")
    assert formatted(text) == text
    return [(problem.code, problem.message.partition(": ")[2]) for problem in made.problems]


@pytest.mark.parametrize(
    ("targeting", "why"),
    [
        ({"if": [{"var": "segment"}, "blue"]}, "an attribute cannot be called 'segment' here"),
        ({"var": "colour"}, "serving the result of `var` has no equivalent"),
        ({"if": [{"==": [{"var": "a"}, {"var": "b"}]}, "blue"]}, "comparing two attributes has no equivalent"),
        (
            {"if": [{"<": [{"var": "a"}, "b"]}, "blue"]},
            "comparing by size with 'b' has no equivalent: only numbers have",
        ),
        ({"if": [{">": [{"var": "$flagd.timestamp"}, 5]}, "blue"]}, "`$flagd.timestamp` has no equivalent"),
        ({"if": [{"some": [{"var": "a"}, {"var": ""}]}, "blue"]}, "`some` has no equivalent"),
        (
            {"if": [{"==": [{"cat": ["a", "b"]}, "ab"]}, "blue"]},
            "comparing with the result of `cat` has no equivalent",
        ),
        ({"if": [{"$ref": "gone"}, "blue"]}, "there is no usable shared condition 'gone'"),
        ({"if": [{"var": "a"}, "green"]}, "it serves 'green', which is not one of its variants"),
        ({"fractional": [["red", 1.5], ["blue", 1]]}, "a weight that is not a whole number has no equivalent"),
        ({"fractional": [["red", 1], ["blue", 1], ["red", 1]]}, "'red' has two shares that are not adjacent"),
        (
            {"fractional": [[{"fractional": [["red"], ["blue"]]}, 1], ["blue", 1]]},
            "a `fractional` in an arm of another has no equivalent",
        ),
        (
            {"fractional": [{"cat": [{"var": "a"}, "-", {"var": "b"}]}, ["red"], ["blue"]]},
            "this bucketing value has no equivalent; only one attribute, after fixed strings, has one",
        ),
    ],
)
def test_what_flagd_can_say_and_we_cannot_is_named_and_left_out(targeting: Any, why: str) -> None:
    made = flagd(targeting)
    assert reported(made) == [("no-equivalent", why)]
    assert made.flags == {}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('all eq "x"', "an attribute cannot be called 'all' here"),
        ('country gt "DE"', "`country gt` with 'DE' has no equivalent"),
        ("age co 5", "`age co` with 5 has no equivalent"),
        ('country eq "DE" and', "the query cannot be parsed at 'its end'"),
        ("country eq 'DE'", "the query cannot be parsed at \" 'DE'\""),
        ('not country eq "DE"', "the query cannot be parsed at 'country eq \"DE\"'"),
        ('{"==": [{"var": "a"}, [1]]}', "comparing with a list has no equivalent"),
    ],
)
def test_a_query_without_equivalent_is_named_and_its_flag_left_out(query: str, why: str) -> None:
    made = queried(query)
    assert reported(made) == [("no-equivalent", why)]
    assert made.flags == {}


def test_a_flag_whose_key_is_no_name_or_whose_values_are_mixed_is_left_out() -> None:
    text = json.dumps({"a/b": {}, "mixed": {"variations": {"a": 1, "b": "x"}, "defaultRule": {"variation": "a"}}})
    assert reported(import_goff(document(text))) == [
        ("no-equivalent", "its key is not a valid name: use letters, digits, `.`, `_` and `-`"),
        ("no-equivalent", "'b' is a string where the first variant is a number"),
    ]


METADATA = {"description": "A colour", "link": "x", "owner": "web", "sla": 99.5, "rule": "mine", "list": [1]}


def test_parts_that_decide_nothing_are_named_and_the_flag_kept() -> None:
    made = goff(version="1.2", trackEvents=False, metadata=METADATA)
    assert [message for _, message in reported(made)] == [
        "`trackEvents` has no equivalent",
        "`version` has no equivalent",
        "metadata 'rule' has no equivalent",
        "metadata 'list' has no equivalent",
    ]
    flag = made.flags["flag"]
    assert (flag["description"], flag["owner"], flag["metadata"]) == ("A colour", "web", {"link": "x", "sla": 99.5})


def test_metadata_of_the_file_stands_under_that_of_each_flag() -> None:
    flag = {"state": "ENABLED", "variants": COLOURS, "defaultVariant": "red"}
    file = {
        "metadata": {"team": "web", "tier": 1, "empty": None},
        "flags": {"a": flag, "b": {**flag, "metadata": {"tier": 2, "beta": False, "description": "x" * 600}}},
    }
    made = import_flagd(document(json.dumps(file)), Generation.CBOR)
    assert made.flags["a"]["metadata"] == {"team": "web", "tier": 1}
    assert made.flags["b"]["metadata"] == {"team": "web", "tier": 2, "beta": False, "description": "x" * 600}
    assert [one.message for one in made.problems] == ["a: metadata 'empty' has no equivalent"] * 1 + [
        "b: metadata 'empty' has no equivalent"
    ]


def test_a_problem_stands_at_its_line() -> None:
    text = '{"flags": {\n "flag": {"variants": {"a": 1}, "state": "ENABLED",\n  "targeting": {\n   "map": []}}}}'
    (problem,) = import_flagd(document(text, "flags.json"), Generation.CBOR).problems
    assert str(problem.place) == "flags.json:4:4"


def test_and_and_or_bind_alike_from_left_to_right() -> None:
    (rule,) = queried('a eq "1" or b eq "2" and c eq "3"').flags["flag"]["rules"]
    assert rule["when"] == {"any": [{"a": "1"}, {"b": "2"}], "c": "3"}


def test_flagds_caret_and_tilde_are_the_same_major_and_minor_version() -> None:
    (caret,) = flagd({"if": [{"sem_ver": [{"var": "v"}, "^", "0.2.3"]}, "blue"]}).flags["flag"]["rules"]
    (tilde,) = flagd({"if": [{"sem_ver": [{"var": "v"}, "~", "V1.2"]}, "blue"]}).flags["flag"]["rules"]
    assert caret["when"] == {"v": {"semver_gte": "0.0.0-0", "semver_lt": "1.0.0-0"}}
    assert tilde["when"] == {"v": {"semver_gte": "1.2.0-0", "semver_lt": "1.3.0-0"}}


@pytest.mark.parametrize(
    ("unit", "generation", "pinned"),
    [
        ([], Generation.CBOR, {"hash": "flagd-cbor"}),
        ([], Generation.TEXT, {"hash": "flagd-text"}),
        ([{"var": "email"}], Generation.CBOR, {"hash": "flagd-cbor-value", "salt": "", "bucket_by": "email"}),
        (
            [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}],
            Generation.CBOR,
            {"hash": "flagd-cbor-text", "bucket_by": "email"},
        ),
        ([{"cat": ["seed", {"var": "targetingKey"}]}], Generation.TEXT, {"hash": "flagd-text", "salt": "seed"}),
    ],
)
def test_a_fractional_pins_the_hash_of_its_bucketing_value(unit: Any, generation: Generation, pinned: Any) -> None:
    flag = flagd({"fractional": [*unit, ["red", 1], ["blue", 1]]}, generation).flags["flag"]
    assert {key: value for key, value in flag.items() if key in {"hash", "salt", "bucket_by"}} == pinned


def test_two_bucketing_values_of_a_flag_are_those_of_its_rules() -> None:
    shares = [["red", 1], ["blue", 1]]
    by_email = {"fractional": [{"var": "email"}, *shares]}
    made = flagd({"if": [{"var": "beta"}, by_email, {"fractional": shares}]}).flags["flag"]
    first, second = (rule for rule in made["rules"] if "split" in rule)
    assert {key: first.get(key) for key in ("hash", "salt", "bucket_by")} == {
        "hash": None,
        "salt": None,
        "bucket_by": None,
    }
    assert (made["hash"], made["bucket_by"]) == ("flagd-cbor-value", "email")
    assert (second["hash"], second["bucket_by"], second["salt"]) == ("flagd-cbor", "targetingKey", "flag")


BY_EMAIL = {"fractional": [{"var": "email"}, ["red", 1], ["blue", 1]]}
STARTS = {"starts_with": [{"var": "email"}, "a"]}


@pytest.mark.parametrize(
    ("test", "share", "rules"),
    [
        ({"in": ["@a", {"var": "email"}]}, BY_EMAIL, 1),
        ({"!=": [{"var": "email"}, None]}, BY_EMAIL, 1),
        ({"or": [STARTS, {"in": [{"var": "email"}, ["x", "y"]]}]}, BY_EMAIL, 1),
        ({"and": [{"var": "beta"}, {"$ref": "known"}]}, BY_EMAIL, 1),
        ({"!": [{"!": [STARTS]}]}, BY_EMAIL, 1),
        (STARTS, {"fractional": [{"cat": ["seed", {"var": "email"}]}, ["red", 1], ["blue", 1]]}, 1),
        ({"starts_with": [{"var": "targetingKey"}, "a"]}, {"fractional": [["red", 1], ["blue", 1]]}, 1),
        ({"!=": [{"var": "targetingKey"}, None]}, {"fractional": [["red", 1], ["blue", 1]]}, 2),
        ({"var": "beta"}, BY_EMAIL, 2),
        ({"!": [STARTS]}, BY_EMAIL, 2),
        ({"or": [STARTS, {"var": "beta"}]}, BY_EMAIL, 2),
        ({"$ref": "beta"}, BY_EMAIL, 2),
    ],
)
def test_a_share_has_a_rule_for_those_without_a_unit_only_where_they_can_be(
    test: Any, share: Any, rules: int
) -> None:
    """lint, which decides by all contexts there are, finds no rule that nobody reaches."""
    flag = {"state": "ENABLED", "variants": COLOURS, "defaultVariant": "red"}
    flag["targeting"] = {"if": [test, share, {"==": [{"var": "plan"}, "pro"]}, "blue", None]}
    shared = {"known": {"and": [{"$ref": "a"}, {"$ref": "beta"}]}, "a": STARTS, "beta": {"var": "beta"}}
    made = import_flagd(document(json.dumps({"flags": {"flag": flag}, "$evaluators": shared})), Generation.CBOR)
    assert len(made.flags["flag"]["rules"]) == rules + 1
    assert not starved_rules(made)


def test_values_that_are_to_be_equal_twice_are_those_in_common() -> None:
    assert both({"a": ["x", True, 1.0]}, {"a": [True, 1, "y"]}, {"b": 1}) == {"a": [True, 1.0], "b": 1}
    assert both({"a": [1, "x"]}, {"a": "x"}) == {"a": "x"}
    assert both({"a": False}, {"a": 0}) is False
    assert both({"a": "x"}, {"a": {"exists": True}}) == {"all": [{"a": "x"}, {"a": {"exists": True}}]}


def test_a_kind_that_a_clause_asks_for_cannot_be_missing() -> None:
    """LaunchDarkly serves those without the kind the first variation, also at a weight of 0."""
    arms = [{"variation": 0, "weight": 0}, {"variation": 1, "weight": 100_000}]
    rollout = {"contextKind": "org", "variations": arms}
    key, plan = ({"contextKind": "org", "attribute": one, "op": "in", "values": ["x"]} for one in ("key", "plan"))
    rules = [{"id": clause["attribute"], "clauses": [clause], "rollout": rollout} for clause in (key, plan)]
    flag = {"key": "f", "on": True, "salt": "s", "variations": ["a", "b"], "fallthrough": {"variation": 0}}
    made = import_launchdarkly([(None, document(json.dumps({"flags": {"f": {**flag, "rules": rules}}})))])
    assert [rule.get("name") for rule in made.flags["f"]["rules"]] == [None, "without org", None]
    assert not starved_rules(made)


def starved_rules(made: Imported) -> list[str]:
    document = {"format": 1, "flags": {name: normalise(flag) for name, flag in made.flags.items()}}
    side = Side({**document, "segments": made.segments}, 0)
    return [finding.message for name in made.flags for finding in starved(side, name, World())]


SUITS = [["clubs", 25], ["diamonds", 25], ["hearts", 25], ["spades", 25]]
KIT = {
    "fractional-flag": ({"cat": [{"var": "$flagd.flagKey"}, {"var": "user.name"}]}, SUITS),
    "shared-seed": ({"cat": ["shared-seed", {"var": "user.name"}]}, SUITS),
    "edges": ({"var": "user.name"}, [["lower", 50], ["upper", 50]]),
}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (
            "fractional-flag",
            {"jack": "hearts", "queen": "spades", "ten": "clubs", "nine": "diamonds", "3": "clubs"},
        ),
        ("shared-seed", {"seven": "hearts", "eight": "diamonds", "nine": "clubs", "two": "spades"}),
        ("edges", {"ejOoVL": "lower", "bY9fO-": "lower", "SI7p-": "lower", "6LvT0": "upper", "ceQdGm": "upper"}),
    ],
)
def test_the_daemons_shares_are_those_of_flagds_test_kit(tmp_path: Path, flag: str, expected: dict[str, str]) -> None:
    """The answers that open-feature/flagd-testbed demands of the daemon, hashes at the edges among them."""
    unit, shares = KIT[flag]
    variants = {share[0]: share[0] for share in shares}
    reported = {"state": "ENABLED", "variants": variants, "targeting": {"fractional": [unit, *shares]}}
    served = ruleset(import_flagd(document(json.dumps({"flags": {flag: reported}})), Generation.TEXT), tmp_path)
    assert {name: served.evaluate(flag, {"user": {"name": name}}, 0).variant for name in expected} == expected


def ruleset(made: Imported, folder: Path) -> Ruleset:
    path = folder / "flags.yaml"
    path.write_text(written(made, "a test"), encoding="utf-8")
    return Ruleset(compile_file(path))


def test_steps_experiments_and_ramps_become_a_schedule(tmp_path: Path) -> None:
    made = goff(
        experimentation={"start": "2027-01-02T00:00:00Z", "end": "2027-01-09T00:00:00Z"},
        scheduledRollout=[
            {"date": "2027-01-05T00:00:00Z", "defaultRule": {"variation": "blue"}},
            {
                "date": "2027-01-03T00:00:00Z",
                "targeting": [{"name": "late", "query": 'a eq "1"', "variation": "blue"}],
            },
        ],
    )
    served = ruleset(made, tmp_path)

    def variant(day: int, **attributes: Any) -> str | None:
        moment = parse_time(f"2027-01-{day:02}T12:00:00Z")
        return served.evaluate("flag", {"targetingKey": "u", **attributes}, moment).variant

    assert [variant(day) for day in (1, 2, 4, 5, 9)] == [None, "red", "red", "blue", None]
    assert [variant(day, a="1") for day in (2, 4)] == ["red", "blue"]


@pytest.mark.parametrize(("language", "theirs"), [("json", "flagd"), ("yml", "goff")])
def test_the_example_of_the_page_is_what_the_command_writes(burgee: Burgee, language: str, theirs: str) -> None:
    _, *page = MIGRATING.read_text(encoding="utf-8").split("## From ")
    section = next(part for part in page if f"burgee import {theirs} " in part)
    given, expected = (re.findall(rf"^```{kind}\n(.*?)^```", section, re.M | re.S)[0] for kind in (language, "yaml"))
    (name,) = re.findall(rf"burgee import {theirs} (\S+) --out flags.yaml", section)
    burgee.write(given, name)
    ran = burgee("import", theirs, name, "--out", "flags.yaml")
    assert (ran.code, ran.out) == (0, "flags.yaml: 1 flag\n")
    assert (burgee.folder / "flags.yaml").read_text() == expected
    assert Source(burgee.folder / "flags.yaml").problems == []
    assert burgee("fmt", "--check") == (0, "", "")


def test_an_import_into_a_repository_that_has_flags_is_included_as_the_page_says(burgee: Burgee) -> None:
    page = MIGRATING.read_text(encoding="utf-8").partition("## From flagd")
    (command,) = re.findall(r"^burgee (import .*)$", page[0], re.M)
    (own,) = re.findall(r"^```yaml\n(.*?)^```", page[0], re.M | re.S)
    (theirs,) = re.findall(r"^```json\n(.*?)^```", page[2].partition("## From GO")[0], re.M | re.S)
    burgee.write(own + "flags:\n  ours: {status: on}\n")
    burgee.write(theirs, "flags.json")
    (burgee.folder / "flags").mkdir(exist_ok=True)
    assert burgee(*command.split()).code == 0
    assert burgee("lint").code == 0
    assert [one["flag"] for one in burgee("list", "--json").json] == ["ours", "header-colour"]


@pytest.mark.parametrize("theirs", ["flagd", "goff"])
def test_a_file_that_is_there_is_replaced_only_where_that_is_said(burgee: Burgee, theirs: str) -> None:
    burgee.write("{}" if theirs == "goff" else '{"flags": {}}', "theirs.json")
    kept = burgee.write("version: 1\n").read_text()
    ran = burgee("import", theirs, "theirs.json", "--out", "flags.yaml")
    assert (ran.code, ran.err) == (
        1,
        "burgee: flags.yaml already exists; --out names another file, --overwrite replaces this one\n",
    )
    assert (burgee.folder / "flags.yaml").read_text() == kept
    assert burgee("import", theirs, "theirs.json", "--out", "flags.yaml", "--overwrite").code == 0
    assert (burgee.folder / "flags.yaml").read_text() != kept
    ran = burgee("import", theirs, "theirs.json", "--out", "no/such/flags.yaml")
    assert (ran.code, ran.err) == (1, "burgee: no/such/flags.yaml: No such file or directory\n")


def test_a_flag_that_is_left_out_makes_the_command_fail_and_the_others_are_written(burgee: Burgee) -> None:
    good = {"variations": COLOURS, "defaultRule": {"percentage": {"red": 10, "blue": 90}}}
    burgee.write(json.dumps({"good": good, "bad": {"variations": COLOURS}}), "theirs.json")
    ran = burgee("import", "goff", "theirs.json")
    assert ran.code == 1
    assert ran.err.endswith("error no-equivalent: bad is left out: it has no default rule\n")
    burgee.write(ran.out)
    assert burgee("lint").code == 0
    assert burgee("eval", "good", "--user", "ada").code == 0


def test_a_file_in_escapes_keeps_its_characters(burgee: Burgee) -> None:
    """JSON writes characters beyond the basic plane as two escapes; after a backslash of its own they are none."""
    values = {"a": "\N{GRINNING FACE} /", "b": "\\ud83d\\ude00", "c": "\\\N{GRINNING FACE}"}
    burgee.write(json.dumps({"flag": {"variations": values, "defaultRule": {"variation": "a"}}}), "theirs.json")
    assert burgee("import", "goff", "theirs.json", "--out", "flags.yaml").code == 0
    assert compile_file(burgee.folder / "flags.yaml")["flags"]["flag"]["variants"] == values


def test_shared_conditions_refer_to_those_behind_them_as_in_flagd() -> None:
    first, second = {"and": [{"$ref": "b"}, {"var": "x"}]}, {"==": [{"var": "y"}, "1"]}
    flag = {"state": "ENABLED", "variants": COLOURS, "defaultVariant": "red"}
    flag["targeting"] = {"if": [{"$ref": "a"}, "blue"]}
    file = {"$evaluators": {"a": first, "b": second, "c": {"map": []}}, "flags": {"flag": flag}}
    made = import_flagd(document(json.dumps(file)), Generation.CBOR)
    assert reported(made) == [("no-equivalent", "`map` has no equivalent")]
    assert made.flags["flag"]["rules"] == [{"when": {"segment": "a"}, "serve": "blue"}]
    assert list(made.segments) == ["a", "b"]


def test_a_file_that_cannot_be_read_is_reported_with_its_place(burgee: Burgee) -> None:
    burgee.write('{"flags": {', "theirs.json")
    ran = burgee("import", "flagd", "theirs.json")
    assert ran.code == 1
    assert ran.err.startswith("theirs.json:2:1: error yaml-syntax")


JUNK: list[Any] = [None, True, 0, -1.5, 1e300, "", "x", [], [[]], {}, {"var": "a"}, {"a": {"b": []}}, [1, "a", None]]
JUNK += [{"if": []}, {"$ref": [[]]}, "(" * 5000, "{" * 5000, {"in": [1, "a"]}]


def spoiled(source: random.Random, node: Any) -> Any:
    """The same with junk in one place."""
    if isinstance(node, dict) and node and source.random() < 0.9:
        key = source.choice(list(node))
        return {**node, key: spoiled(source, node[key])}
    if isinstance(node, list) and node and source.random() < 0.9:
        index = source.randrange(len(node))
        return [*node[:index], spoiled(source, node[index]), *node[index + 1 :]]
    return source.choice(JUNK)


@pytest.mark.parametrize("seed", range(60))
def test_junk_anywhere_is_reported_or_means_nothing(seed: int) -> None:
    source = random.Random(seed)
    theirs = Flagd(seed).file(2)
    text = written(import_flagd(document(json.dumps(spoiled(source, theirs))), Generation.CBOR), "a test")
    assert formatted(text) == text
    generator = Goff(seed)
    flags = {"a": generator.flag(), "b": generator.flag()}
    text = written(import_goff(document(json.dumps(spoiled(source, flags)))), "a test")
    assert formatted(text) == text


SPLIT_RULE = '(or (split by::$id pct::20) (eq $plan "pro"))'
APPCONFIG = {
    "version": "1",
    "flags": {"a": {"name": "A", "attributes": {"limit": {}}}, "b": {"name": "b"}},
    "values": {
        "a": {
            "_variants": [
                {"name": "v", "enabled": True, "rule": SPLIT_RULE, "attributeValues": {"limit": 5}},
                {"name": "d", "enabled": False},
            ]
        },
        "b": {"enabled": True},
    },
}


@pytest.mark.parametrize("seed", range(60))
def test_junk_in_other_engines_files_is_reported_or_means_nothing(seed: int) -> None:
    source = random.Random(seed)
    found: list[tuple[Callable[[Any], Imported], Any]] = [
        (import_launchdarkly, LaunchDarkly(source).file(4)),
        (import_unleash, Unleash(source).file(4)),
        (import_growthbook, GrowthBook(source).file(4)),
        (each_environment(import_appconfig), APPCONFIG),
    ]
    for convert, file in found:
        for _ in range(4):
            junk = spoiled(source, spoiled(source, file))
            text = written(convert([(None, document(json.dumps(junk)))]), "a test")
            assert formatted(text) == text


def test_flags_may_be_a_list_in_which_each_says_its_key(tmp_path: Path) -> None:
    flag = {"state": "ENABLED", "variants": COLOURS, "defaultVariant": "red"}
    theirs = [
        {"key": "a", **flag},
        {"key": "b", **flag, "targeting": {"if": [{"==": [{"var": "x"}, 1]}, "blue"]}},
        {"key": "a", **flag, "defaultVariant": "blue"},
        {**flag},
        {"key": "c", **flag, "targeting": {"map": []}},
        {"key": "d", **flag, "variants": {"red": 1, "blue": "x"}},
    ]
    made = import_flagd(document(json.dumps({"flags": theirs}, indent=1), "flags.json"), Generation.CBOR)
    served = ruleset(made, tmp_path)
    assert served.evaluate("a", {}, 0).variant == "red"
    assert served.evaluate("b", {"x": 1}, 0).variant == "blue"
    assert [(one.message.partition(":")[0], one.place.line) for one in made.problems] == [
        ("a is left out", 34),
        ("flag 4 is left out", 43),
        ("c is left out", 60),
        ("d is left out", 63),
    ]


def test_a_flag_without_a_default_gives_no_value_by_default_and_draws_nothing(tmp_path: Path) -> None:
    ruled = {"if": [{"==": [{"var": "x"}, 1]}, "blue"]}
    for targeting, reason in ((None, "DEFAULT"), (ruled, "DEFAULT")):
        served = ruleset(flagd(targeting, defaultVariant=None), tmp_path)
        answer = served.evaluate("flag", {}, 0)
        assert (answer.value, answer.variant, answer.reason, answer.error_code) == (None, None, reason, None)
    assert served.evaluate("flag", {"x": 1}, 0).reason == "TARGETING_MATCH"


@pytest.mark.parametrize("text", ["[]", "5", '{"flags": [5]}', "null", '{"flags": {"a": null}}', '{"a": null}'])
def test_a_file_of_another_shape_is_reported(burgee: Burgee, text: str) -> None:
    burgee.write(text, "theirs.json")
    for engine in ("flagd", "goff"):
        ran = burgee("import", engine, "theirs.json")
        assert (ran.code, "no-equivalent" in ran.err) == (1, True)
