"""How often each conversation is trained on: weights, temperature, epochs and budgets of tokens.

settings     the keys of `mixing:`
candidates   the rows that may be taken, each with the level at which it is
taking       budgets and the total: how far each cell is taken
drawing      keys of a build → how often each row is written, or why it is not
summary      what became of it, for the manifest
"""

from data_mix.mixing.drawing import COPIES, draw_mix
from data_mix.mixing.settings import LanguageMix, MixingSettings, Unit, needs_tokens
from data_mix.mixing.summary import TAKEN, summarise

__all__ = ["COPIES", "TAKEN", "LanguageMix", "MixingSettings", "Unit", "draw_mix", "needs_tokens", "summarise"]
