"""Scores of pairs by sentence-transformers' CrossEncoder, over tiny classifiers of one label."""

import json

import transformers
from sentence_transformers import CrossEncoder

import sentence
import tiny

QUERIES = ["the cat", "PostgreSQL vector search", "", "data for the model and the table of vectors"]
DOCUMENTS = sentence.TEXTS

# name: what config.json says of the activation, in the spelling of now and of before.
CASES = {
    "sigmoid": {},
    "identity": {
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}
    },
    "identity_legacy": {
        "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"
    },
}


def write_checkpoint(directory, extra):
    config = transformers.BertConfig(
        vocab_size=len(sentence.BERT_VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        num_labels=1,
    )
    model = transformers.BertForSequenceClassification(config)
    tiny.fill(model, "cross_encoder").save_pretrained(directory)
    path = directory / "config.json"
    tiny.write_json(path, {**json.loads(path.read_text()), **extra}, indent=2)
    sentence.write_bert_tokenizer(directory)
    # The general class gives no token_type_ids, which cross-encoders' own classes do.
    tiny.write_json(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "model_max_length": 48, "do_lower_case": True},
    )


def make(golden, wanted):
    for name, extra in CASES.items():
        if not wanted(f"cross_encoder/{name}"):
            continue
        directory = golden / "cross_encoder" / name
        directory.mkdir(parents=True, exist_ok=True)
        write_checkpoint(directory, extra)
        model = CrossEncoder(str(directory), device="cpu", max_length=32)
        pairs = [[query, document] for query in QUERIES for document in DOCUMENTS]
        scores = [float(score) for score in model.predict(pairs)]
        tiny.write_json(directory / "expected.json", {"pairs": pairs, "scores": scores})
