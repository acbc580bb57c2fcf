"""Results for people to read.

published    figures of others, with their sources
table        the table of scores, in the shape of the reference model card
terminal     the table on a terminal
markup html  a page with the wrong answers
comparison   two runs side by side
"""
