"""The manifest, compared with the OpenFeature CLI's schema and with the SDK's answers for a flag that is off."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from burgee.access.keys import Kind
from burgee.accessors.manifest import manifest
from burgee.flagfile.compile import compile_file
from burgee.openfeature import BurgeeProvider
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from support.accessors import VALUES as VARIANTS
from support.accessors import flag_file
from support.keys import HOME, bearer, release, service, token
from support.serve import serving

if TYPE_CHECKING:
    from support.cli import Burgee

FLAGS = """\
version: 1
environments: [production]
flags:
  beta: {description: The new search., status: on, client: true}
  colour: {variants: {blue: "#00a", green: "#0a0"}, off_variant: blue, default: {serve: green}}
  retries: {variants: {few: 1, many: 5}, off_variant: few, default: {serve: many}}
  rate:
    variants: {low: 1, high: 2.5}
    off_variant: low
    default: {serve: high}
    environments: {production: {off_variant: high}}
  limits: {variants: {small: {cpu: 1}, large: {cpu: 4}}, off_variant: small, default: {serve: large}}
  hosts: {variants: {one: [a], two: [a, b]}, off_variant: one, default: {serve: two}}
  nameless: {variants: {a: 1, b: 2}, default: {serve: a}}
  nothing: {variants: {a: null}, off_variant: a, default: {serve: a}}
"""
VALUES = {
    "beta": ("boolean", False),
    "colour": ("string", "#00a"),
    "retries": ("integer", 1),
    "rate": ("float", 1.0),
    "limits": ("object", {"cpu": 1}),
    "hosts": ("object", ["a"]),
}


def schema() -> dict[str, Any]:
    """What the CLI's schema demands; with a checkout of the CLI in BURGEE_OPENFEATURE_CLI, that schema itself."""
    folder = os.environ.get("BURGEE_OPENFEATURE_CLI")
    if folder:
        found: dict[str, Any] = json.loads(
            (Path(folder) / "schema/v0/flag-manifest.json").read_text(encoding="utf-8")
        )
        return found
    values: dict[str, Any] = {name: {"type": name} for name in ("boolean", "string", "integer")}
    values |= {"float": {"type": "number"}, "object": {}}
    kinds = [
        {
            "required": ["flagType", "defaultValue"],
            "properties": {
                "flagType": {"const": name},
                "defaultValue": value,
                "description": {"type": "string"},
            },
        }
        for name, value in values.items()
    ]
    flags = {"type": "object", "patternProperties": {"^.+$": {"oneOf": kinds}}, "additionalProperties": False}
    return {"type": "object", "required": ["flags"], "properties": {"flags": flags}}


def test_the_file_is_what_the_cli_s_schema_says(burgee: Burgee) -> None:
    burgee.write(FLAGS)
    ran = burgee("manifest")
    Draft7Validator(schema()).validate(ran.json)
    assert {name: (one["flagType"], one["defaultValue"]) for name, one in ran.json["flags"].items()} == VALUES
    assert ran.json["flags"]["beta"]["description"] == "The new search."
    assert "nameless is left out: it has no `off_variant`" in ran.err
    assert "nothing is left out: its only value is null" in ran.err


def test_the_schema_refuses_what_the_manifest_must_not_hold() -> None:
    wrong: list[dict[str, Any]] = [
        {},
        {"flags": {"a": {"flagType": "boolean", "defaultValue": "no"}}},
        {"flags": {"a": {"flagType": "integer", "defaultValue": 1.5}}},
        {"flags": {"a": {"defaultValue": True}}},
        {"flags": {"": {"flagType": "boolean", "defaultValue": True}}},
    ]
    for one in wrong:
        assert not Draft7Validator(schema()).is_valid(one), one


def test_a_description_is_one_line_that_ends_no_comment() -> None:
    about = 'Colour of\n  import os; */ the """ shop\u2028\\users\x07'
    (one,) = manifest({"beta": {"description": about, "status": True}}).file()["flags"].values()
    assert one["description"] == "Colour of import os; * / the ''' shop \\\\users"


def test_an_environment_has_its_own_default(burgee: Burgee) -> None:
    burgee.write(FLAGS)
    assert burgee("manifest", "--env", "production").json["flags"]["rate"]["defaultValue"] == 2.5


def test_a_default_is_what_the_sdk_answers_while_the_flag_is_off(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FLAGS, encoding="utf-8")
    snapshot = compile_file(path)
    off = {name: {**flag, "status": False} for name, flag in snapshot["flags"].items()}
    api.set_provider_and_wait(BurgeeProvider(Serving(bundled={**snapshot, "flags": off})), "manifest")
    client = api.get_client("manifest")
    ask = {
        "boolean": client.get_boolean_value,
        "string": client.get_string_value,
        "integer": client.get_integer_value,
        "float": client.get_float_value,
        "object": client.get_object_value,
    }
    others: dict[str, Any] = {"boolean": True, "string": "?", "integer": -1, "float": -1.0, "object": {"none": 1}}
    listed = manifest(snapshot["flags"]).flags
    assert {one.type for one in listed} == ask.keys()
    for one in listed:
        found = ask[one.type](one.name, others[one.type])  # type: ignore[operator]
        assert (type(found), found) == (type(one.default), one.default), one.name
    api.clear_providers()


def test_numbers_keep_one_type_through_a_schedule(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    later = "schedule: [{at: 2027-01-01T00:00:00Z, set: {variants: {low: 1, high: 2.5}}}]"
    flag = f"{{variants: {{low: 1, high: 2}}, off_variant: low, default: {{serve: low}}, {later}}}"
    path.write_text(f"version: 1\nflags:\n  rate: {flag}\n", encoding="utf-8")
    (one,) = manifest(compile_file(path)["flags"]).flags
    assert (one.type, type(one.default)) == ("float", float)


def test_the_route_answers_what_a_key_may_see_with_an_etag(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FLAGS, encoding="utf-8")
    store = SqliteStore(":memory:", HOME)
    release(store, dict(compile_file(path)["flags"]))
    client = service(store)
    server, browser = bearer(token(store, Kind.SERVER)), bearer(token(store, Kind.CLIENT))
    answered = client.get("/openfeature/v0/manifest", headers=server)
    assert {one["key"]: (one["type"], one["defaultValue"]) for one in answered.json()["flags"]} == VALUES
    again = {**server, "If-None-Match": answered.headers["etag"]}
    assert client.get("/openfeature/v0/manifest", headers=again).status_code == 304
    (one,) = client.get("/openfeature/v0/manifest", headers=browser).json()["flags"]
    assert one == {"key": "beta", "type": "boolean", "defaultValue": False, "description": "The new search."}
    assert client.get("/openfeature/v0/manifest").status_code == 401
    store.close()


@pytest.mark.skipif(shutil.which("openfeature") is None, reason="the OpenFeature CLI is not installed")
def test_the_openfeature_cli_pulls_our_manifest_and_what_it_generates_answers(burgee: Burgee) -> None:
    """The CLI's Python for a file with every type and with hostile descriptions, asked of a live service."""
    burgee.write(flag_file())
    (burgee.folder / "flags.json").write_text(burgee("manifest").out, encoding="utf-8")

    def cli(*arguments: str) -> None:
        command = ["openfeature", *arguments, "--no-input"]
        subprocess.run(command, cwd=burgee.folder, check=True, capture_output=True)

    cli("generate", "python", "--manifest", "flags.json", "--output", "made")
    spec = importlib.util.spec_from_file_location("made_by_the_cli", burgee.folder / "made/openfeature.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with serving(burgee.folder) as server:
        cli("pull", "--provider-url", server.url, "--manifest", "pulled.json")
        api.set_provider_and_wait(OFREPProvider(server.url))
        made = module.GeneratedClient(api.get_client())
        for name, values in VARIANTS.items():
            for variant, value in values.items():
                ask = getattr(made, name.replace("-", "_"))
                assert ask(EvaluationContext("ada", {"want": variant})) == value, (name, variant)
        assert made.beta(EvaluationContext("ada", {"want": "on"})) is True
        api.clear_providers()
        for name, values in VARIANTS.items():
            default = next(iter(values.values()))
            if not isinstance(default, list):  # the CLI generates none
                assert getattr(made, name.replace("-", "_"))() == default
    files = [json.loads((burgee.folder / name).read_text())["flags"] for name in ("flags.json", "pulled.json")]
    assert files[0] == files[1]
