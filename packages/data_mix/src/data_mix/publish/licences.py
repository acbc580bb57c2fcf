"""What must not be passed on: the gate that a public repository stands behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_mix.errors import PublishError
from data_mix.licence import redistribution
from data_mix.source import sources


def licence_stops(manifest: Mapping[str, Any]) -> list[str]:
    """Why a mix must not be passed on, a sentence for each entry and reason; empty where it may be.

    What `licence:` says counts for a file of one's own, and for a data set of the hub; of other sources upstream's does.
    """
    options = {name: each[name] or {} for each in manifest["mix"]["datasets"] for name in each}
    licences = {name: _binding(source, options.get(name, {})) for name, source in manifest["sources"].items()}
    return redistribution(licences)


def _binding(source: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """The licence that binds: the declared one, where the one who declares it can know better."""
    upstream = sources().get(source["source"])
    is_declared = upstream is None or upstream.origin is not None or bool(options.get("input_file_path"))
    return str(source["licence"]) if is_declared or upstream is None else upstream.licence


def check_public(stops: list[str], repo: str) -> None:
    """Raise PublishError where something stops a public repository."""
    if stops:
        raise PublishError(f"{repo} must not be public: {'; '.join(stops)}; or publish it without --public")
