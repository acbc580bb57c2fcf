"""The commands that show a build in a browser: a page as a file, and the same page served with every row."""

from __future__ import annotations

from typing import Annotated

import typer

from data_mix.cli.options import Out

Open = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]


def report(out: Out, open_: Open = False) -> None:
    """Write OUT/report.html, to look at a build.

    One file that loads nothing: figures, and a sample of conversations to read. Lengths are in tokens where token shards lie
    beside the build.
    """
    import webbrowser

    from data_mix.report import write_report
    from data_mix.shards import open_build
    from data_mix.terminal import print_line

    path = write_report(open_build(out))
    print_line(f"{path}: written", "bold")
    if open_:
        webbrowser.open(path.resolve().as_uri())


def serve(
    out: Out,
    port: Annotated[int, typer.Option(min=0, max=65_535, metavar="PORT", help="Where to listen [0: any free one].")] = 0,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="A loopback address.")] = "127.0.0.1",
    open_: Open = False,
) -> None:
    """Serve the report with every row of a build.

    To this machine alone. Rows are read on demand. Ctrl-C ends it.
    """
    import webbrowser

    from data_mix.serve import serving
    from data_mix.shards import open_build
    from data_mix.terminal import print_line

    try:
        with serving(open_build(out), host, port) as (address, server):
            print_line(f"{out}: at {address} (Ctrl-C ends)")
            typer.get_text_stream("stdout").flush()
            if open_:
                webbrowser.open(address)
            server.serve_forever()
    except KeyboardInterrupt:
        return  # that is how it ends
