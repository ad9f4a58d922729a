"""The generated TypeScript modules, compiled by tsc and asked of a live service through the stock providers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.accessors.modules import typed_flags
from burgee.accessors.typescript_module import RESERVED, Sdk, generate
from burgee.cli.commands import code
from support.accessors import LATER, VALUES, flag_file, odd_flags
from support.serve import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cli import Burgee

PAGE = Path(__file__).parents[2] / "docs/testing.md"
PACKAGES = {
    "typescript": "7.0.2",
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "@types/react": "19.3.0",
    "@types/react-dom": "19.3.0",
    "@types/node": "26.6.6",
    "@openfeature/core": "1.12.0",
    "@openfeature/server-sdk": "1.23.0",
    "@openfeature/web-sdk": "1.10.0",
    "@openfeature/react-sdk": "1.4.1",
    "@openfeature/ofrep-core": "0.1.4",
    "@openfeature/ofrep-provider": "0.1.3",
    "@openfeature/ofrep-web-provider": "0.4.3",
}
OPTIONS = {
    "strict": True,
    "noUnusedLocals": True,
    "noImplicitReturns": True,
    "noUncheckedIndexedAccess": True,
    "skipLibCheck": True,
    "noEmitOnError": True,
    "module": "nodenext",
    "target": "es2022",
    "lib": ["es2022", "dom"],
    "types": ["node"],
    "outDir": "out",
}
ASKED = ["beta", "checkoutColour", "retries", "rate", "uploadLimits", "hosts"]
SERVER = """
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import * as flags from './flags.js';
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.argv[2]! }));
(await flags.checkoutColour()) satisfies '#00a' | '#0"a0';
const found: unknown[] = [];
for (const want of WANTS) {
  const context = { targetingKey: 'ada', want };
  found.push([ASKED, await flags.nameless('y', context)]);
}
console.log(JSON.stringify(found));
process.exit(0);
"""
WEB = """
import { OpenFeature } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import * as flags from './flags.js';
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: process.argv[2]!, cacheMode: 'disabled' }));
const found: unknown[] = [];
for (const want of WANTS) {
  await OpenFeature.setContext({ targetingKey: 'ada', want });
  found.push([ASKED, flags.nameless('y')]);
}
console.log(JSON.stringify(found));
process.exit(0);
"""
REACT = """
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { OpenFeature, OpenFeatureProvider } from '@openfeature/react-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import * as flags from './flags.js';
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: process.argv[2]!, cacheMode: 'disabled' }));
const found: unknown[] = [];
function Shop() {
  found.push([ASKED, flags.useNameless('y')]);
  return null;
}
for (const want of WANTS) {
  await OpenFeature.setContext({ targetingKey: 'ada', want });
  renderToString(createElement(OpenFeatureProvider, null, createElement(Shop)));
}
console.log(JSON.stringify(found));
process.exit(0);
"""
CALLS: dict[Sdk, tuple[str, Callable[[str], str]]] = {
    Sdk.SERVER: (SERVER, lambda name: f"await flags.{name}(context)"),
    Sdk.WEB: (WEB, lambda name: f"flags.{name}()"),
    Sdk.REACT: (REACT, lambda name: f"flags.use{name[0].upper()}{name[1:]}()"),
}
WANTS = ["on", *(variant for values in VALUES.values() for variant in values)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiler and the SDKs."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no Node here; CI has it")
    folder = tmp_path_factory.mktemp("node")
    package = {"private": True, "type": "module", "dependencies": PACKAGES}
    (folder / "package.json").write_text(json.dumps(package), encoding="utf-8")
    (folder / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": OPTIONS, "files": ["main.ts"]}), encoding="utf-8"
    )
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the SDKs: {installed.stderr[:200]}")
    return folder


def compiled(node: Path) -> list[str]:
    """What tsc says."""
    ran = subprocess.run(["npx", "tsc", "-p", "."], cwd=node, capture_output=True, text=True, check=False)
    return ran.stdout.splitlines()


def program(sdk: Sdk) -> str:
    text, call = CALLS[sdk]
    asked = ", ".join(call(name) for name in ASKED)
    return text.replace("ASKED", asked).replace("WANTS", json.dumps(WANTS))


def answers(want: str) -> list[Any]:
    """What a user with this wish gets."""
    return [want == "on", *(values.get(want, next(iter(values.values()))) for values in VALUES.values())]


@pytest.mark.parametrize("sdk", list(Sdk))
def test_every_variant_of_every_type_arrives_through_the_stock_provider(node: Path, burgee: Burgee, sdk: Sdk) -> None:
    burgee.write(flag_file())
    out = str(node / "flags.ts")
    assert burgee("generate", "typescript", "--sdk", sdk, "--out", out).code == 0
    assert burgee("generate", "typescript", "--sdk", sdk, "--out", out, "--check").code == 0
    (node / "main.ts").write_text(program(sdk), encoding="utf-8")
    assert compiled(node) == []
    with serving(burgee.folder) as server:
        assert asked(node, server.url) == [[*answers(want), "x"] for want in WANTS]
    burgee.write(LATER)
    with serving(burgee.folder) as server:
        expected = [False, "#00a", 1, 1, {"megabytes": 5}, ["a"], "y"]
        assert asked(node, server.url) == [expected] * len(WANTS)


def asked(node: Path, url: str) -> Any:
    ran = subprocess.run(
        ["node", "out/main.js", url], cwd=node, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_what_is_wrong_or_gone_is_a_compile_error_where_it_stands(node: Path, burgee: Burgee) -> None:
    burgee.write(flag_file())
    assert burgee("generate", "typescript", "--out", str(node / "flags.ts")).code == 0
    lines = [
        "import * as flags from './flags.js';",
        "await flags.chekoutColour();",
        "if ((await flags.checkoutColour()) === 'red') console.log();",
        "await flags.nameless();",
        "await flags.nameless('z');",
        "(await flags.uploadLimits()).gigabytes;",
        "await flags.beta();",
    ]
    (node / "main.ts").write_text("\n".join(lines), encoding="utf-8")
    assert [line.partition(",")[0] for line in compiled(node)] == [f"main.ts({number}" for number in range(2, 7)]


@pytest.mark.parametrize("sdk", list(Sdk))
def test_odd_names_texts_values_and_schemas_compile(node: Path, sdk: Sdk) -> None:
    (node / "flags.ts").write_text(generate(typed_flags(odd_flags(1))[0], {}, sdk), encoding="utf-8")
    (node / "main.ts").write_text("import * as flags from './flags.js';\nconsole.log(flags);\n", encoding="utf-8")
    assert compiled(node) == []


def test_what_people_wrote_ends_no_comment_and_no_string(node: Path) -> None:
    text = "*/ evil() /*\u2028 ` ${evil()} \u202e\" ' */ \\"
    definition = {"description": text, "variants": {"a": text, "b": "x"}, "off_variant": "a"}
    inherited: dict[str, Any] = {"variants": {"a": {"__proto__": {"admin": True}}}, "off_variant": "a"}
    made = generate(typed_flags({"f": [definition], "g": [inherited]})[0], {}, Sdk.SERVER)
    assert "\u202e" not in made
    (node / "flags.ts").write_text(made, encoding="utf-8")
    program = (
        "import * as flags from './flags.js';\nconsole.log(JSON.stringify([await flags.f(), await flags.g()]));\n"
    )
    (node / "main.ts").write_text(program, encoding="utf-8")
    assert compiled(node) == []
    assert asked(node, "") == [text, {"__proto__": {"admin": True}}], "without a provider the default"


def test_the_page_on_tests_sets_flags_while_a_function_runs(node: Path, burgee: Burgee) -> None:
    burgee.write(flag_file())
    assert burgee("generate", "typescript", "--out", str(node / "flags.ts")).code == 0
    (snippet,) = re.findall(r"^```ts\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (node / "with_flags.ts").write_text(snippet, encoding="utf-8")
    lines = [
        "import * as flags from './flags.js';",
        "import { withFlags } from './with_flags.js';",
        "const limit = async () => (await flags.uploadLimits()).megabytes;",
        "const all = async () => [await flags.retries(), await flags.beta(), await limit()];",
        "const set = { retries: -5, beta: true, upload_limits: { megabytes: 7 } };",
        "console.log(JSON.stringify([await withFlags(set, all), await all()]));",
    ]
    (node / "main.ts").write_text("\n".join(lines), encoding="utf-8")
    assert compiled(node) == []
    assert asked(node, "") == [[-5, True, 7], [1, False, 5]]


def test_a_settled_flag_is_deprecated() -> None:
    made = generate(typed_flags({"old": [{"status": True}], "class": [{}]})[0], {"old": "2026-01-02"}, Sdk.WEB)
    assert " * @deprecated `old` has given everyone one answer since 2026-01-02: put it into" in made
    assert "function class_(" in made
    assert "class" in RESERVED


def test_the_command_offers_every_sdk() -> None:
    assert [str(one) for one in code.Sdk] == [str(one) for one in Sdk]
