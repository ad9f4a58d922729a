"""The collector while a function starts, and after."""

from __future__ import annotations

import subprocess
import sys

from support.lambda_runtime import FUNCTIONS

CODE = """
import gc, sys, burgee, typing
passes = []
# Compiling the handler and the startup module, where there is no byte code yet, comes before the latter's first line.
begun = lambda: hasattr(sys.modules.get("burgee.handlers.startup"), "gc")
gc.callbacks.append(lambda phase, _: passes.append(phase) if begun() else None)
import burgee.handlers.{handler}
assert not passes, passes
assert gc.isenabled()
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
"""


def test_nothing_is_collected_while_the_evaluation_function_is_imported_and_all_is_spared_after() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CODE.format(handler="evaluate")],
        cwd=FUNCTIONS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


TLS = """
import sys, burgee.handlers.evaluate
assert "ssl" not in sys.modules, "asyncio loads TLS"
import ssl, http.client, asyncio
assert http.client.HTTPSConnection(host="localhost")._context.verify_mode is ssl.CERT_REQUIRED
assert asyncio.sslproto.ssl is None
"""


def test_tls_is_loaded_by_what_reads_a_table_and_not_before() -> None:
    ran = subprocess.run([sys.executable, "-c", TLS], cwd=FUNCTIONS, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_mangum_that_needs_more_than_typing_gets_the_library() -> None:
    code = """
import sys, typing
held = typing.TypedDict
del typing.TypedDict
import burgee.handlers.startup
assert not {"mangum", "typing_extensions"} & sys.modules.keys()
typing.TypedDict = held
import burgee.handlers.evaluate
assert "typing_extensions" in sys.modules
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=FUNCTIONS, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
