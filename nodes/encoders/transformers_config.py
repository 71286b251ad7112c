"""Strict reading of the config.json of a network that comes from transformers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from nodes.files.reading import CheckpointError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def words(text: str) -> frozenset[str]:
    """The words of a text: names of fields, many to a line."""
    return frozenset(text.split())


# What releases of transformers wrote into every config, and what says nothing about an encoder at work.
NOTES = words(
    "architectures add_cross_attention bad_words_ids begin_suppress_tokens bos_token_id "
    "chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty "
    "do_sample dropout dtype early_stopping encoder_no_repeat_ngram_size "
    "exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id "
    "id2label initializer_factor initializer_range is_decoder is_encoder_decoder label2id "
    "length_penalty max_length min_length model_type no_repeat_ngram_size num_beam_groups num_beams "
    "num_return_sequences output_attentions output_hidden_states output_scores prefix problem_type "
    "remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id "
    "suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder "
    "tie_word_embeddings tokenizer_class top_k top_p torch_dtype torchscript transformers_version "
    "typical_p use_bfloat16 use_cache"
)
INERT: dict[str, tuple[Any, ...]] = {
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "auto_map": (None,),
}
LARGEST_SIZE = 1 << 20
MOST_LAYERS = 256


def read_config(
    kind: type[PretrainedConfig],
    config: Mapping[str, Any],
    where: str,
    fields: Collection[str],
    fixed: Mapping[str, tuple[Any, ...]],
) -> PretrainedConfig:
    """`config` as a `kind`: transformers itself would keep unknown fields without a word.

    `fields` are those the network uses; `fixed` maps others to the values that are supported.

    Raises CheckpointError for another network's config, an unknown field, or a value that is not supported.
    """
    from huggingface_hub.errors import StrictDataclassError

    fixed = {**INERT, **fixed, "model_type": (kind.model_type,)}
    used = {}
    for name, value in config.items():
        if name in fixed:
            if value not in fixed[name]:
                raise CheckpointError(f"{where}: {name} is {value!r:.80}, expected {fixed[name][0]!r}")
        elif name in fields:
            used[name] = _bounded(name, value, where)
        elif name not in NOTES and not name.startswith("_"):
            near = get_close_matches(name, [*fields, *fixed], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise CheckpointError(f"{where}: unknown field {name!r:.80} with value {value!r:.80}{hint}")
    try:
        return kind(**used)
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        message = " ".join(str(error).split())
        raise CheckpointError(f"{where}: {message[:300]}") from None


def _bounded(name: str, value: Any, where: str) -> Any:
    # Building a network of absurd sizes would take all memory before a single tensor is looked at.
    numbers = value if isinstance(value, list) else [value]
    most = MOST_LAYERS if name.startswith("num_") else LARGEST_SIZE
    least = 1 if name.startswith("num_") or name.endswith(("_size", "_dim", "_embeddings")) else -LARGEST_SIZE
    fits = all(least <= number <= most for number in numbers if isinstance(number, int | float))
    if not fits or len(numbers) > MOST_LAYERS:
        raise CheckpointError(f"{where}: {name} is {value!r:.80}, expected {max(least, 0)} to {most}")
    return value
