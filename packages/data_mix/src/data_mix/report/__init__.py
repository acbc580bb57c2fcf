"""A build as one page to look at: figures, and conversations to read.

conversation   a row as the page is given it
lengths        lengths and turns of every row
figures        the numbers of the page, from the manifest and the rows
audit          what the audit lists hold, in short
sample         which conversations stand in the file
page           all of it as HTML
"""

from data_mix.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]
