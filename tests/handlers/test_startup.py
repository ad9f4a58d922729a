"""The collector while a function starts, and after."""

from __future__ import annotations

import subprocess
import sys

from support.lambda_runtime import FUNCTIONS

CODE = """
import gc, sys, burgee, typing
passes = []
# Compiling the handler itself, where there is no byte code yet, comes before its first import.
gc.callbacks.append(lambda phase, _: passes.append(phase) if "burgee.handlers.startup" in sys.modules else None)
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
