"""Rivals' own SDKs, each asked offline for generated flags; `requirements.txt` pins them, for a folder of their own.

python -m venv sdks && sdks/bin/pip install -r tests/suites/sdks/requirements.txt
BURGEE_SEED=7 BURGEE_SDKS=sdks/bin/python BURGEE_DIFFERENTIAL=200x1000 pytest -s tests/importers/test_*_sdk.py
"""
