"""The command that checks the cards of a build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_mix.cli.options import Json


def check_card(
    place: Annotated[Path, typer.Argument(metavar="FOLDER", help="A build, what is published of one, or its README.md.")],
    as_json: Json = False,
) -> None:
    """Check README.md and croissant.json, without network.

    What the Hub would refuse, and what is not as the manifest and the files say, is a line each.
    """
    from data_mix.cards import check_card as problems_of
    from data_mix.terminal import print_json, print_line

    problems = problems_of(place)
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems or [f"{place}: its cards are what the Hub takes, and say what is there"]:
            print_line(problem)
    if problems:
        raise typer.Exit(1)
