"""Languages: their tags, and telling which one a text is in.

tags          BCP-47: reading, writing, matching
detect        identification of languages
langid_walk   py3langid over many texts at once
prose         the sentences of a text, without its code, names and lists
frames        what the stages about languages have in common
"""

from data_mix.language.tags import CONFUSABLE, LANGUAGES, base, confusable, is_tag, matches, normalise_tag, parse_languages

__all__ = ["CONFUSABLE", "LANGUAGES", "base", "confusable", "is_tag", "matches", "normalise_tag", "parse_languages"]
