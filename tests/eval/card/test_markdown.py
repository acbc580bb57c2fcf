"""Texts of others in Markdown are shown as they are."""

from __future__ import annotations

from data_mix_eval.card.markdown import code, fenced, link, plain


def test_nothing_becomes_markup() -> None:
    """Each sign that could begin markup, an entity or a strike is escaped, and a text stays on its line."""
    assert plain("a|b\n# <b>&lt;~~*_`[]") == r"a\|b \# \<b\>\&lt;\~\~\*\_\`\[\]"


def test_code_ends_where_it_should() -> None:
    """Backticks in a text do not end the code around it."""
    assert code("a`b") == "``a`b``"
    assert fenced("```\nx") == "````\n```\nx\n````"


def test_only_urls_are_links() -> None:
    """A text that merely begins like one is text."""
    assert link("https://example.org/a") == "<https://example.org/a>"
    assert link("https://example.org/ <b>") == r"https://example.org/ \<b\>"
    assert link("javascript:x") == "javascript:x"
