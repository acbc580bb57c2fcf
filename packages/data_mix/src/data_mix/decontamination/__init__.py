"""Finding items of benchmarks in training conversations.

settings    what a mix may say; light, for the settings of a mix stand on it
items       the files of benchmarks → texts
words       texts → words, for comparing only
tables      the arrays of the compiled loops
matching    the compiled loops
layer       texts of items → arrays
index       all that is looked for, built once and kept in a file
finding     candidates by hash, compared word by word
audit       what was found, listed and counted
"""
