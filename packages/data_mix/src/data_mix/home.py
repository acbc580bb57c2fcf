"""Where datamix keeps what it makes: $DATAMIX_HOME, else ~/.cache/datamix.

$DATAMIX_HOME/builds/NAME   builds for which nobody named a folder, by the section that holds their mix
"""

from __future__ import annotations

import os
from pathlib import Path


def datamix_home() -> Path:
    """The folder that holds caches and builds."""
    return Path(os.environ.get("DATAMIX_HOME") or "~/.cache/datamix").expanduser()


def default_build(name: str, data_path: str | None, home: Path) -> Path:
    """Where a build stands: the mix's `data_path`, else below `home` by the mix's name."""
    return Path(data_path).expanduser() if data_path else home / "builds" / name
