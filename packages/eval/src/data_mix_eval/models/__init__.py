"""Models that can be scored: checkpoints by transformers, or by vLLM where it is installed.

opening        a checkpoint by its name → a model
hf             a checkpoint of transformers as a model
checkpoint     its files → weights and tokenizer, or why not
digest         its digest
batching       questions → batches
encoding       prompts → tokens
chat_prompts   chat prompts → tokens
scoring        log-probabilities of choices
decoding       answers, token by token
draws          the next token
writing        tokens → text, up to a stop
choosing       which of the two ways below a model's layers are read
network        what is asked of a model's layers
packed         the fast way: rows in one, what they begin with computed once
attention      attention for it
alike          the way that suits every model: rows of equal length
vllm           a checkpoint by vLLM
"""
