"""Cards: what a build says of itself to people, to the Hub and to programs, and what the cards in `data_cards/` say of sources.

card_file      a data file as a card lists it
vocabulary     what the Hub takes for a language, a size
front_matter   YAML by which the Hub and `datasets` know a build
recipe         the mix as the section that makes it again
examples       one conversation per source
readme         README.md
croissant      croissant.json
folder         a folder that has cards, as their checks see it
pages          both of them, of a build and of what is published of it
validation     whether a README.md is what the Hub takes, and says what is there
croissant_check  the same of croissant.json
source_cards   the generated blocks of `data_cards/*.md`
"""

from data_mix.cards.card_file import CardFile, Layout, arrow_files
from data_mix.cards.croissant import CROISSANT, croissant, croissant_bytes
from data_mix.cards.examples import first_conversations
from data_mix.cards.pages import build_pages, published_pages
from data_mix.cards.readme import README, build_card
from data_mix.cards.validation import check_card

__all__ = [
    "CROISSANT",
    "README",
    "CardFile",
    "Layout",
    "arrow_files",
    "build_card",
    "build_pages",
    "check_card",
    "croissant",
    "croissant_bytes",
    "first_conversations",
    "published_pages",
]
