"""Encoders with an attention of their own; see families.py."""

import torch

import tiny
from families import (
    embeddings_given,
    heads,
    hidden_states,
    ids_given,
    ids_in,
    long_sequence,
    padded_left,
    positions_given,
)

HEADS = ("MaskedLM", "SequenceClassification", "TokenClassification", "QuestionAnswering")
CHOICE = (*HEADS, "MultipleChoice")

DEBERTA = dict(
    relative_attention=True,
    pos_att_type=["c2p", "p2c"],
    position_biased_input=False,
    max_relative_positions=6,
)



# They add the same to the scores of all tokens.
ANSWER_BIASES = r"start_logits\.dense\.bias|end_logits\.(dense_1|LayerNorm)\.bias"


def family(architectures, **more):
    """Heads over one or two layers hardly show which GELU these have; the base model does."""
    return dict(architectures=architectures, any_epsilon=True, any_gelu=architectures[1:], **more)


def with_languages(x, config):
    """A language for each token, and words as their types."""
    ids = x["input_ids"]
    return {**x, "langs": ids % config.n_langs, "token_type_ids": ids.flip(0)}


def unpadded_answers(architecture, x, config):
    """Masked tokens are alike, and which of them comes first among the best is chance."""
    if not architecture.endswith("QuestionAnswering"):
        return x
    return {"input_ids": ids_in(x["input_ids"].shape, config)}


def with_answer_limits(x, config):
    """Where the token is by which answers are judged, and tokens that are in none."""
    no_answers = torch.zeros(x["input_ids"].shape)
    no_answers[:, :2] = no_answers[0, 6] = 1
    return {**x, "cls_index": torch.tensor([2, 0, 3]), "p_mask": no_answers}


XLM_HEADS = (
    "Model",
    "WithLMHeadModel",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnsweringSimple",
    "ForQuestionAnswering",
    "ForMultipleChoice",
)

def with_masks(x, config):
    """Masks among the ids, which take from the embeddings."""
    ids = x["input_ids"].clone()
    ids[0, 3] = ids[1, 1] = ids[1, 2] = config.mask_token_id
    return {**x, "input_ids": ids}


def unmasked(architecture, x, config):
    """FNet takes no mask: padding is mixed as all tokens are."""
    return {k: v for k, v in x.items() if k != "attention_mask"}


def longer_than_a_block(x, config):
    return {"input_ids": ids_in((1, 290), config)}


def first_masked(x, config):
    mask = torch.ones_like(x["input_ids"])
    mask[..., 1, :, :2] = 0
    return {**x, "attention_mask": mask}


MODERNBERT = dict(
    layer_types=["full_attention", "sliding_attention"],
    num_hidden_layers=2,
    local_attention=10,
    norm_eps=1e-5,
    pad_token_id=0,
    max_position_embeddings=64,
)

def three_types(architecture, x, config):
    """Type 2 is that of the first token, which is of each other's type."""
    types = x["input_ids"] % 2
    types[..., 0] = 2
    return {**x, "token_type_ids": types}


def with_entities(architecture, x, config):
    """Two entities a row, one of them masked, in mentions of one to three words."""
    rows = x["input_ids"].shape[:-1]
    draw = tiny.generator("entities")
    mask = torch.ones(*rows, 2, dtype=torch.long)
    mask[..., 1, 1] = 0
    places = torch.full((*rows, 2, 3), -1)
    places[..., 0, 0], places[..., 0, 1] = 2, 3
    places[..., 1, :] = torch.tensor([1, 4, 5])
    y = {
        **x,
        "entity_ids": torch.randint(1, config.entity_vocab_size, (*rows, 2), generator=draw),
        "entity_attention_mask": mask,
        "entity_token_type_ids": mask.flip(-1),
        "entity_position_ids": places,
    }
    if "Span" in architecture:
        y["entity_start_positions"] = torch.tensor([[1, 2], [0, 4], [3, 1]])
        y["entity_end_positions"] = torch.tensor([[2, 2], [3, 5], [3, 3]])
    return y


def words_alone(x, config):
    return {k: v for k, v in x.items() if not k.startswith("entity")}


def defaults_of_entities(x, config):
    """A single mention, and neither types nor a mask."""
    kept = ("input_ids", "attention_mask", "entity_ids", "entity_position_ids")
    return {k: x[k] for k in kept}


LUKE = heads(
    "Luke",
    *CHOICE,
    "EntityClassification",
    "EntityPairClassification",
    "EntitySpanClassification",
)
ENTITY = "entity_embeddings|(w2e|e2w|e2e)_query|entity_predictions"

FUNNEL = ["FunnelModel", "FunnelBaseModel", *heads("Funnel", "PreTraining", *CHOICE)[1:]]

FAMILIES = {
    "luke": family(
        LUKE,
        config=dict(entity_vocab_size=9, entity_emb_size=8, type_vocab_size=2),
        inputs=with_entities,
        unseen={
            name: r"pooler|self\.query|w2e_query"
            if "Entity" in name
            else "pooler|e2e_query|e2w_query"
            for name in LUKE[1:]
        },
    ),
    "ernie_m": family(
        heads("ErnieM", *HEADS[1:], "MultipleChoice", "InformationExtraction"),
        old=True,
        unseen={
            f"ErnieMFor{task}": "pooler"
            for task in ("TokenClassification", "QuestionAnswering", "InformationExtraction")
        },
    ),
    "funnel": family(
        FUNNEL,
        config=dict(
            block_sizes=[1, 2, 1],
            pad_token_id=0,
            d_head=4,
            d_inner=20,
            num_decoder_layers=1,
        ),
        without=("num_hidden_layers", "intermediate_size", "max_position_embeddings"),
        inputs=three_types,
        unseen={
            name: r"k_head\.bias|blocks\.2\.0\.attention\.(r_|seg_)"  # the first token's
            if "Sequence" in name or "Choice" in name
            else r"k_head\.bias"
            for name in FUNNEL
        },
    ),
    "canine": family(
        heads("Canine", *HEADS[1:], "MultipleChoice"),
        config=dict(
            num_hash_functions=3,
            num_hash_buckets=20,
            downsampling_rate=2,
            local_transformer_stride=4,
            type_vocab_size=2,
        ),
        double=False,  # its mask is infinite there
        unseen={
            f"CanineFor{task}": "pooler|projection|final_char_encoder"
            for task in ("SequenceClassification", "MultipleChoice")
        }
        | {f"CanineFor{task}": "pooler" for task in ("TokenClassification", "QuestionAnswering")},
    ),
    "convbert": family(
        heads("ConvBert", *CHOICE),
        unseen={
            name: r"conv_kernel_layer|key_conv_attn_layer\.bias"
            for name in heads("ConvBert", *CHOICE)[1:]
        },
        config=dict(embedding_size=8, conv_kernel_size=3, num_attention_heads=4),
    ),
    "modernbert": family(heads("ModernBert", *CHOICE), config=MODERNBERT),
    "fnet": family(
        heads("FNet", *CHOICE, "NextSentencePrediction", "PreTraining"),
        inputs=unmasked,
        unseen={
            f"FNetFor{task}": "pooler"
            for task in ("MaskedLM", "TokenClassification", "QuestionAnswering")
        },
    ),
    "roformer": family(
        [*heads("RoFormer", *CHOICE), "RoFormerForCausalLM"],
        config=dict(embedding_size=8, is_decoder=False),
    ),
    "esm": family(
        heads("Esm", *HEADS[:3]),
        config=dict(
            position_embedding_type="rotary", token_dropout=True, mask_token_id=4, pad_token_id=1
        ),
        unseen={name: "contact_head" for name in heads("Esm", *HEADS[:3])},
    ),
    "xlm": family(
        [f"XLM{head}" for head in XLM_HEADS],
        inputs=unpadded_answers,
        unseen={"XLMForQuestionAnswering": ANSWER_BIASES},
    ),
    "flaubert": family(
        [f"Flaubert{head}" for head in XLM_HEADS],
        inputs=unpadded_answers,
        unseen={"FlaubertForQuestionAnswering": ANSWER_BIASES},
    ),
    "deberta": family(heads("Deberta", *HEADS), config=DEBERTA),
    "deberta-v2": family(
        heads("DebertaV2", *CHOICE),
        config=dict(
            **DEBERTA,
            share_att_key=True,
            position_buckets=4,
            norm_rel_ebd="layer_norm",
            conv_kernel_size=3,
            conv_act="gelu",
        ),
    ),
}

VARIANTS = {
    "luke": {
        "LukeModel-hidden_states": dict(of="LukeModel", inputs=hidden_states),
        "LukeModel-words": dict(of="LukeModel", inputs=words_alone, unseen=ENTITY),
        "LukeModel-unmasked": dict(of="LukeModel", inputs=defaults_of_entities),
        "LukeModel-alike": dict(
            architecture="LukeModel",
            config=dict(use_entity_aware_attention=False, entity_emb_size=12),
        ),
    },
    "ernie_m": {
        "ErnieMModel-pads": dict(of="ErnieMModel", inputs=ids_given),
        "ErnieMModel-eps": dict(of="ErnieMModel", set=dict(layer_norm_eps=0.05)),
        "ErnieMModel-hidden_states": dict(of="ErnieMModel", inputs=hidden_states),
    },
    "funnel": {
        "FunnelModel-hidden_states": dict(of="FunnelModel", inputs=hidden_states),
        "FunnelModel-eps": dict(of="FunnelModel", set=dict(layer_norm_eps=0.05)),
        "FunnelModel-factorized": dict(of="FunnelModel", set=dict(attention_type="factorized")),
        "FunnelBaseModel-whole": dict(
            of="FunnelBaseModel", set=dict(truncate_seq=False, pooling_type="max")
        ),
        "FunnelModel-no_cls": dict(
            of="FunnelModel",
            set=dict(separate_cls=False, pool_q_only=False, truncate_seq=False),
            unseen=r"k_head\.bias|r_s_bias|seg_embed",  # of the last block's tokens types are alike
        ),
        "FunnelModel-repeats": dict(
            architecture="FunnelModel",
            config=dict(
                block_sizes=[1, 1],
                block_repeats=[2, 1],
                hidden_act="gelu",
                layer_norm_eps=0.05,
            ),
        ),
    },
    "canine": {
        "CanineModel-hidden_states": dict(of="CanineModel", inputs=hidden_states),
        "CanineModel-eps": dict(of="CanineModel", set=dict(layer_norm_eps=0.05)),
        "CanineModel-inputs_embeds": dict(
            of="CanineModel", inputs=embeddings_given, unseen="HashBucket"
        ),
        "CanineModel-sizes": dict(
            architecture="CanineModel",
            config=dict(downsampling_rate=3, upsampling_kernel_size=3, local_transformer_stride=2),
        ),
    },
    "convbert": {
        "ConvBertModel-hidden_states": dict(of="ConvBertModel", inputs=hidden_states),
        "ConvBertModel-eps": dict(of="ConvBertModel", set=dict(layer_norm_eps=0.05)),
        "ConvBertModel-groups": dict(
            architecture="ConvBertModel",
            config=dict(num_groups=2, embedding_size=12, head_ratio=5, conv_kernel_size=5),
            unseen="conv_kernel_layer",
        ),
        "ConvBertForTokenClassification-left": dict(
            of="ConvBertForTokenClassification", inputs=padded_left
        ),
    },
    "modernbert": {
        "ModernBertModel-hidden_states": dict(of="ModernBertModel", inputs=hidden_states),
        "ModernBertModel-eps": dict(of="ModernBertModel", set=dict(norm_eps=0.05)),
        "ModernBertModel-position_ids": dict(of="ModernBertModel", inputs=positions_given),
        "ModernBertModel-inputs_embeds": dict(
            of="ModernBertModel", inputs=embeddings_given, unseen="tok_embeddings"
        ),
        "ModernBertModel-biases": dict(
            architecture="ModernBertModel",
            config=dict(
                norm_bias=True,
                attention_bias=True,
                mlp_bias=True,
                hidden_activation="relu",
            ),
        ),
        "ModernBertForSequenceClassification-mean": dict(
            architecture="ModernBertForSequenceClassification",
            config=dict(
                classifier_pooling="mean",
                classifier_bias=True,
                classifier_activation="silu",
                local_attention=128,
            ),
            inputs=long_sequence,
        ),
        "ModernBertForMultipleChoice-left": dict(
            of="ModernBertForMultipleChoice", inputs=first_masked
        ),
        "ModernBertForMaskedLM-old_ropes": dict(
            of="ModernBertForMaskedLM",
            set=dict(
                rope_parameters=None,
                layer_types=None,
                global_attn_every_n_layers=2,
                global_rope_theta=80.0,
                local_rope_theta=20.0,
            ),
        ),
    },
    "fnet": {
        "FNetModel-hidden_states": dict(of="FNetModel", inputs=hidden_states),
        "FNetModel-eps": dict(of="FNetModel", set=dict(layer_norm_eps=0.05)),
        "FNetModel-gelu": dict(of="FNetModel", set=dict(hidden_act="gelu")),
        "FNetForSequenceClassification-long": dict(
            architecture="FNetForSequenceClassification",
            config=dict(max_position_embeddings=300),
            inputs=longer_than_a_block,
        ),
    },
    "roformer": {
        "RoFormerModel-hidden_states": dict(of="RoFormerModel", inputs=hidden_states),
        "RoFormerModel-eps": dict(of="RoFormerModel", set=dict(layer_norm_eps=0.05)),
        "RoFormerModel-values": dict(
            architecture="RoFormerModel",
            config=dict(rotary_value=True, embedding_size=12, hidden_act="relu"),
        ),
        "RoFormerForTokenClassification-left": dict(
            of="RoFormerForTokenClassification", inputs=padded_left
        ),
        "RoFormerForCausalLM-decoder": dict(
            of="RoFormerForCausalLM", set=dict(is_decoder=True)
        ),
    },
    "esm": {
        "EsmModel-hidden_states": dict(of="EsmModel", inputs=hidden_states),
        "EsmModel-eps": dict(of="EsmModel", set=dict(layer_norm_eps=0.05)),
        "EsmModel-masks": dict(of="EsmModel", inputs=with_masks),
        "EsmModel-position_ids": dict(of="EsmModel", inputs=positions_given),
        "EsmModel-inputs_embeds": dict(
            of="EsmModel", inputs=embeddings_given, unseen="word_embeddings|contact_head"
        ),
        "EsmModel-absolute": dict(
            architecture="EsmModel",
            config=dict(
                position_embedding_type="absolute", token_dropout=False, emb_layer_norm_before=True
            ),
            inputs=ids_given,
        ),
    },
    "xlm": {
        "XLMModel-hidden_states": dict(of="XLMModel", inputs=hidden_states),
        "XLMModel-eps": dict(of="XLMModel", set=dict(layer_norm_eps=0.05)),
        "XLMModel-languages": dict(
            architecture="XLMModel",
            config=dict(n_langs=3, gelu_activation=False),
            inputs=with_languages,
        ),
        "XLMModel-pads": dict(of="XLMModel", inputs=ids_given),
        "XLMModel-causal": dict(of="XLMModel", set=dict(causal=True), inputs=padded_left),
        "XLMForQuestionAnswering-limits": dict(
            of="XLMForQuestionAnswering", inputs=with_answer_limits, unseen=ANSWER_BIASES
        ),
        "XLMForSequenceClassification-last": dict(
            of="XLMForSequenceClassification",
            set=dict(summary_type="last", summary_activation="tanh"),
            inputs=padded_left,
        ),
        "XLMForSequenceClassification-mean": dict(
            architecture="XLMForSequenceClassification",
            config=dict(summary_type="mean", summary_proj_to_labels=False),
        ),
        "XLMForSequenceClassification-bare": dict(
            of="XLMForSequenceClassification",
            set=dict(summary_type="cls_index", summary_use_proj=False),
            inputs=padded_left,
        ),
    },
    "flaubert": {
        "FlaubertModel-languages": dict(
            architecture="FlaubertModel", config=dict(n_langs=2), inputs=with_languages
        ),
    },
    "deberta": {
        "DebertaModel-absolute": dict(
            architecture="DebertaModel",
            config=dict(
                relative_attention=False,
                position_biased_input=True,
                type_vocab_size=2,
                pos_att_type=None,
            ),
        ),
        "DebertaForMaskedLM-new_head": dict(
            architecture="DebertaForMaskedLM",
            config=dict(legacy=False, pos_att_type="c2p", max_relative_positions=-1),
        ),
        "DebertaModel-hidden_states": dict(of="DebertaModel", inputs=hidden_states),
        "DebertaModel-eps": dict(of="DebertaModel", set=dict(layer_norm_eps=0.05)),
        "DebertaModel-inputs_embeds": dict(
            of="DebertaModel", inputs=embeddings_given, unseen="word_embeddings"
        ),
    },
    "deberta-v2": {
        "DebertaV2Model-hidden_states": dict(of="DebertaV2Model", inputs=hidden_states),
        "DebertaV2Model-eps": dict(of="DebertaV2Model", set=dict(layer_norm_eps=0.05)),
        "DebertaV2ForTokenClassification-left": dict(
            of="DebertaV2ForTokenClassification", inputs=padded_left
        ),
        "DebertaV2Model-projections": dict(
            architecture="DebertaV2Model",
            config=dict(
                share_att_key=False,
                position_buckets=-1,
                conv_kernel_size=0,
                norm_rel_ebd="none",
                position_biased_input=True,
                type_vocab_size=3,
                num_hidden_layers=1,
            ),
            unseen=r"pos_key_proj\.bias",  # adds the same to all scores of a query
        ),
        "DebertaV2ForMaskedLM-embedding_size": dict(
            architecture="DebertaV2ForMaskedLM",
            config=dict(embedding_size=8, conv_groups=3, conv_act="tanh", pos_att_type=["p2c"]),
        ),
        "DebertaV2ForMaskedLM-new_head": dict(
            architecture="DebertaV2ForMaskedLM",
            config=dict(legacy=False, pos_att_type=["c2p"]),
            unseen=r"encoder\.LayerNorm\.bias|key_proj\.bias",
        ),
        "DebertaV2ForSequenceClassification-long": dict(
            architecture="DebertaV2ForSequenceClassification",
            config=dict(
                max_relative_positions=100,
                position_buckets=12,
                num_hidden_layers=2,
                pooler_hidden_act="tanh",
            ),
            inputs=long_sequence,
            every_row="rel_embeddings",
        ),
    },
}
