"""HTML out of elements; every text that goes in is escaped, since it may be anybody's."""

from __future__ import annotations

from html import escape

from data_mix.terminal import visible


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *inside: object, **attributes: str) -> Markup:
    """An element; what is inside is text unless it is markup. `class_` is the attribute `class`."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    first = "\n" if name == "pre" else ""  # readers of HTML drop the first line break of a block, which may be the text's own
    return Markup(f"<{name}{given}>{first}{joined(*inside)}</{name}>")


def joined(*parts: object) -> Markup:
    """Texts and markup, one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escape(visible_text(part)) for part in parts))


def visible_text(part: object) -> str:
    """A text without what no page may hold: control characters become visible signs, halves of characters a mark."""
    return visible(str(part)).encode(errors="replace").decode()
