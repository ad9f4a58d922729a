"""AWS Lambda: the evaluation routes, from the release that `make build` puts beside this file."""

from __future__ import annotations

from pathlib import Path

from burgee.serving import Serving
from burgee.snapshots import load_snapshot
from burgee.web.evaluation import evaluation_app
from burgee.web.gateway import gateway

_RELEASE = Path(__file__).with_name("release.json")
_bundled = load_snapshot(_RELEASE.read_bytes()) if _RELEASE.exists() else None

handler = gateway(evaluation_app(Serving(bundled=_bundled)))
