"""The Node service's packages, installed once by npm and kept for later runs."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "telemetry.js", "business.js", "service.js")
INSTALLED_WITHIN = 240.0


def installed_service() -> Path:
    """Return a folder with the service and its packages.

    Raises:
        subprocess.CalledProcessError: npm cannot install what the lock names.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "specter-tests"
    content = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()
    folder = cache / f"node-service-{content[:16]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    # In a folder of its own, renamed when complete: another run may install at the same moment.
    scratch = Path(tempfile.mkdtemp(prefix=".installing-", dir=cache))
    for name in FILES:
        shutil.copy(HERE / name, scratch)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=INSTALLED_WITHIN)
    try:
        scratch.rename(folder)
    except OSError:
        shutil.rmtree(scratch)
    return folder
