"""`datamix card`: the model card of a checkpoint.

model_card        the page
checkpoint        what its folder says
front_matter      what the Hub reads
commands          the commands that trained and scored it
markdown          texts of others as Markdown
"""

from data_mix_eval.card.checkpoint import Checkpoint, read_checkpoint
from data_mix_eval.card.model_card import example_prompt, model_card

__all__ = ["Checkpoint", "example_prompt", "model_card", "read_checkpoint"]
