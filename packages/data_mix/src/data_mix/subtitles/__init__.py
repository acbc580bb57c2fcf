"""TED's subtitles in two languages → pairs of sentences.

wit3         the XML of the WIT3 releases
transcript   subtitles joined to whole sentences
alignment    which sentences of two languages belong together
"""
