"""Answers of a rival's SDK, run by a Python that has it: `python answers.py ENGINE < asked.json`.

Reads `{file, flags, contexts}` and prints a list of answers for each flag, one a line. Imports nothing of ours.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any


def launchdarkly(asked: dict[str, Any]) -> Any:
    """Variation numbers; None where it gives no variation."""
    ldclient, config = import_module("ldclient"), import_module("ldclient.config")
    files = import_module("ldclient.integrations").Files
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        path.write_text(json.dumps(asked["file"]), encoding="utf-8")
        source = files.new_data_source(paths=[str(path)])
        settings = config.Config("none", update_processor_class=source, send_events=False, diagnostic_opt_out=True)
        client = ldclient.LDClient(config=settings, start_wait=20)
    contexts = [ldclient.Context.from_dict(one) for one in asked["contexts"]]
    for name in asked["flags"]:
        yield [client.variation_detail(name, one, None).variation_index for one in contexts]
    client.close()


def unleash(asked: dict[str, Any]) -> Any:
    """Whether each is enabled, and the name of its variant."""
    client, cache = import_module("UnleashClient").UnleashClient, import_module("UnleashClient.cache").FileCache
    held = cache("burgee", directory=tempfile.mkdtemp())
    held.bootstrap_from_dict(asked["file"])
    quiet = {"disable_metrics": True, "disable_registration": True, "cache": held}
    engine = client("http://127.0.0.1:9/api", "burgee", **quiet)
    engine.initialize_client(fetch_toggles=False)
    for name in asked["flags"]:
        answers = [engine.get_variant(name, one) for one in asked["contexts"]]
        yield [[one["feature_enabled"], one["name"] if one["enabled"] else None] for one in answers]
    engine.destroy()


def growthbook(asked: dict[str, Any]) -> Any:
    """Values."""
    module, file = import_module("growthbook"), asked["file"]
    client = module.GrowthBook(features=file["features"], saved_groups=file["savedGroups"])
    for name in asked["flags"]:
        answers = []
        for one in asked["contexts"]:
            client.set_attributes(one)
            answers.append(client.eval_feature(name).value)
        yield answers


ENGINES = {"growthbook": growthbook, "launchdarkly": launchdarkly, "unleash": unleash}


def main() -> None:
    logging.disable(logging.CRITICAL)
    for answers in ENGINES[sys.argv[1]](json.load(sys.stdin)):
        print(json.dumps(answers))


if __name__ == "__main__":
    main()
