"""The kin of BERT and RoBERTa; see families.py."""

import re

import torch

import quantization
import tiny
from families import COMMON, heads, hidden_states, padded_left


def with_inputs(**kinds):
    """The usual inputs and more ids of tokens, by name: how many there are of each."""

    def add(architecture, x, config):
        shape = x["input_ids"].shape
        for name, size in kinds.items():
            if name == "task_type_ids" and "MultipleChoice" in architecture:
                continue  # which does not flatten them
            draw = tiny.generator(name)
            x[name] = torch.randint(0, getattr(config, size), shape, generator=draw)
        return x

    return add


def embeddings_given(x, config):
    draw = tiny.generator("embeddings")
    given = {k: v for k, v in x.items() if k != "input_ids"}
    shape = (*x["input_ids"].shape, config.embedding_size)
    return {**given, "inputs_embeds": 0.1 * torch.randn(shape, generator=draw)}


def questions(architecture, x, config):
    """Question tokens, more than one in some rows."""
    for row, place in ((0, 2), (0, 6), (1, 4), (2, 1), (2, 3)):
        x["input_ids"][row, place] = config.question_token_id
    return x


def question_positions(x, config):
    return {**x, "question_positions": torch.tensor([[1, 5, 0], [4, 4, 2], [3, 0, 1]])}


@torch.no_grad()
def plain_norms(model):
    """Weights around 1 for norms that are classes of their own."""
    for module in model.modules():
        if type(module).__name__ in ("NoNorm", "IntLayerNorm"):
            module.weight += 0.5 if type(module).__name__ == "NoNorm" else 1
    if getattr(model.config, "quant_mode", False):
        ids = torch.arange(5, model.config.vocab_size)[None, :9]
        for _ in range(3):  # in which it sees how large activations are
            model.train()(ids)
        model.eval()


def embed_texts(model, x):
    return {
        "question_embeds": model.embed_questions(**x),
        "answer_embeds": model.embed_answers(**x),
    }


def without_types(architecture, x, config):
    x.pop("token_type_ids")
    return x


def candidates(architecture, x, config):
    """What the scorer is given to score, the encoder to read, and the reader to look into."""
    pair = {k: torch.stack([v, v.roll(1, 0)], 1) for k, v in x.items()}
    if architecture == "RealmScorer":
        x.update({f"candidate_{k}": v for k, v in pair.items()})
    if architecture == "RealmReader":
        x["relevance_score"] = torch.tensor([0.5, 5.0, 1.0])
        x["block_mask"] = x["attention_mask"].bool()
        x["block_mask"][:, 0] = False
    return pair if architecture == "RealmKnowledgeAugEncoder" else x


def save_shared_once(model):
    """Name what other parts have as well."""
    shared = [k for k in model.state_dict() if re.match(r"query_embedder|.*decoder\.bias", k)]
    model._dynamic_tied_weights_keys = shared


def states_given(x, config):
    """What the decoder looks at, the second row's end being masked."""
    states = torch.randn(3, 5, config.hidden_size, generator=tiny.generator("states"))
    mask = torch.tensor([[1] * 5, [1] * 2 + [0] * 3, [1] * 5])
    return {**x, "encoder_hidden_states": states, "encoder_attention_mask": mask}


def languages(x, config):
    return {**x, "lang_ids": torch.tensor([0, 1, 0])}


FAMILIES = {
    "albert": dict(
        architectures=heads("Albert", *COMMON, "PreTraining"),
        config=dict(embedding_size=8, pad_token_id=0),
    ),
    "electra": dict(
        architectures=heads("Electra", *COMMON, "PreTraining", "CausalLM"),
        seeds=dict(ElectraModel=2, ElectraForCausalLM=2),
        config=dict(embedding_size=8),
    ),
    "ernie": dict(
        architectures=heads("Ernie", *COMMON, "NextSentencePrediction", "PreTraining"),
        seeds=dict(ErnieModel=2),
        config=dict(use_task_id=True),
        inputs=with_inputs(task_type_ids="task_type_vocab_size"),
    ),
    "roc_bert": dict(
        architectures=heads("RoCBert", *COMMON, "PreTraining"),
        seeds=dict(RoCBertForSequenceClassification=2),
        unseen={"RoCBertForPreTraining": "pooler"},
        config=dict(
            shape_vocab_size=9,
            shape_embed_dim=6,
            pronunciation_vocab_size=7,
            pronunciation_embed_dim=5,
        ),
        inputs=with_inputs(
            input_shape_ids="shape_vocab_size", input_pronunciation_ids="pronunciation_vocab_size"
        ),
    ),
    "dpr": dict(
        architectures=["DPRQuestionEncoder", "DPRContextEncoder", "DPRReader"],
    ),
    "camembert": dict(
        architectures=heads("Camembert", *COMMON),
        seeds=dict(CamembertForMultipleChoice=2),
    ),
    "data2vec-text": dict(
        architectures=heads("Data2VecText", *COMMON),
        seeds=dict(Data2VecTextForMultipleChoice=2),
    ),
    "megatron-bert": dict(
        architectures=heads("MegatronBert", *COMMON, "NextSentencePrediction", "PreTraining"),
        seeds=dict(MegatronBertForMultipleChoice=4),
    ),
    "rembert": dict(
        architectures=heads("RemBert", *COMMON),
        seeds=dict(RemBertForSequenceClassification=5, RemBertForMultipleChoice=2),
        config=dict(input_embedding_size=8, output_embedding_size=10),
    ),
    "roberta-prelayernorm": dict(
        architectures=heads("RobertaPreLayerNorm", *COMMON),
        seeds=dict(RobertaPreLayerNormForMultipleChoice=2),
    ),
    "xlm-roberta-xl": dict(
        architectures=heads("XLMRobertaXL", *COMMON),
        seeds=dict(XLMRobertaXLForSequenceClassification=2, XLMRobertaXLForQuestionAnswering=2, XLMRobertaXLForMultipleChoice=3),
    ),
    "squeezebert": dict(
        seeds=dict(SqueezeBertForTokenClassification=2),
        architectures=heads("SqueezeBert", *COMMON),
        unseen={
            f"SqueezeBertFor{task}": "pooler"
            for task in ("MaskedLM", "TokenClassification", "QuestionAnswering")
        },
        config=dict(
            embedding_size=12,
            q_groups=2,
            k_groups=3,
            v_groups=1,
            post_attention_groups=2,
            intermediate_groups=4,
            output_groups=4,
        ),
    ),
    "mobilebert": dict(
        architectures=heads("MobileBert", *COMMON, "NextSentencePrediction", "PreTraining"),
        config=dict(embedding_size=8, intra_bottleneck_size=8, num_feedforward_networks=2),
        seeds=dict(MobileBertModel=2),
        finish=plain_norms,
        any_epsilon=True,
    ),
    "splinter": dict(
        architectures=heads("Splinter", "QuestionAnswering", "PreTraining"),
        config=dict(question_token_id=4, pad_token_id=0),
        inputs=questions,
    ),
    "xmod": dict(
        architectures=heads("Xmod", *COMMON),
        config=dict(languages=["en_XX", "de_DE"], default_language="de_DE"),
        unseen={name: "en_XX" for name in heads("Xmod", *COMMON)},
    ),
    "ibert": dict(
        architectures=heads("IBert", *COMMON),
        config=dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        finish=plain_norms,
        seeds=dict(IBertModel=18, IBertForMaskedLM=2, IBertForTokenClassification=2),
        any_epsilon=True,
    ),
    "nezha": dict(
        seeds=dict(NezhaForSequenceClassification=2, NezhaForMultipleChoice=2),
        architectures=heads("Nezha", *COMMON, "NextSentencePrediction", "PreTraining"),
        config=dict(max_relative_position=3, pad_token_id=0),
        old=True,
    ),
    "qdqbert": dict(
        architectures=heads("QDQBert", *COMMON, "NextSentencePrediction"),
        seeds={name: 2 for name in heads("QDQBert", *COMMON, "NextSentencePrediction")},
        finish=quantization.calibrate,
        old=True,
    ),
    "realm": dict(
        architectures=["RealmEmbedder", "RealmScorer", "RealmKnowledgeAugEncoder", "RealmReader"],
        config=dict(
            retriever_proj_size=8,
            num_candidates=2,
            span_hidden_size=6,
            max_span_width=3,
            hidden_act="gelu_new",
        ),
        inputs=candidates,
        call=lambda model, x: {k: v.float() for k, v in model(**x).items()},
        finish=save_shared_once,
        unseen={
            "RealmEmbedder": "predictions",
            "RealmScorer": "predictions",
            "RealmKnowledgeAugEncoder": "pooler",
            "RealmReader": r"^(?!qa_outputs.layer_normalization.weight)",  # places alone are told
        },
        any_epsilon=True,
        old=True,
    ),
    "retribert": dict(
        architectures=["RetriBertModel"],
        config=dict(projection_dim=8, share_encoders=False, position_embedding_type="absolute"),
        call=embed_texts,
        inputs=without_types,
        old=True,
    ),
    "bert-generation": dict(architectures=["BertGenerationEncoder", "BertGenerationDecoder"]),
}

VARIANTS = {
    "bert-generation": {
        "BertGenerationDecoder-cross": dict(
            architecture="BertGenerationDecoder",
            config=dict(is_decoder=True, add_cross_attention=True),
            inputs=states_given,
        ),
        "BertGenerationDecoder-causal": dict(
            architecture="BertGenerationDecoder", config=dict(is_decoder=True), inputs=padded_left
        ),
    },
    "ernie": {
        "ErnieModel-no_task": dict(
            of="ErnieModel", set=dict(use_task_id=False), unseen="task_type_embeddings"
        ),
    },
    "megatron-bert": {
        "MegatronBertModel-hidden_states": dict(of="MegatronBertModel", inputs=hidden_states),
        "MegatronBertForCausalLM-causal": dict(
            architecture="MegatronBertForCausalLM", config=dict(is_decoder=True)
        ),
    },
    "xlm-roberta-xl": {
        "XLMRobertaXLModel-hidden_states": dict(of="XLMRobertaXLModel", inputs=hidden_states),
    },
    "rembert": {
        "RemBertModel-hidden_states": dict(of="RemBertModel", inputs=hidden_states),
    },
    "squeezebert": {
        "SqueezeBertModel-float16": dict(of="SqueezeBertModel", dtype=torch.float16),
    },
    "qdqbert": {
        "QDQBertModel-uncalibrated": dict(
            of="QDQBertModel",
            names=lambda weights: {k: v for k, v in weights.items() if "_amax" not in k},
        ),
    },
    "splinter": {
        "SplinterForPreTraining-given": dict(
            of="SplinterForPreTraining", inputs=question_positions
        ),
    },
    "mobilebert": {
        "MobileBertModel-norms": dict(
            architecture="MobileBertModel",
            config=dict(
                normalization_type="layer_norm", classifier_activation=False, hidden_act="gelu"
            ),
        ),
        "MobileBertModel-wide": dict(
            architecture="MobileBertModel",
            config=dict(use_bottleneck=False, trigram_input=False, num_feedforward_networks=1),
        ),
        "MobileBertModel-bottleneck": dict(
            architecture="MobileBertModel",
            config=dict(use_bottleneck_attention=True),
            inputs=padded_left,
            unseen=r"bottleneck\.attention",
        ),
    },
    "ibert": {
        "IBertModel-eps": dict(of="IBertModel", set=dict(layer_norm_eps=0.05)),
        "IBertForTokenClassification-quantized": dict(
            architecture="IBertForTokenClassification", config=dict(quant_mode=True)
        ),
        "IBertForMaskedLM-dequantized": dict(
            architecture="IBertForMaskedLM",
            config=dict(quant_mode=True, force_dequant="nonlinear"),
        ),
    },
    "xmod": {
        "XmodModel-languages": dict(of="XmodModel", inputs=languages, unseen="$^"),
        "XmodModel-pre_norm": dict(
            architecture="XmodModel",
            config=dict(pre_norm=True, adapter_layer_norm=True, ln_before_adapter=False),
            unseen="en_XX",
        ),
    },
    "roc_bert": {
        "RoCBertModel-added": dict(
            architecture="RoCBertModel",
            config=dict(concat_input=False, shape_embed_dim=12, pronunciation_embed_dim=12),
        ),
    },
    "albert": {
        "AlbertModel-groups": dict(
            architecture="AlbertModel",
            config=dict(num_hidden_layers=3, num_hidden_groups=2, inner_group_num=2),
            inputs=hidden_states,
            unseen=r"query|key",
        ),
        "AlbertModel-inputs_embeds": dict(
            of="AlbertModel", inputs=embeddings_given, unseen="word_embeddings"
        ),
    },
}
