"""Where Arrow's memory comes from: the system, for a while, unless the user has chosen."""

from __future__ import annotations

import pyarrow as pa
import pytest

from data_mix.memory import system_memory


def test_arrow_s_pool_is_the_system_s_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile Arrow allocates by the system; afterwards, an error or not, as before."""
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    before = pa.default_memory_pool().backend_name
    with pytest.raises(ValueError, match="ends it"), system_memory():
        assert pa.default_memory_pool().backend_name == "system"
        raise ValueError("ends it")
    assert pa.default_memory_pool().backend_name == before


def test_a_pool_that_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a pool in the environment keeps it."""
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "mimalloc")
    before = pa.default_memory_pool().backend_name
    with system_memory():
        assert pa.default_memory_pool().backend_name == before
