"""The commands that publish a build or a model on the hub, and bring a published build back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_mix.cli.options import Json, Quiet, Without, Workers, cores, say_errors_only

if TYPE_CHECKING:
    from data_mix.publish.build_plan import Plan
    from data_mix.publish.sending import Outcome


class Format(StrEnum):
    """What the data files of a repository are."""

    parquet = "parquet"
    arrow = "arrow"


def publish(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A build folder, or a model's.")],
    repo: Annotated[str, typer.Option(metavar="ORG/NAME", help="The repository; it is created where there is none.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it.")] = False,
    without: Without = None,
    layout: Annotated[Format, typer.Option("--format", help="Parquet, for the hub's viewer, or the build's own Arrow.")] = (
        Format.parquet
    ),
    with_report: Annotated[
        bool, typer.Option("--with-report", help="Send report.html too; it shows conversations of every source.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; write nothing on the hub.")] = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Publish a build, or a model, on the hub.

    Private unless --public. What was current stays so until every file was sent and compared; the same again sends nothing.
    """
    from data_mix.errors import PublishError
    from data_mix.home import datamix_home
    from data_mix.publish.build_plan import CONVERTED
    from data_mix.publish.parquet import held_for_conversion
    from data_mix.publish.remote import Remote
    from data_mix.publish.sending import publish as send
    from data_mix.publish.token import token_in_hand
    from data_mix.terminal import print_json

    if quiet:
        say_errors_only()
    processes = workers or cores()
    with token_in_hand() as token:
        kind = _kind(folder)
        remote = Remote(repo, kind, token)
        if token is None and not dry_run:
            raise PublishError("there is no token of the hub; log in with `hf auth login` or set HF_TOKEN")
        _show_bars(wanted=not (quiet or as_json))
        with held_for_conversion(datamix_home() / CONVERTED):
            plan = _plan(folder, repo, without, layout.value, with_report=with_report, workers=processes)
            outcome = send(plan, remote, public=public, workers=processes, dry_run=dry_run)
    if as_json:
        print_json(_as_json(plan, outcome))
    elif not quiet:
        _print(plan, outcome)


def pull(
    place: Annotated[str, typer.Argument(metavar="ORG/NAME[@REV]", help="A published build; a branch, tag or commit of it.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The build folder.")],
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring a published build back as a build folder.

    One that was interrupted goes on where it was.
    """
    from data_mix.home import datamix_home
    from data_mix.publish.pulling import pull as bring
    from data_mix.terminal import print_counts, print_json, print_line, print_remarks, progress

    if quiet:
        say_errors_only()
    with progress(quiet=quiet or as_json) as report:
        pulled = bring(place, out, datamix_home(), workers=workers or cores(), report=report)
    if as_json:
        print_json({"out": str(out), "was_there": pulled.was_there, "other_bytes": pulled.other_bytes})
    elif not quiet:
        print_counts(pulled.build.manifest["sources"])
        print_remarks(pulled.build.manifest)
        for part in pulled.other_bytes:
            print_line(f"note: {part}: the published rows, in other bytes, as this pyarrow writes them", "dim")
        print_line(f"{out}: {'stood there already' if pulled.was_there else 'pulled'}")


def _kind(folder: Path) -> str:
    from data_mix.publish.model_plan import is_model

    return "model" if is_model(folder) else "dataset"


def _plan(folder: Path, repo: str, without: list[str] | None, layout: str, *, with_report: bool, workers: int) -> Plan:
    from data_mix.errors import UsageError
    from data_mix.home import datamix_home
    from data_mix.publish.build_plan import BuildOptions, plan_build
    from data_mix.publish.model_plan import plan_model

    if _kind(folder) == "model":
        if without or with_report:
            raise UsageError(f"{folder} is a model; --without and --with-report are for builds")
        return plan_model(folder, repo)
    options = BuildOptions(
        repo=repo,
        layout="arrow" if layout == "arrow" else "parquet",
        without=without or (),
        with_report=with_report,
        workers=workers,
    )
    return plan_build(folder, datamix_home(), options)


def _show_bars(*, wanted: bool) -> None:
    """Let huggingface_hub show how the upload goes, on a terminal only."""
    import sys

    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if not (wanted and sys.stderr.isatty()):
        disable_progress_bars()


def _as_json(plan: Plan, outcome: Outcome) -> dict[str, object]:
    return {
        "repo": plan.repo,
        "private": outcome.is_private,
        "commit": outcome.commit,
        "tag": plan.label,
        "files": [{"path": file.path, "bytes": file.size, "sha256": file.sha256} for file in plan.files.values()],
        "sent": [file.path for file in outcome.sent],
        "removed": list(outcome.removed),
        "licences": plan.stops,
    }


def _print(plan: Plan, outcome: Outcome) -> None:
    from data_mix.terminal import print_line, print_table

    if outcome.commit is None:
        rows: list[list[object]] = [[file.path, file.size] for file in outcome.sent]
        print_table(["would be sent", "bytes"], [*rows, ["in all", sum(file.size for file in outcome.sent)]], numbers=["bytes"])
    for path in outcome.removed:
        print_line(f"{'would be removed' if outcome.commit is None else 'removed'}: {path}", "dim")
    for stop in plan.stops:
        print_line(f"licence: {stop}", "yellow")
    print_line(_last_line(plan, outcome))


def _last_line(plan: Plan, outcome: Outcome) -> str:
    seen = "private" if outcome.is_private else "public"
    if outcome.commit is None:
        made = "" if outcome.exists else "; it would be created, unless it is there and hidden from you"
        return f"{plan.repo}: {seen}{made}; nothing was sent"
    if not outcome.sent and not outcome.removed:
        return f"{plan.repo}@{plan.label}: {seen}; all of it stands there already, nothing was sent"
    size = sum(file.size for file in outcome.sent)
    return f"{plan.repo}@{plan.label}: {seen}; {len(outcome.sent)} files, {size:,} bytes"
