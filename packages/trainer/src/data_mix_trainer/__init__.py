"""Fine-tunes a language model on a built mix."""
