"""`datamix serve`: an address on this machine, and a quiet end."""

from __future__ import annotations

import re
import signal
import urllib.request
from pathlib import Path

from commands import Shell


def test_it_says_its_address_and_ends_quietly(sample_shell: Shell, sample_build: Path) -> None:
    """The address that is printed answers; Ctrl-C ends the command with 0 and no word."""
    with sample_shell.start("serve", sample_build) as process:
        assert process.stdout
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert address
        with urllib.request.urlopen(address.group(), timeout=20) as page:
            assert b"datamix report" in page.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_folder_that_is_no_build_is_refused(sample_shell: Shell, tmp_path: Path) -> None:
    """Nothing is served of a folder without a manifest."""
    assert "it is no finished build" in sample_shell.refused("serve", tmp_path)


def test_an_address_of_a_network_is_refused(sample_shell: Shell, sample_build: Path) -> None:
    """A build is not served to others, and the line says which address would do."""
    done = sample_shell.run("serve", sample_build, "--host", "0.0.0.0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "wanted 127.0.0.1" in done.stderr
