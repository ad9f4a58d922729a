"""The in-process provider on a file, behind a client of the OpenFeature SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

if TYPE_CHECKING:
    from openfeature.client import OpenFeatureClient

    from burgee.openfeature import BurgeeProvider

FILE = """\
version: 1
environments: [production]
segments:
  staff: {when: {email: {ends_with: "@x.com"}}}
flags:
  flag: {status: on, owner: team, environments: {production: {status: off}}}
  text: {status: on, variants: {v: hello}, default: {serve: v}}
  whole: {status: on, variants: {v: 5}, default: {serve: v}}
  real: {status: on, variants: {v: 5.0, w: 1}, default: {serve: w}}
  object: {status: on, variants: {v: {a: [1, 2]}}, default: {serve: v}}
  list: {status: on, variants: {v: [1]}, default: {serve: v}}
  nothing: {status: off, variants: {v: 1}, default: {serve: v}}
  half: {status: on, rollout_percentage: 50}
  late: {status: on, rules: [{when: {joined: {after: "2027-01-01T00:00:00Z"}}}], default: {serve: off}}
  ruled:
    status: on
    variants: {free: a, pro: b, staff: c}
    rules:
      - {name: pros, when: {plan: pro}, serve: pro}
      - {name: staff, when: {segment: staff}, split: {free: 1, staff: 2}}
    default: {serve: free}
"""
ADA = EvaluationContext("ada", {"plan": "pro"})


def client_of(provider: BurgeeProvider) -> OpenFeatureClient:
    api.set_provider_and_wait(provider)
    return api.get_client()
