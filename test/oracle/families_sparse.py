"""Encoders and encoder-decoders with sparse or approximate attention; see families.py."""

import types

import torch

import tiny
from families import COMMON, heads, hidden_states, ids_in, padded_left
from families_seq2seq import (
    CAUSAL,
    CLASSIFIERS,
    GENERATION,
    bart_config,
    decoder_mask,
    family,
    no_decoder_ids,
    t5_config,
)
from families_seq2seq import heads as seq2seq_heads


def rows_of(shape, masked, config):
    """Rows of ids of which the last but one are masked at their ends, masked positions of them."""
    mask = torch.ones(shape, dtype=torch.long)
    for row, count in enumerate(masked):
        if count:
            mask[row, -count:] = 0
    ids = torch.where(mask.bool(), ids_in(shape, config), config.pad_token_id)
    return {"input_ids": ids, "attention_mask": mask}


def long_rows(length, *masked):
    return lambda x, config: rows_of((len(masked), length), masked, config)


def separated(architecture, x, config):
    """Three separators in each row, which heads of questions and choices look for."""
    if architecture.endswith(("QuestionAnswering", "MultipleChoice")):
        x["input_ids"][..., 1:3] = config.sep_token_id
        ids, mask = x["input_ids"], x["attention_mask"]
        last = mask.sum(-1, keepdim=True) - 1
        x["input_ids"] = ids.scatter(-1, last, config.sep_token_id)
    return x


def long_texts(length, *masked):
    """Rows for the encoder that have several blocks."""
    return lambda x, config: {**x, **rows_of((len(masked), length), masked, config)}


def some_global(x, config):
    """Global tokens, one of them masked, in rows that are longer than a window and a tile."""
    marks = torch.zeros_like(x["input_ids"])
    marks[0, [0, 7, 36]] = marks[1, [1, 2, 35]] = 1
    return {**x, "global_attention_mask": marks}


def without_kernels(model, x):
    """MEGA keeps what it makes of its averages' weights, whatever becomes of them."""
    for module in model.modules():
        if hasattr(module, "_kernel"):
            module._kernel = module._coeffs = None
    return model(**x)


def normed(model):
    """Norms of about 1, and what training has seen where they are of batches."""
    draw = tiny.generator("norms")
    for name, module in model.named_modules():
        if type(module).__name__ in ("MegaScaleNorm", "MegaRMSNorm"):
            for weight in module.parameters():
                weight.data += 0.5
        if isinstance(module, torch.nn.BatchNorm1d):
            module.weight.data += 1
            module.running_mean.copy_(0.05 * torch.randn(module.num_features, generator=draw))
            module.running_var.copy_(0.02 + 0.02 * torch.rand(module.num_features, generator=draw))


# ---- MRA: its three kernels, which are CUDA's, written out; without them it gives zeros


def blocks_of(indices, key_blocks):
    indices = indices.long()
    return torch.div(indices, key_blocks, rounding_mode="floor"), indices % key_blocks


def mm_to_sparse(query, key, indices):
    rows, columns = blocks_of(indices, key.shape[1])
    batch = torch.arange(query.shape[0])[:, None]
    return torch.einsum("bndk,bndq->bnkq", key[batch, columns], query[batch, rows])


def index_max(values, indices, query_blocks, key_blocks):
    rows, _ = blocks_of(indices, key_blocks)
    rows = rows[:, None].expand(-1, 32, -1)
    most = torch.full((values.shape[0], 32, query_blocks), -1e6, dtype=values.dtype)
    most = most.scatter_reduce(2, rows, values, "amax")
    flat = most.transpose(1, 2).reshape(values.shape[0], query_blocks * 32)
    return flat, most.gather(2, rows)


def sparse_dense_mm(sparse, indices, key, query_blocks):
    rows, columns = blocks_of(indices, key.shape[1])
    batch = torch.arange(key.shape[0])[:, None]
    parts = torch.einsum("bnkq,bndk->bndq", sparse, key[batch, columns])
    result = torch.zeros(key.shape[0], query_blocks, key.shape[2], 32, dtype=sparse.dtype)
    return result.index_put((batch.expand_as(rows), rows), parts, accumulate=True)


def mra_attention(*arguments, **options):
    """It is float whatever the model is."""
    from transformers.models.mra import modeling_mra

    result = modeling_mra.attention_in_float(*arguments, **options)
    return result.to(torch.get_default_dtype())


def mra_inputs(architecture, x, config):
    from transformers.models.mra import modeling_mra

    modeling_mra.mra_cuda_kernel = types.SimpleNamespace(
        mm_to_sparse=mm_to_sparse, index_max=index_max, sparse_dense_mm=sparse_dense_mm
    )
    if not hasattr(modeling_mra, "attention_in_float"):
        modeling_mra.attention_in_float = modeling_mra.mra2_attention
        modeling_mra.mra2_attention = mra_attention
    x = rows_of((2, 32), (0, 11), config)
    if "MultipleChoice" in architecture:
        x = {k: torch.stack([v, v.roll(1, 0)], 1) for k, v in x.items()}
    return x


# ---- Reformer: its hashes, which are drawn in the model's type, always in float


def reformer_inputs(architecture, x, config):
    from transformers.models.reformer import modeling_reformer

    attention = modeling_reformer.LSHSelfAttention
    if not hasattr(attention, "hash_as_given"):
        attention.hash_as_given = attention._hash_vectors
        attention._hash_vectors = lambda self, vectors, *more, **options: self.hash_as_given(
            vectors.float(), *more, **options
        )
    return {k: v for k, v in x.items() if k != "token_type_ids"}


def reformer_case(length, masked, **config):
    return dict(
        architecture="ReformerModel",
        config=dict(max_position_embeddings=48, axial_pos_shape=[6, 8], **config),
        inputs=long_rows(length, *masked),
    )


def mra_case(length, masked, **config):
    return dict(
        architecture="MraModel",
        config=dict(max_position_embeddings=length, num_hidden_layers=1, **config),
        inputs=long_rows(length, *masked),
    )


def unscaled(**changes):
    config = bart_config(**changes)
    del config["scale_embedding"]
    return config


FAMILIES = {
    "nystromformer": dict(
        architectures=heads("Nystromformer", *COMMON), config=dict(conv_kernel_size=5)
    ),
    "yoso": dict(architectures=heads("Yoso", *COMMON)),
    "mra": dict(
        architectures=heads("Mra", *COMMON),
        config=dict(max_position_embeddings=32, block_per_row=1, layer_norm_eps=1e-3),
        inputs=mra_inputs,
    ),
    "longformer": dict(
        architectures=heads("Longformer", *COMMON),
        config=dict(attention_window=4, sep_token_id=4, num_hidden_layers=2),
        inputs=separated,
        unseen={
            "LongformerModel": "_global",
            "LongformerForMaskedLM": "_global",
            "LongformerForTokenClassification": "_global",
            "LongformerForSequenceClassification": r"1\.attention\.self\.(query|key|value)\.|key_global\.bias",
            "LongformerForQuestionAnswering": r"key_global\.bias",
            "LongformerForMultipleChoice": r"1\.attention\.self\..*_global|key_global\.bias",
        },
    ),
    "big_bird": dict(
        architectures=heads("BigBird", *COMMON, "PreTraining", "CausalLM"),
        config=dict(sep_token_id=4),
        unseen={
            f"BigBirdFor{task}": "pooler"
            for task in ("MaskedLM", "CausalLM", "SequenceClassification", "TokenClassification")
        },
    ),
    "led": family(
        seq2seq_heads("LED", GENERATION, "ForQuestionAnswering"),
        unscaled(
            attention_window=4, max_encoder_position_embeddings=48, max_decoder_position_embeddings=20
        ),
    ),
    "bigbird_pegasus": family(
        seq2seq_heads("BigBirdPegasus", GENERATION, *CLASSIFIERS, CAUSAL), bart_config(block_size=16)
    ),
    "pegasus_x": family(
        seq2seq_heads("PegasusX", GENERATION), bart_config(num_global_tokens=3, block_size=4)
    ),
    "longt5": family(
        seq2seq_heads("LongT5", GENERATION, "EncoderModel"), t5_config(local_radius=2)
    ),
}
FAMILIES["reformer"] = dict(
    architectures=[
        f"Reformer{head}"
        for head in (
            "Model",
            "ForMaskedLM",
            "ForSequenceClassification",
            "ForQuestionAnswering",
        )
    ],
    config=dict(
        attn_layers=["local", "lsh"],
        axial_pos_embds_dim=[5, 7],
        axial_pos_shape=[4, 5],
        attention_head_size=6,
        feed_forward_size=20,
        local_attn_chunk_length=3,
        lsh_attn_chunk_length=4,
        hash_seed=5,
        use_cache=False,
        layer_norm_eps=1e-3,
    ),
    inputs=reformer_inputs,
    unseen={"ReformerForMaskedLM": r"lm_head\.bias"},
)
FAMILIES["mega"] = dict(
    architectures=heads("Mega", *COMMON),
    old=True,
    call=without_kernels,
    any_epsilon=True,  # rmsnorm has one and does not use it
    finish=normed,
    config=dict(
        ema_projection_size=3, shared_representation_size=8, nffn_hidden_size=16, max_positions=20
    ),
)
for name in ("LEDModel", "LEDForConditionalGeneration", "LEDForQuestionAnswering"):
    FAMILIES["led"]["unseen"][name] = "_global"

VARIANTS = {
    "nystromformer": {
        "NystromformerModel-landmarks": dict(
            architecture="NystromformerModel",
            config=dict(num_landmarks=4, segment_means_seq_len=12, conv_kernel_size=3),
            inputs=long_rows(12, 0),
        ),
        "NystromformerForMaskedLM-left": dict(
            of="NystromformerForMaskedLM", inputs=padded_left
        ),
        "NystromformerModel-hidden_states": dict(of="NystromformerModel", inputs=hidden_states),
    },
    "yoso": {
        "YosoModel-convolution": dict(
            architecture="YosoModel", config=dict(conv_window=3, hash_code_len=4)
        ),
        "YosoForTokenClassification-left": dict(
            of="YosoForTokenClassification", inputs=padded_left
        ),
    },
    "mra": {
        "MraModel-blocks": mra_case(96, (0, 40), block_per_row=2),
        "MraModel-diagonal": mra_case(
            96, (0,), block_per_row=1, initial_prior_diagonal_n_blocks=1
        ),
        "MraModel-first": mra_case(96, (33,), block_per_row=2, initial_prior_first_n_blocks=1),
        "MraModel-sparse": mra_case(64, (0,), block_per_row=1, approx_mode="sparse"),
    },
    "longformer": {
        "LongformerModel-global": dict(
            architecture="LongformerModel",
            config=dict(attention_window=[4, 8], max_position_embeddings=48),
            inputs=lambda x, config: some_global(rows_of((2, 40), (0, 5), config), config),
            unseen=r"key_global\.bias",
        ),
        "LongformerForTokenClassification-left": dict(
            of="LongformerForTokenClassification", inputs=padded_left, unseen="_global"
        ),
    },
    "big_bird": {
        "BigBirdModel-blocks": dict(
            architecture="BigBirdModel",
            config=dict(
                block_size=4, num_random_blocks=1, max_position_embeddings=40, num_hidden_layers=1
            ),
            inputs=long_rows(38, 0, 13),
        ),
        "BigBirdModel-full": dict(
            architecture="BigBirdModel",
            config=dict(
                attention_type="original_full",
                block_size=2,
                num_random_blocks=0,
                rescale_embeddings=True,
                use_bias=False,
            ),
        ),
        "BigBirdForTokenClassification-left": dict(
            of="BigBirdForTokenClassification", inputs=padded_left, unseen="pooler"
        ),
    },
    "led": {
        "LEDModel-global": dict(
            of="LEDModel",
            inputs=lambda x, config: some_global(
                long_texts(40, 0, 5, 1)(x, config), config
            ),
            unseen=r"key_global\.bias",
        ),
        "LEDModel-no_decoder_ids": dict(of="LEDModel", inputs=no_decoder_ids, unseen="_global"),
    },
    "bigbird_pegasus": {
        "BigBirdPegasusModel-blocks": dict(
            of="BigBirdPegasusModel",
            set=dict(block_size=2, num_random_blocks=1),
            inputs=long_texts(17, 0, 5, 3),
        ),
        "BigBirdPegasusModel-decoder_mask": dict(
            of="BigBirdPegasusModel", inputs=decoder_mask
        ),
    },
    "pegasus_x": {
        "PegasusXModel-blocks": dict(of="PegasusXModel", inputs=long_texts(18, 0, 5, 13)),
        "PegasusXModel-aligned": dict(
            of="PegasusXModel", set=dict(stagger_local_blocks=False, scale_embedding=False)
        ),
        "PegasusXForConditionalGeneration-left": dict(
            of="PegasusXForConditionalGeneration", inputs=padded_left
        ),
    },
    "longt5": {
        "LongT5Model-global": dict(
            architecture="LongT5Model",
            config=dict(
                encoder_attention_type="transient-global",
                global_block_size=3,
                feed_forward_proj="gated-gelu",
            ),
            inputs=long_texts(17, 0, 4, 15),
        ),
        "LongT5Model-global-left": dict(
            of="LongT5Model-global", inputs=padded_left
        ),
        "LongT5Model-far": dict(
            of="LongT5Model",
            set=dict(local_radius=30, relative_attention_max_distance=20),
            inputs=long_texts(40, 0, 4, 15),
        ),
        "LongT5ForConditionalGeneration-left": dict(
            of="LongT5ForConditionalGeneration", inputs=padded_left
        ),
    },
    "reformer": {
        "ReformerModelWithLMHead": dict(
            architecture="ReformerModelWithLMHead",
            config=dict(is_decoder=True),
            unseen=r"lm_head\.bias",
        ),
        "ReformerModel-rounds": reformer_case(
            41, (0, 9), num_hashes=3, attn_layers=["lsh"], lsh_num_chunks_after=1, num_buckets=6
        ),
        "ReformerModel-factors": reformer_case(
            37, (0, 3), attn_layers=["lsh", "lsh"], num_buckets=[2, 4], is_decoder=True
        ),
        "ReformerModel-by_length": reformer_case(
            48, (0,), attn_layers=["lsh"], lsh_attn_chunk_length=2, num_hashes=2
        ),
        "ReformerModel-ring": reformer_case(
            20, (0, 4), attn_layers=["local"], local_num_chunks_before=2, local_num_chunks_after=1
        ),
        "ReformerModel-table": dict(
            architecture="ReformerModel",
            config=dict(axial_pos_embds=False, local_attn_chunk_length=16, lsh_attn_chunk_length=16),
            inputs=padded_left,
        ),
    },
    "mega": {
        f"MegaModel-{name}": dict(
            architecture="MegaModel", config=config, inputs=inputs, unseen=unseen
        )
        for name, inputs, unseen, config in (
            (
                "relu2",
                padded_left,
                "$^",
                dict(
                    attention_activation="relu2",
                    relative_positional_bias="simple",
                    normalization_type="layernorm",
                    add_token_type_embeddings=True,
                    normalize_before_mega=False,
                    normalize_before_ffn=False,
                ),
            ),
            (
                "laplace",
                padded_left,
                "$^",
                dict(
                    attention_activation="laplace",
                    truncation=3,
                    activation="gelu",
                    num_hidden_layers=1,
                ),
            ),
            (
                "batches",
                padded_left,
                "$^",
                dict(normalization_type="batchnorm", num_hidden_layers=1),
            ),
            (
                "chunks",
                long_rows(16, 0, 7),
                "$^",
                dict(
                    use_chunking=True,
                    chunk_size=4,
                    relative_positional_bias="simple",
                    normalization_type="rmsnorm",
                    use_normalized_ffn=False,
                ),
            ),
            (
                "decoder",
                lambda x, config: x,
                "$^",
                dict(is_decoder=True, bidirectional=False, truncation=2),
            ),
            (
                "decoder_relu2",
                padded_left,
                "$^",
                dict(
                    is_decoder=True,
                    bidirectional=False,
                    truncation=2,
                    use_cache=False,
                    attention_activation="relu2",
                    norm_affine=False,
                    shared_representation_size=24,
                ),
            ),
        )
    },
}
VARIANTS["mega"]["MegaForCausalLM"] = dict(
    architecture="MegaForCausalLM", config=dict(is_decoder=True, bidirectional=False)
)
