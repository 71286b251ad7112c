"""Other names that checkpoints give to parameters."""

import re

SECOND_NAMES = {"shared.weight": "encoder.embed_tokens.weight"}
"""Of T5's embedding: files have either name, or both for the same tensor."""
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
OLD_NAME = re.compile(r"(\.attentions\.\d+\.)(query|key|value|proj_attn)(\.(?:weight|bias))$")


def current_key(key: str) -> str:
    """The present name of a state-dict key; names that are not deprecated come back as they are.

    >>> current_key("decoder.mid_block.attentions.0.proj_attn.weight")
    'decoder.mid_block.attentions.0.to_out.0.weight'
    """
    return OLD_NAME.sub(lambda found: found[1] + RENAMED[found[2]] + found[3], key)
