"""What a mix may say of near-duplicates.

near_duplicates:
  threshold: 0.7
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NearDuplicateSettings(BaseModel):
    """When a conversation is a near-duplicate of an earlier one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    threshold: float = Field(
        default=0.7,
        ge=0.3,
        le=1,
        description="The least Jaccard similarity, of the conversations and of their answers alone, to drop the later one.",
    )
    ngram: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Words that are compared together; for 2 words stand 3 Chinese or Japanese characters, or 5 Thai letters.",
    )
    permutations: int = Field(
        default=128,
        ge=16,
        le=1024,
        description="Values of a sketch; 128 tell a similarity of 0.7 within 0.04, in 256 bytes of memory per conversation.",
    )
    min_ngrams: int = Field(
        default=10,
        ge=1,
        description="A conversation with fewer n-grams is too short for it, and only dropped where it is the same.",
    )
