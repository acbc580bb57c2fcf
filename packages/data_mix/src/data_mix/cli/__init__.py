"""`datamix …`: the one command of the project. It parses, calls, prints, and turns a DataMixError into one line.

options    what several commands ask
making     plan, build, tokenize
looking    sources, inspect, verify, schema
reporting  report, serve
comparing  diff
cards      check-card
publishing publish, pull
program    all of them, those of other distributions, and how they end

A command imports what it needs when it runs, so that `--help` is quick.
"""

from data_mix.cli.program import app, main

__all__ = ["app", "main"]
