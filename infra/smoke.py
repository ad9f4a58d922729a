"""Starts `burgee serve` in a new repository and asks it for a flag: what must work on every desk."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PORT = 8123
PATIENCE_SECONDS = 60


def main() -> int:
    """Returns 0 if the service answered with the flag's value."""
    command = [sys.executable, "-c", "from burgee.cli import main; main()"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        subprocess.run([*command, "init", "--no-ci"], cwd=folder, check=True)  # noqa: S603 - fixed arguments
        subprocess.run([*command, "lint"], cwd=folder, check=True)  # noqa: S603 - as above
        server = subprocess.Popen([*command, "serve", "--port", str(PORT)], cwd=folder)  # noqa: S603 - as above
        try:
            answer = ask(f"http://127.0.0.1:{PORT}/users/ada/flags/welcome_banner")
        finally:
            server.terminate()
            server.wait(20)
    print(json.dumps(answer), Path(sys.executable).name)  # noqa: T201 - its purpose
    return 0 if answer["value"] is True else 1


def ask(url: str) -> dict[str, object]:
    """The answer, as soon as the service gives one."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - loopback
                answer: dict[str, object] = json.load(response)
                return answer
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
