"""Code without a settled flag does what it did with the flag: each shape is compiled, and runs before and after."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from burgee.accessors.flag_types import FlagType
from burgee.errors import Refused
from burgee.removal.rewriting import Answer
from burgee.removal.typescript_code import rewrite
from support.typescript_shapes import SHAPES

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = {
    "old": Answer("old", FlagType.BOOLEAN, "on", True),
    "off": Answer("old", FlagType.BOOLEAN, "off", False),
    "colour": Answer("colour", FlagType.STRING, "green", "green"),
    "retries": Answer("retries", FlagType.INTEGER, "few", -5),
    "none": Answer("none", FlagType.INTEGER, "none", 0),
    "limits": Answer("limits", FlagType.OBJECT, "large", {"cpu": 4, "zones": ["a"]}),
}
ENDLESS = {"a while loop that never runs"}
"""Shapes that run for ever while the flag is off."""
RUNNER = """
import { readdirSync } from 'node:fs';
const values = JSON.parse(process.argv[2]);
function client(asynchronous) {
  const ask = (details) => (flag, otherwise) => {
    const value = flag in values ? values[flag] : otherwise;
    const answer = details ? { value } : value;
    return asynchronous ? Promise.resolve(answer) : answer;
  };
  return new Proxy({}, { get: (_, name) => ask(name.endsWith('Details')) });
}
const found = {};
for (const file of readdirSync('out').filter((name) => name.endsWith('.js'))) {
  const [number, when, kind] = file.replace('.js', '').split('_');
  found[`${number}_${when}`] = [];
  for (const x of [0, 1, 2, 3]) {
    const { run, log } = await import(`./out/${file}`);
    log.length = 0;
    let result;
    const asked = client(kind === 'async');
    const left = (type) => (flag, otherwise) => {
      if (flag in values) throw new Error('the flag is gone');
      return asked[`get${type}Value`](flag, otherwise);
    };
    const types = ['Boolean', 'String', 'Number', 'Object'];
    const without = Object.fromEntries(types.map((type) => [`get${type}Value`, left(type)]));
    const one = when === 'before' ? asked : without;
    try { result = await run(one, x); } catch (error) { result = [error.name, error.message]; }
    found[`${number}_${when}`].push(JSON.stringify([result === undefined ? 'undefined' : result, log]));
  }
}
console.log(JSON.stringify(found));
"""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no Node here; CI has it")
    folder = tmp_path_factory.mktemp("removal")
    (folder / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "typescript@7.0.2"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the compiler: {installed.stderr[:200]}")
    return folder


def outcomes(folder: Path, shapes: dict[str, tuple[str, str, bool]], answer: Answer | None) -> dict[str, list[str]]:
    """What all shapes return and call, before and after."""
    shutil.rmtree(folder / "src", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "src").mkdir()
    values: dict[str, Any] = {}
    for number, (flag, code, asynchronous) in enumerate(shapes.values()):
        one = answer or ANSWERS[flag]
        values[one.flag] = one.value
        kind = "async" if asynchronous else "sync"
        text = code + ("// '@openfeature/server-sdk'\n" if asynchronous else "")
        made = rewrite(text, one, jsx=True)
        assert made.refusals == [], code
        assert made.uses > 0
        (folder / f"src/{number}_before_{kind}.tsx").write_text(text, encoding="utf-8")
        (folder / f"src/{number}_after_{kind}.tsx").write_text(made.text, encoding="utf-8")
    options = {"target": "es2022", "module": "nodenext", "jsx": "react", "jsxFactory": "h", "outDir": "out"}
    config = {"compilerOptions": {**options, "rootDir": "src", "types": []}, "include": ["src"]}
    (folder / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "runner.mjs").write_text(RUNNER, encoding="utf-8")
    compiled = subprocess.run(["npx", "tsc", "-p", "."], cwd=folder, capture_output=True, text=True, check=False)
    assert not compiled.stdout, compiled.stdout
    command = ["node", "runner.mjs", json.dumps(values)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("which", [None, "off"])
def test_every_shape_does_the_same_without_the_flag(compiler: Path, which: str | None) -> None:
    chosen = {name: one for name, one in SHAPES.items() if which is None or (one[0] == "old" and name not in ENDLESS)}
    assert len(chosen) >= 40
    found = outcomes(compiler, chosen, None if which is None else ANSWERS[which])
    for number, (name, (flag, code, _)) in enumerate(chosen.items()):
        before, after = found[f"{number}_before"], found[f"{number}_after"]
        text = rewrite(code, ANSWERS[which or flag], jsx=True).text
        assert after == before, f"{name}: {text}"


def test_dead_branches_leave_no_trace_and_layout_stays() -> None:
    made = rewrite(SHAPES["early return"][1], ANSWERS["old"], jsx=True).text
    body = made[made.index("export function run") :]
    assert body == "export function run(client, x) {\n  return fresh(x);\n}\n"
    made = rewrite(SHAPES["no else"][1], ANSWERS["old"], jsx=True).text
    assert "  const total = [x];\n  total.push(1);\n  // and\n  total.push(2);\n  return total;\n" in made
    made = rewrite(SHAPES["a hook"][1], ANSWERS["old"], jsx=True).text
    assert "return <b hidden={false}>{fresh(x)}</b>;" in made
    assert "<i>" not in made
    made = rewrite(SHAPES["an element that is shown"][1], ANSWERS["old"], jsx=True).text
    assert '<div id="a"><b>{x}</b></div>' in made


def test_a_file_that_does_not_parse_is_refused() -> None:
    with pytest.raises(Refused, match="does not parse"):
        rewrite("if (", ANSWERS["old"], jsx=False)


def test_no_shape_is_there_twice() -> None:
    codes = [re.sub(r"\s+", " ", code) for _, code, _ in SHAPES.values()]
    assert len(set(codes)) == len(codes)
