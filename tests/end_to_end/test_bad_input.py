"""Bad input, row by row of the design's table: one line with file and place, exit code 1, nothing left that looks whole."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from commands import Shell, section
from data_mix.steps.output import locked
from hub_server import HubServer

RECORDS = [
    {"id": str(number), "prompt": f"question {number}", "response": f"answer {number}", "lang": "en"} for number in range(50)
]
LINES = [json.dumps(record).encode() for record in RECORDS]
WHOLE = b"\n".join(LINES) + b"\n"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A working directory with a mix of one private file, `own.jsonl`."""
    section(tmp_path, "own:\n  datasets:\n    - own: {type: conversations, input_file_path: own.jsonl}\n")
    return Shell(cwd=tmp_path, home=tmp_path / "home")


def refused(shell: Shell, data: bytes, *arguments: str, name: str = "own") -> str:
    """The line that is said when a build on these raw bytes is refused; no folder is then left."""
    (shell.cwd / "own.jsonl").write_bytes(data)
    line = shell.refused("build", "--configs", name, "-o", "out", *arguments)
    assert not (shell.cwd / "out").exists()
    assert not list(shell.home.rglob("rows.arrow"))
    return line


# ---- raw files that are broken as a whole ----


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("on_bad_record", ["error", "drop"])
def test_a_truncated_compressed_file_is_refused(shell: Shell, compress: Callable[[bytes], bytes], on_bad_record: str) -> None:
    """A compressed file that ends too soon is an error, whatever is said of bad records."""
    data = compress(os.urandom(30_000).hex().encode() + b"\n" + WHOLE)
    assert "own.jsonl" in refused(shell, data[: len(data) // 2], "--datasets.own.on_bad_record", on_bad_record)


def test_a_compression_bomb_is_refused(shell: Shell) -> None:
    """A small file that unpacks to a huge one is an error, before it fills memory or disk."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(2100):
            file.write(b" " * 1_000_000)
    assert "own.jsonl" in refused(shell, packed.getvalue())


def hub_file(shell: Shell, text: str) -> None:
    """A mix of one raw file by the source `hub`."""
    section(shell.cwd, f"table:\n  datasets:\n    - own: {{type: hub, input_file_path: own.jsonl, {text}}}\n", "table.yaml")


def parquet(**columns: list[object]) -> bytes:
    """A Parquet file with these columns."""
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def test_a_truncated_parquet_file_is_refused(shell: Shell) -> None:
    """A Parquet file without its end is an error that names it."""
    hub_file(shell, "columns: {prompt: q, response: a}")
    assert "own.jsonl" in refused(shell, parquet(q=["x"] * 99, a=["y"] * 99)[:-50], name="table")


def test_a_missing_column_is_refused_by_name(shell: Shell) -> None:
    """A column that a table lacks is named, with the nearest that it has."""
    hub_file(shell, "columns: {prompt: question, response: a}")
    line = refused(shell, parquet(questions=["x"], a=["y"]), name="table")
    assert "'question'" in line
    assert "questions" in line


@pytest.mark.parametrize("name", ["/etc/passwd", "../../climb.zip", "XML_releases/../../x.zip"])
def test_an_archive_member_that_leaves_its_folder_is_refused(shell: Shell, name: str) -> None:
    """An archive with an absolute or climbing member is an error that names both, and nothing is written there."""
    ted = refused(shell, archive(tarfile.TarInfo(name)), name=ted_section(shell))
    assert "own.jsonl" in ted
    assert name in ted


def test_an_archive_member_that_is_a_link_is_refused(shell: Shell) -> None:
    """A link in an archive is an error, wherever it points."""
    link = tarfile.TarInfo("XML_releases/xml/ted_en-20160408.zip")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    assert link.name in refused(shell, archive(link), name=ted_section(shell))


def ted_section(shell: Shell) -> str:
    """A mix of the TED source over `own.jsonl`; its name."""
    section(shell.cwd, "ted:\n  datasets:\n    - ted_trans_en-ja: {input_file_path: own.jsonl}\n", "ted.yaml")
    return "ted"


def archive(*members: tarfile.TarInfo) -> bytes:
    """A tar.gz with these members, without contents."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member)
    return file.getvalue()


def test_a_truncated_archive_is_refused(shell: Shell) -> None:
    """A TED archive that ends too soon is an error that names it."""
    samples = Path(__file__).parents[2] / "packages/data_mix/src/data_mix/samples"
    whole = (samples / "ted_trans/data/XML_releases.tgz").read_bytes()
    assert "own.jsonl" in refused(shell, whole[: len(whole) // 2], name=ted_section(shell))


# ---- records that are broken ----

BAD = {
    "not UTF-8": b'{"prompt": "\xff", "response": "a"}',
    "not JSON": b'{"prompt": "a", ',
    "not an object": b'"a"',
    "of the wrong type": b'{"prompt": 5, "response": "a"}',
    "of an unknown shape": b'{"question_text": "a"}',
    "too long": b'{"prompt": "' + b"a" * 3000 + b'", "response": "a"}',
}


@pytest.mark.parametrize("record", BAD.values(), ids=BAD.keys())
def test_a_bad_record_is_refused_with_its_line(shell: Shell, record: bytes) -> None:
    """A broken record ends the build with the file and the line, counted from 1."""
    data = b"\n".join([*LINES[:16], record, *LINES[16:]])
    assert refused(shell, data, "--max_record_bytes", "2000").startswith("datamix: own.jsonl:17: ")


@pytest.mark.parametrize("record", BAD.values(), ids=BAD.keys())
def test_a_bad_record_can_be_a_counted_drop(shell: Shell, record: bytes) -> None:
    """Under `on_bad_record: drop` a broken record is one drop, and the others are kept."""
    (shell.cwd / "own.jsonl").write_bytes(b"\n".join([*LINES[:16], record, *LINES[16:]]))
    manifest = shell.build(
        shell.cwd / "out", "--configs", "own", "--max_record_bytes", "2000", "--datasets.own.on_bad_record", "drop"
    )
    rows = manifest["sources"]["own"]["rows"]
    assert (rows["read"], rows["dropped"]) == (51, {"bad_record": 1})


def node(name: str, role: str = "prompter", **more: object) -> dict[str, object]:
    """A flat message of an OpenAssistant export."""
    return {
        "message_id": name,
        "message_tree_id": "t",
        "tree_state": "ready_for_export",
        "role": role,
        "text": name,
        "lang": "en",
    } | more


TREES = {
    "cycle": [node("t"), node("a", "assistant", parent_id="b"), node("b", parent_id="a")],
    "orphan": [node("t"), node("a", "assistant", parent_id="gone")],
    "broken roles": [node("t"), node("a", parent_id="t")],
}


@pytest.mark.parametrize("messages", TREES.values(), ids=TREES.keys())
def test_a_broken_tree_is_refused_with_its_place(shell: Shell, messages: list[dict[str, object]]) -> None:
    """A tree with a cycle, an orphan or broken roles ends the build with file and line."""
    section(shell.cwd, "trees:\n  datasets:\n    - oasst_export: {input_file_path: own.jsonl}\n", "trees.yaml")
    data = "\n".join(json.dumps(message) for message in messages).encode()
    assert refused(shell, data, name="trees").startswith("datamix: own.jsonl:")


def test_rows_that_the_stages_refuse_are_counted(shell: Shell) -> None:
    """Empty turns, broken alternation and repeated conversations are drops with their reasons, not errors."""
    odd: list[dict[str, object]] = [
        {"prompt": "a", "response": " "},
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": "c"},
            ]
        },
        {**RECORDS[0], "id": "again"},
    ]
    (shell.cwd / "own.jsonl").write_bytes(WHOLE + b"\n".join(json.dumps(record).encode() for record in odd))
    dropped = shell.build(shell.cwd / "out", "--configs", "own")["sources"]["own"]["rows"]["dropped"]
    assert dropped == {"broken_alternation": 1, "duplicate": 1, "empty_turn": 1}


# ---- the hub ----


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A hub's folder with one data set of one file, and a section that reads it."""
    path = tmp_path / "hub/datasets/me/mine/data/train-00000.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(WHOLE)
    section(
        tmp_path,
        "mine:\n  datasets:\n    - mine: {type: hub, repo: me/mine, columns: {prompt: prompt, response: response}}\n",
        "hub.yaml",
    )
    return tmp_path / "hub"


FAULTS = {
    "408": {"status": 408},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "0"}},
    "503": {"status": 503},
    "cut body": {"cut": 100},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_of_the_hub_is_waited_out(shell: Shell, served: Path, fault: dict[str, object]) -> None:
    """A hub that fails once is asked again, and the build ends well."""
    with HubServer(served) as hub:
        hub.fail("train-00000.jsonl", times=1, **fault)
        there = Shell(cwd=shell.cwd, home=shell.home, endpoint=hub.url)
        assert there.build(shell.cwd / "out", "--configs", "mine")["sources"]["mine"]["rows"]["read"] == 50


REFUSALS = {"401": {"status": 401}, "403": {"status": 403}, "404": {"status": 404}}


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_of_the_hub_is_said_with_what_to_do(shell: Shell, served: Path, fault: dict[str, object]) -> None:
    """No access and no such file are errors that name the file and the next step."""
    with HubServer(served) as hub:
        hub.fail("train-00000.jsonl", times=99, **fault)
        hub.fail("train-00000.jsonl", times=99, method="HEAD", **fault)
        there = Shell(cwd=shell.cwd, home=shell.home, endpoint=hub.url)
        assert "me/mine" in there.refused("build", "--configs", "mine", "-o", "out")


def test_no_network_is_said_in_one_line(shell: Shell, served: Path) -> None:
    """A hub that cannot be reached is an error, and so is offline mode without the file."""
    offline = Shell(cwd=shell.cwd, home=shell.home, variables={"HF_HUB_OFFLINE": "1"})
    assert "me/mine" in offline.refused("build", "--configs", "mine", "-o", "out")


# ---- the place to write ----


def test_a_file_size_limit_ends_the_build_at_once(shell: Shell) -> None:
    """When no more can be written, the line names the file and no manifest stands."""
    (shell.cwd / "own.jsonl").write_bytes(
        b"\n".join(json.dumps(RECORDS[0] | {"id": str(n), "prompt": str(n) * 500}).encode() for n in range(900))
    )
    limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "-"]
    done = shell.run_through(limited, "build", "--configs", "own", "-o", "out")
    assert done.returncode == 1
    assert done.stderr.startswith("datamix: cannot write ")
    assert not (shell.cwd / "out/manifest.json").exists()


def test_a_path_through_a_file_is_refused(shell: Shell) -> None:
    """An output below a file is an error that names it."""
    (shell.cwd / "own.jsonl").write_bytes(WHOLE)
    assert "own.jsonl/out" in shell.refused("build", "--configs", "own", "-o", "own.jsonl/out")


def test_a_path_that_is_too_long_is_refused(shell: Shell) -> None:
    """An output whose name is too long is an error, not a traceback."""
    (shell.cwd / "own.jsonl").write_bytes(WHOLE)
    assert "too long" in shell.refused("build", "--configs", "own", "-o", "x" * 300)


def test_a_second_build_of_the_same_folder_is_refused(shell: Shell) -> None:
    """Two builds into one folder at once: the second says so and touches nothing."""
    (shell.cwd / "own.jsonl").write_bytes(WHOLE)
    with locked(shell.cwd / "out"):
        assert "another build is writing it" in shell.refused("build", "--configs", "own", "-o", "out")


def test_a_folder_of_a_newer_format_is_refused(shell: Shell) -> None:
    """No command reads or overwrites a build of a newer format."""
    (shell.cwd / "own.jsonl").write_bytes(WHOLE)
    shell.build(shell.cwd / "out", "--configs", "own")
    manifest = json.loads((shell.cwd / "out/manifest.json").read_text())
    (shell.cwd / "out/manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    for command in (["inspect", "out"], ["verify", "out"], ["build", "--configs", "own", "-o", "out"]):
        assert "format version 99" in shell.refused(*command)


# ---- the configuration ----

CONFIGS = {
    "unknown section": ("a:\n  datasets: [gsm8k]\n", ["--configs", "aa"], ["'aa'", "a"]),
    "unknown key": ("a:\n  datasest: [gsm8k]\n", ["--configs", "a"], ["mix.yaml:2", "datasest", "datasets"]),
    "unknown source": ("a:\n  datasets:\n    - gsm9k\n", ["--configs", "a"], ["mix.yaml:3", "gsm9k", "gsm8k"]),
    "unknown option": (
        "a:\n  datasets:\n    - gsm8k:\n        max_train: 5\n",
        ["--configs", "a"],
        ["mix.yaml:4", "max_train", "max_train_set"],
    ),
    "wrong type": (
        "a:\n  datasets:\n    - gsm8k:\n        val_split: much\n",
        ["--configs", "a"],
        ["mix.yaml:4", "val_split", "much"],
    ),
    "missing file": (
        "a:\n  datasets:\n    - ikala:\n        input_file_path: gone.jsonl\n",
        ["--configs", "a"],
        ["gone.jsonl", "--without ikala"],
    ),
    "name twice": ("a:\n  datasets: [gsm8k, gsm8k]\n", ["--configs", "a"], ["gsm8k", "name:"]),
    "broken YAML": ("a:\n  datasets: [gsm8k\n", ["--configs", "a"], ["mix.yaml"]),
    "path as name": ("a:\n  datasets:\n    - gsm8k: {name: ../../x}\n", ["--configs", "a"], ["../../x"]),
}


@pytest.mark.parametrize(("text", "arguments", "said"), CONFIGS.values(), ids=CONFIGS.keys())
def test_a_wrong_configuration_is_refused_with_its_place(
    tmp_path: Path, text: str, arguments: list[str], said: list[str]
) -> None:
    """A mistake in a section is one line with file, line, key and the nearest known name."""
    section(tmp_path, text)
    line = Shell(cwd=tmp_path, home=tmp_path / "home").refused("build", "-o", "out", *arguments)
    assert [part for part in said if part not in line] == []
    assert not (tmp_path / "out").exists()
