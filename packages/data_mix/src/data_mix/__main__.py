"""`python -m data_mix`: the command `datamix`."""

from data_mix.cli import main

main()
