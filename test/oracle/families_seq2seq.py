"""BART, T5 and the encoder-decoders with their layout; see families.py."""

import torch

import tiny
from families import SIZES, hidden_states, ids_in, long_sequence, padded_left


def complete(architecture, x, config):
    """The decoder's ids, two of them padding; an end in each row, which classifiers look for."""
    if "SequenceClassification" in architecture:
        ids = x["input_ids"].clone()
        ids[0, 2] = ids[0, 8] = ids[1, 5] = ids[1, 1] = ids[2, 3] = ids[2, 0] = config.eos_token_id
        return {**x, "input_ids": ids}
    if config.is_encoder_decoder and "QuestionAnswering" not in architecture:
        words = getattr(config, "decoder_vocab_size", config.vocab_size)
        draw = tiny.generator("decoder")
        ids = torch.randint(5, words, (3, 5), generator=draw)
        ids[1, 2] = ids[2, 4] = config.pad_token_id
        return {**x, "decoder_input_ids": ids}
    return x


def decoder_mask(x, config):
    """The decoder is padded on the left, and on the right."""
    mask = torch.ones_like(x["decoder_input_ids"])
    mask[0, :2] = mask[2, 3:] = 0
    return {**x, "decoder_attention_mask": mask}


def no_decoder_ids(x, config):
    x.pop("decoder_input_ids")
    x["input_ids"][1, 2] = config.pad_token_id
    return x


def embeddings_given(x, config):
    draw = tiny.generator("embeddings")
    given = {k: v for k, v in x.items() if not k.endswith("input_ids")}
    shape = (*x["input_ids"].shape, config.d_model)
    given["inputs_embeds"] = 0.1 * torch.randn(shape, generator=draw)
    given["decoder_inputs_embeds"] = 0.1 * torch.randn((3, 4, config.d_model), generator=draw)
    return given


def pads_given(x, config):
    """Padding among the ids, and no mask."""
    ids = x["input_ids"].clone()
    ids[0, 3] = ids[1, 1] = config.pad_token_id
    return {"input_ids": ids, "decoder_input_ids": x["decoder_input_ids"]}


def no_decoder_pads(x, config):
    """Steps of generation count positions after padding otherwise than a pass over all."""
    ids = x["decoder_input_ids"]
    return {**x, "decoder_input_ids": torch.where(ids == config.pad_token_id, 6, ids)}


def long_texts(x, config):
    """Distances beyond those that the biases know one by one, in both parts."""
    x = long_sequence(x, config)
    return {**x, "decoder_input_ids": ids_in((2, 140), config)}


def short_of_positions(x, config):
    """As long as positions allow: distances share buckets."""
    draw = tiny.generator("long")
    ids = torch.randint(5, config.vocab_size, (2, config.max_position_embeddings - 2), generator=draw)
    return {"input_ids": ids, "decoder_input_ids": ids.flip(1)}


def with_bias(weights):
    bias = torch.randn(weights["final_logits_bias"].shape, generator=tiny.generator("bias"))
    return {**weights, "final_logits_bias": bias}


def without_positions(weights):
    """Sinusoids are not in published checkpoints."""
    return {name: weight for name, weight in weights.items() if "embed_positions" not in name}


def untied_words(weights):
    """A table for each use, as T5 1.1 has them."""
    words = weights["shared.weight"]
    draw = tiny.generator("words")
    tables = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"]
    return {**weights, **{name: torch.randn(words.shape, generator=draw) for name in tables}}


def only_encoder_words(weights):
    """The shared table under another of its names."""
    changed = dict(weights)
    changed["encoder.embed_tokens.weight"] = changed.pop("shared.weight")
    return changed


def bart_config(**changes):
    return dict(
        encoder_ffn_dim=20,
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=3,
        scale_embedding=True,
        **changes,
    )


def t5_config(**changes):
    return dict(
        d_kv=4,
        d_ff=16,
        num_decoder_layers=1,
        layer_norm_epsilon=0.01,
        decoder_start_token_id=0,
        **changes,
    )


def prophetnet_config(**changes):
    return dict(
        num_encoder_layers=1,
        num_decoder_layers=1,
        num_encoder_attention_heads=2,
        encoder_ffn_dim=20,
        decoder_ffn_dim=16,
        **{"num_decoder_attention_heads": 3, "ngram": 3, "num_buckets": 6, **changes},
    )


def part(model_type, **changes):
    """One of two models that make one."""
    sizes = {**SIZES, "num_hidden_layers": 1, "pad_token_id": 0, **changes}
    return dict(model_type=model_type, **sizes)


def decoder_part(model_type, **changes):
    return part(model_type, is_decoder=True, add_cross_attention=True, **changes)


def pair(encoder, decoder):
    return dict(encoder=encoder, decoder=decoder, pad_token_id=0, decoder_start_token_id=1)


BART_PART = dict(
    d_model=12,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=20,
    decoder_ffn_dim=16,
)


def context_inputs(architecture, x, config):
    """Two contexts for each of three questions, of which only the scores count."""
    draw = tiny.generator("contexts")
    mask = torch.ones((6, 10), dtype=torch.long)
    mask[1, 6:] = mask[4, 8:] = 0
    return {
        **x,
        "context_input_ids": torch.randint(5, 26, (6, 10), generator=draw),
        "context_attention_mask": mask,
        "doc_scores": torch.randn((3, 2), generator=draw),
        "decoder_input_ids": torch.randint(5, 26, (3, 5), generator=draw),
    }


def heads(name, *heads_after_model):
    return [f"{name}{head}" for head in ("Model", *heads_after_model)]


GENERATION, CAUSAL = "ForConditionalGeneration", "ForCausalLM"
CLASSIFIERS = ("ForSequenceClassification", "ForQuestionAnswering")


def family(architectures, config, **more):
    return dict(
        architectures=architectures,
        config=config,
        inputs=complete,
        any_epsilon="layer_norm_epsilon" not in config,
        unseen={
            name: "encoder_attn|cross_attn" for name in architectures if name.endswith(CAUSAL)
        },
        **more,
    )


FAMILIES = {
    "bart": family(heads("Bart", GENERATION, *CLASSIFIERS, CAUSAL), bart_config()),
    "mbart": family(heads("MBart", GENERATION, *CLASSIFIERS, CAUSAL), bart_config()),
    "pegasus": family(heads("Pegasus", GENERATION, CAUSAL), bart_config()),
    "mvp": family(heads("Mvp", GENERATION, *CLASSIFIERS, CAUSAL), bart_config()),
    "plbart": family(
        heads("PLBart", GENERATION, "ForSequenceClassification", CAUSAL), bart_config()
    ),
    "fsmt": family(
        heads("FSMT", GENERATION), bart_config(src_vocab_size=26, vocab_size=22)
    ),
    "m2m_100": family(heads("M2M100", GENERATION), bart_config()),
    "nllb-moe": family(heads("NllbMoe", GENERATION), bart_config()),
    "blenderbot": family(heads("Blenderbot", GENERATION, CAUSAL), bart_config()),
    "blenderbot-small": family(heads("BlenderbotSmall", GENERATION, CAUSAL), bart_config()),
    "marian": family(
        heads("Marian", "MTModel", CAUSAL), bart_config(pad_token_id=1, decoder_start_token_id=1)
    ),
    "prophetnet": family(
        heads("ProphetNet", GENERATION, CAUSAL), prophetnet_config(), without=["num_hidden_layers"]
    ),
    "xlm-prophetnet": family(
        heads("XLMProphetNet", GENERATION, CAUSAL),
        prophetnet_config(),
        without=["num_hidden_layers"],
        old=True,
    ),
    "encoder-decoder": dict(
        architectures=["EncoderDecoderModel"],
        config=pair(part("bert"), decoder_part("bert")),
        without=["hidden_size"],
        inputs=complete,
        unseen={"EncoderDecoderModel": "^encoder.pooler"},
    ),
    "rag": dict(
        architectures=["RagModel", "RagSequenceForGeneration", "RagTokenForGeneration"],
        config=dict(
            question_encoder=part("dpr"),
            generator={**part("bart", **BART_PART), "pad_token_id": 1},
            n_docs=2,
            pad_token_id=1,
        ),
        inputs=context_inputs,
        any_epsilon=True,
        unseen={
            name: "question_encoder"
            for name in ("RagModel", "RagSequenceForGeneration", "RagTokenForGeneration")
        },
    ),
    "t5": family(
        heads("T5", GENERATION, "EncoderModel", *CLASSIFIERS, "ForTokenClassification"),
        t5_config(),
    ),
    "mt5": family(heads("MT5", GENERATION), t5_config()),
    "umt5": family(heads("UMT5", GENERATION), t5_config()),
    "switch_transformers": family(
        heads("SwitchTransformers", GENERATION, "EncoderModel"),
        t5_config(num_experts=2, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1),
    ),
}

VARIANTS = {
    "bart": {
        "BartModel-hidden_states": dict(of="BartModel", inputs=hidden_states),
        "BartModel-left": dict(of="BartModel", inputs=padded_left),
        "BartModel-decoder_mask": dict(of="BartModel", inputs=decoder_mask),
        "BartModel-no_decoder_ids": dict(of="BartModel", inputs=no_decoder_ids),
        "BartModel-embeddings": dict(of="BartModel", inputs=embeddings_given, unseen="shared"),
        "BartModel-unscaled": dict(of="BartModel", set=dict(scale_embedding=False)),
        "BartForConditionalGeneration-bias": dict(
            of="BartForConditionalGeneration", names=with_bias
        ),
    },
    "mbart": {
        "MBartModel-hidden_states": dict(of="MBartModel", inputs=hidden_states),
        "MBartModel-no_decoder_ids": dict(of="MBartModel", inputs=no_decoder_ids),
    },
    "pegasus": {
        "PegasusModel-computed": dict(of="PegasusModel", names=without_positions),
        "PegasusModel-embeddings": dict(
            of="PegasusModel", inputs=embeddings_given, unseen="shared"
        ),
    },
    "m2m_100": {
        "M2M100Model-pads": dict(of="M2M100Model", inputs=pads_given),
        "M2M100Model-left": dict(of="M2M100Model", inputs=padded_left),
        "M2M100ForConditionalGeneration-no_pads": dict(
            of="M2M100ForConditionalGeneration", inputs=no_decoder_pads
        ),
    },
    "nllb-moe": {
        # Transformers 5 gives each token the first two experts, whichever it has chosen
        "NllbMoeModel-experts": dict(
            architecture="NllbMoeModel",
            config=dict(
                num_experts=3, encoder_layers=2, encoder_sparse_step=2, decoder_sparse_step=1
            ),
            old=True,
        ),
        "NllbMoeForConditionalGeneration-no_pads": dict(
            of="NllbMoeForConditionalGeneration", inputs=no_decoder_pads
        ),
    },
    "marian": {
        "MarianMTModel-two_vocabularies": dict(
            architecture="MarianMTModel",
            config=dict(share_encoder_decoder_embeddings=False, decoder_vocab_size=22),
        ),
    },
    "t5": {
        "T5Model-hidden_states": dict(of="T5Model", inputs=hidden_states),
        "T5Model-decoder_mask": dict(of="T5Model", inputs=decoder_mask),
        "T5Model-left": dict(of="T5Model", inputs=padded_left),
        "T5ForConditionalGeneration-1_1": dict(
            of="T5ForConditionalGeneration-gated",
            set=dict(tie_word_embeddings=False),
            names=untied_words,
            unseen="shared",
        ),
        "T5ForConditionalGeneration-encoder_words": dict(
            of="T5ForConditionalGeneration", names=only_encoder_words
        ),
        "T5ForConditionalGeneration-silu": dict(
            of="T5ForConditionalGeneration-gated", set=dict(dense_act_fn="silu")
        ),
        "T5ForConditionalGeneration-long": dict(
            of="T5ForConditionalGeneration",
            set=dict(relative_attention_num_buckets=32),
            inputs=long_texts,
        ),
    },
    "umt5": {"UMT5Model-long": dict(of="UMT5Model", inputs=long_texts)},
    "prophetnet": {
        # where passes over whole texts and steps are the same in Transformers
        "ProphetNetForConditionalGeneration-steps": dict(
            architecture="ProphetNetForConditionalGeneration",
            config=dict(ngram=1, num_decoder_attention_heads=1),
        ),
        "ProphetNetModel-long": dict(of="ProphetNetModel", inputs=short_of_positions),
    },
    "encoder-decoder": {
        "EncoderDecoderModel-roberta": dict(
            architecture="EncoderDecoderModel",
            config=pair(
                part("bert", hidden_size=8, vocab_size=30), decoder_part("roberta", pad_token_id=3)
            ),
            unseen="^encoder.pooler",
        ),
        "EncoderDecoderModel-bart": dict(
            architecture="EncoderDecoderModel",
            config=pair(
                part("roberta"),
                decoder_part("bart", is_encoder_decoder=False, **BART_PART),
            ),
            unseen="^encoder.pooler",
        ),
        "EncoderDecoderModel-gpt2": dict(
            architecture="EncoderDecoderModel",
            config=pair(
                part("bert"),
                decoder_part("gpt2", n_embd=12, n_layer=2, n_head=3, n_positions=20),
            ),
            unseen="^encoder.pooler|crossattention.c_attn.bias",
        ),
        "EncoderDecoderModel-hidden_states": dict(
            of="EncoderDecoderModel", inputs=hidden_states, unseen="^encoder.pooler"
        ),
    },
    "rag": {
        "RagTokenForGeneration-together": dict(
            of="RagTokenForGeneration", set=dict(do_marginalize=True), unseen="question_encoder"
        ),
    },
    "switch_transformers": {
        "SwitchTransformersModel-full": dict(
            of="SwitchTransformersModel", set=dict(expert_capacity=2)
        ),
    },
}

# First, for those that share its checkpoint.
VARIANTS["t5"] = {
    "T5ForConditionalGeneration-gated": dict(
        architecture="T5ForConditionalGeneration",
        config=dict(feed_forward_proj="gated-gelu"),
    ),
    **VARIANTS["t5"],
}
