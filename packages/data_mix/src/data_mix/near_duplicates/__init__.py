"""Near-duplicates over a whole mix, by MinHash and locality-sensitive hashing (LSH).

settings    when a conversation is a near-duplicate of another; light, for the settings of a mix stand on it
alphabet    which characters are compared, and which of them stand for a part of a word
sketches    conversations → two MinHash sketches each: of the whole, and of its answers
bands       how many bands of how many values find pairs at a threshold
search      sketches of all rows → the rows that are dropped, and for which
audit       the same for people to read
"""
