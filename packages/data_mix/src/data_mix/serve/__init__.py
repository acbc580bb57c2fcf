"""A build over HTTP on this machine, to look at all of its rows.

places     the rows of a build by their place, each part mapped and read on demand
queries    what a query asks, and a page of rows that fit
server     the page and its queries over HTTP, for this machine alone
"""

from data_mix.serve.server import serving

__all__ = ["serving"]
