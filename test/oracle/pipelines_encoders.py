"""What pipelines over encoders give: checkpoints with request.json, the calls, and expected.json.

Question answering, which Transformers 5 no longer has, is made with the last Transformers 4.
Multiple choice and next sentence prediction never were pipelines; what stands for them is here.
"""

import json

import tokenizers
import torch
import transformers

import tiny

OLD = int(transformers.__version__.split(".")[0]) < 5
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = [
    "Anna Berg moved from Zürich to São Paulo in May 2021.",
    "The café near the museum sells 42 kinds of cake; nobody knows why!",
    "Why did Élodie's brother leave Acme Corp. for $1,200?",
    "It's an (unusual) co-operation: PostgreSQL and 東京 — naïve, isn't it?",
    "Parcels to Lima take longer than others. Omar Haddad paid for one.",
    "  spaces  around\tand\nin it  ",
]
LONG = " ".join(SENTENCES[:5] * 3)
QUESTIONS = ["Who moved?", "What does the café sell?", "Why did he leave?"]
MODEL_MAX_LENGTH = 48

# name: architecture, tokenizer, keys of config.json, calls: (id, inputs, parameters)
PIPELINES = {
    "text-classification/single": (
        "BertForSequenceClassification", "wordpiece",
        {"id2label": {0: "good", 1: "bad", 2: "neither"}},
        [
            ("one", SENTENCES[0], {}),
            ("list", SENTENCES[:2], {}),
            ("top-2", SENTENCES[1], {"top_k": 2}),
            ("all-but-one", SENTENCES[1], {"top_k": -1}),
            ("all", SENTENCES[:2], {"top_k": None}),
            ("pair", {"text": SENTENCES[0], "text_pair": SENTENCES[2]}, {}),
            ("pairs", [{"text": SENTENCES[0], "text_pair": SENTENCES[2]}], {"top_k": 1}),
            ("old-pair", [[[SENTENCES[0], SENTENCES[2]]]], {}),
            ("mixed", [SENTENCES[0], {"text": SENTENCES[3]}], {"top_k": 1}),
            ("sigmoid", SENTENCES[3], {"function_to_apply": "sigmoid", "top_k": None}),
            ("none", SENTENCES[3], {"function_to_apply": "NONE", "top_k": None}),
            ("truncated", LONG, {"truncation": True}),
            ("shorter", LONG, {"truncation": True, "max_length": 12}),
            ("max-length", LONG, {"max_length": 12}),
            ("second", {"text": SENTENCES[0], "text_pair": LONG},
             {"truncation": "only_second", "max_length": 40}),
            ("padded", SENTENCES[0], {"padding": "max_length", "max_length": 30}),
            ("bare", SENTENCES[0], {"add_special_tokens": False}),
            ("empty", "", {}),
            ("batch", SENTENCES, {"batch_size": 4}),
            ("a-list", [[SENTENCES[0], SENTENCES[1]]], {}),
            ("no-function", SENTENCES[0], {"function_to_apply": "square"}),
        ],
    ),
    "text-classification/multi": (
        "RobertaForSequenceClassification", "bytes",
        {"num_labels": 4, "problem_type": "multi_label_classification"},
        [
            ("best", SENTENCES[0], {}),
            ("all", SENTENCES[3], {"top_k": None}),
            ("pair", {"text": SENTENCES[0], "text_pair": SENTENCES[2]}, {"top_k": None}),
            ("softmax", SENTENCES[0], {"function_to_apply": "softmax"}),
        ],
    ),
    "text-classification/regression": (
        "DistilBertForSequenceClassification", "wordpiece",
        {"num_labels": 1, "problem_type": "regression"},
        [("one", SENTENCES[0], {}), ("list", SENTENCES[:3], {"top_k": None})],
    ),
    "text-classification/untyped": (
        "AlbertForSequenceClassification", "unigram", {"num_labels": 2},
        [
            ("one", SENTENCES[0], {"top_k": None}),
            ("pair", {"text": SENTENCES[0], "text_pair": SENTENCES[2]}, {"top_k": None}),
            ("typed", {"text": SENTENCES[0], "text_pair": SENTENCES[2]},
             {"top_k": None, "return_token_type_ids": True}),
        ],
    ),
    "zero-shot-classification/nli": (
        "BartForSequenceClassification", "bytes",
        {"id2label": {0: "contradiction", 1: "neutral", 2: "Entailment"}},
        [
            ("list", SENTENCES[0], {"candidate_labels": ["travel", "food", "money"]}),
            ("words", SENTENCES[1], {"candidate_labels": "travel, food ,, money"}),
            ("several", SENTENCES[:2], {"candidate_labels": ["travel", "food"]}),
            ("multi", SENTENCES[1],
             {"candidate_labels": ["travel", "food", "money"], "multi_label": True}),
            ("template", SENTENCES[1],
             {"candidate_labels": ["travel", "food"], "hypothesis_template": "{{{}}} is about {{}}"}),
            ("single", SENTENCES[1], {"candidate_labels": ["food"]}),
            ("equal", SENTENCES[1], {"candidate_labels": ["food", "travel", "food"]}),
            ("long", LONG, {"candidate_labels": ["travel", "food"]}),
            ("no-place", SENTENCES[1],
             {"candidate_labels": ["food"], "hypothesis_template": "It is."}),
            ("two-places", SENTENCES[1],
             {"candidate_labels": ["food"], "hypothesis_template": "{} {}"}),
            ("no-labels", SENTENCES[1], {"candidate_labels": []}),
            ("nothing", "", {"candidate_labels": ["food"]}),
        ],
    ),
    "token-classification/words": (
        "BertForTokenClassification", "wordpiece",
        {"id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}},
        [
            ("none", SENTENCES[0], {}),
            *((strategy, SENTENCES[:4], {"aggregation_strategy": strategy})
              for strategy in ("simple", "first", "average", "MAX")),
            *((f"all-{strategy}", SENTENCES[3:],
               {"aggregation_strategy": strategy, "ignore_labels": []})
              for strategy in ("none", "simple", "first", "average", "max")),
            ("ignored", SENTENCES[2], {"ignore_labels": ["O", "I-PER", "LOC"]}),
            ("ignored-tags", SENTENCES[2],
             {"ignore_labels": ["O", "LOC"], "aggregation_strategy": "simple"}),
            ("stride", LONG, {"stride": 10, "aggregation_strategy": "simple"}),
            ("stride-first", LONG,
             {"stride": 20, "aggregation_strategy": "first", "ignore_labels": []}),
            ("stride-only", LONG, {"stride": 0}),
            ("cut", LONG, {"aggregation_strategy": "simple"}),
            ("split", ["Anna", "Berg", "isn't", "in", "Zürich"], {"is_split_into_words": True}),
            ("split-lists", [["Anna", "Berg"], ["in", "", "Zürich"]],
             {"is_split_into_words": True, "aggregation_strategy": "max", "ignore_labels": []}),
            ("delimiter", ["Anna", "Berg", "naïve"],
             {"is_split_into_words": True, "delimiter": "—-", "aggregation_strategy": "average",
              "ignore_labels": []}),
            ("empty", "", {"aggregation_strategy": "simple"}),
            ("strides-too-far", LONG, {"stride": 48, "aggregation_strategy": "simple"}),
            ("no-strategy", SENTENCES[0], {"aggregation_strategy": "median"}),
            ("stride-of-tokens", LONG, {"stride": 4, "aggregation_strategy": "none"}),
        ],
    ),
    "token-classification/bytes": (
        "RobertaForTokenClassification", "bytes",
        {"id2label": {0: "O", 1: "PER", 2: "B-A-B", 3: "I-A-B", 4: "X-LOC"}},
        [
            *((strategy, SENTENCES, {"aggregation_strategy": strategy})
              for strategy in ("none", "simple", "first", "average", "max")),
            ("stride", LONG, {"stride": 7, "aggregation_strategy": "max"}),
        ],
    ),
    "question-answering/words": (
        "BertForQuestionAnswering", "wordpiece", {},
        [
            ("one", {"question": QUESTIONS[0], "context": SENTENCES[0]}, {}),
            ("best", {"question": QUESTIONS[1], "context": SENTENCES[1]}, {"top_k": 4}),
            ("list", [{"question": q, "context": SENTENCES[1]} for q in QUESTIONS], {}),
            ("list-of-one", [{"question": QUESTIONS[0], "context": SENTENCES[1]}], {"top_k": 2}),
            ("lists", {"question": QUESTIONS, "context": SENTENCES[:3]}, {}),
            ("questions", {"question": QUESTIONS, "context": SENTENCES[1]}, {"topk": 2}),
            ("long", {"question": QUESTIONS[0], "context": LONG}, {"top_k": 5}),
            ("stride", {"question": QUESTIONS[0], "context": LONG},
             {"top_k": 3, "doc_stride": 5, "max_seq_len": 30}),
            ("impossible", {"question": QUESTIONS[2], "context": LONG},
             {"handle_impossible_answer": True, "top_k": 3}),
            ("impossible-one", {"question": QUESTIONS[2], "context": SENTENCES[2]},
             {"handle_impossible_answer": True}),
            ("short", {"question": QUESTIONS[2], "context": LONG},
             {"max_answer_len": 2, "top_k": 3}),
            ("tokens", {"question": QUESTIONS[2], "context": SENTENCES[3]},
             {"align_to_words": False, "top_k": 3}),
            ("spaces", {"question": QUESTIONS[2], "context": SENTENCES[5]}, {"top_k": 2}),
            ("nothing", {"question": QUESTIONS[2], "context": ""}, {}),
            ("no-question", {"context": SENTENCES[5]}, {}),
            ("stride-too-far", {"question": QUESTIONS[0], "context": LONG},
             {"doc_stride": 40, "max_seq_len": 30}),
        ],
    ),
    "question-answering/bytes": (
        "RobertaForQuestionAnswering", "bytes", {},
        [
            ("one", {"question": QUESTIONS[0], "context": SENTENCES[0]}, {"top_k": 2}),
            ("long", {"question": QUESTIONS[0], "context": LONG}, {"top_k": 5}),
            ("tokens", {"question": QUESTIONS[2], "context": LONG},
             {"align_to_words": False, "top_k": 3, "max_answer_len": 30}),
        ],
    ),
    "question-answering/typed": (
        "AlbertForQuestionAnswering", "unigram", {},
        [("one", {"question": QUESTIONS[0], "context": SENTENCES[4]}, {"top_k": 3})],
    ),
    "fill-mask/words": (
        "BertForMaskedLM", "wordpiece", {},
        [
            ("one", "Anna [MASK] moved.", {}),
            ("list", ["Anna [MASK] moved.", "The [MASK]"], {"top_k": 2}),
            ("list-of-one", ["Anna [MASK] moved."], {"top_k": 2}),
            ("two", "Anna [MASK] moved to [MASK]!", {"top_k": 2}),
            ("targets", "Anna [MASK] moved.", {"targets": ["the", "cafe", "zzz", "the", "leaves"]}),
            ("target", "Anna [MASK] moved.", {"targets": "cafe"}),
            ("targets-of-two", "a [MASK] [MASK]", {"targets": ["the", "of"], "top_k": 1}),
            ("cut", "Anna [MASK] moved. " + LONG, {"tokenizer_kwargs": {"truncation": True}}),
            ("no-mask", "Anna moved.", {}),
        ],
    ),
    "fill-mask/bytes": (
        "RobertaForMaskedLM", "bytes", {},
        [
            ("one", "Anna <mask> moved.", {}),
            ("two", "Anna<mask> moved to <mask>", {"top_k": 3}),
            ("targets", "Anna <mask> moved.", {"targets": [" the", "the", " longer"]}),
        ],
    ),
    "fill-mask/latents": (
        "PerceiverForMaskedLM", "latents",
        {
            "num_latents": 3, "d_latents": 16, "d_model": 16, "max_position_embeddings": 48,
            "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
            "num_cross_attention_heads": 2,
        },
        [
            ("one", "Anna[MASK]moved.", {}),
            ("list", ["Anna[MASK] moved.", "The[MASK]"], {"top_k": 2}),
            ("two", "Anna[MASK]moved to[MASK]!", {"top_k": 2}),
        ],
    ),
}  # fmt: skip

# Not pipelines of Transformers.
OTHERS = {
    "multiple-choice/words": (
        "BertForMultipleChoice", "wordpiece", {},
        [
            ("two", {"prompt": SENTENCES[0], "choices": SENTENCES[1:3]}, {}),
            ("long", {"prompt": LONG, "choices": [SENTENCES[1], "a", LONG]}, {}),
            ("list", [{"prompt": s, "choices": SENTENCES} for s in SENTENCES[:2]], {}),
        ],
    ),
    "next-sentence-prediction/words": (
        "BertForNextSentencePrediction", "wordpiece", {},
        [
            ("one", {"text": SENTENCES[0], "text_pair": SENTENCES[1]}, {}),
            ("list", [{"text": s, "text_pair": SENTENCES[1]} for s in SENTENCES], {}),
            ("alone", SENTENCES[0], {}),
        ],
    ),
}  # fmt: skip

SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
    max_position_embeddings=132, bos_token_id=2, eos_token_id=3, pad_token_id=0,
    # names of DistilBERT, BART, ALBERT
    dim=16, n_layers=2, n_heads=2, hidden_dim=24, embedding_size=8,
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, decoder_start_token_id=3,
    forced_eos_token_id=None,
)  # fmt: skip
TOKENIZERS = {
    "wordpiece": ("BertTokenizer", "[CLS] [SEP] [PAD] [UNK] [MASK]"),
    "bytes": ("RobertaTokenizer", "<s> </s> <pad> <unk> <mask>"),
    "unigram": ("AlbertTokenizer", "[CLS] [SEP] <pad> <unk> [MASK]"),
}


def train_wordpiece(special):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=special, show_progress=False
    )
    return tokenizer, trainer


def train_bytes(special):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return tokenizer, trainer


def train_unigram(special):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram())
    # as AlbertTokenizer of Transformers 5 makes it, so that both releases see the same words
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    return tokenizer, trainer


def write_tokenizer(directory, kind):
    """Write tokenizer.json with the layout of its class; returns the vocabulary's size."""
    if kind == "latents":
        tokenizer = transformers.PerceiverTokenizer(model_max_length=MODEL_MAX_LENGTH)
        tokenizer.save_pretrained(directory)
        return len(tokenizer)
    name, special = TOKENIZERS[kind]
    cls, sep, pad, unk, mask = special.split()
    order = [pad, unk, cls, sep, mask]
    tokenizer, trainer = globals()["train_" + kind](order)
    tokenizer.train_from_iterator(sorted(SENTENCES) * 3, trainer)
    ids = {token: tokenizer.token_to_id(token) for token in order}
    if kind == "bytes":
        tokenizer.post_processor = tokenizers.processors.RobertaProcessing(
            (sep, ids[sep]), (cls, ids[cls]), trim_offsets=True, add_prefix_space=False
        )
    else:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{cls} $A {sep}",
            pair=f"{cls} $A {sep} $B:1 {sep}:1",
            special_tokens=[(cls, ids[cls]), (sep, ids[sep])],
        )
    tokenizer.save(str(directory / "tokenizer.json"))
    tokens = dict(cls_token=cls, sep_token=sep, pad_token=pad, unk_token=unk, mask_token=mask)
    if kind == "bytes":
        tokens |= dict(bos_token=cls, eos_token=sep)
    tiny.write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": name,
            "model_max_length": MODEL_MAX_LENGTH,
            "do_lower_case": kind == "wordpiece",
            **tokens,
        },
        indent=2,
    )
    return tokenizer.get_vocab_size()


def write_model(directory, architecture, keys, vocab_size):
    model_class = getattr(transformers, architecture)
    allowed = model_class.config_class().to_dict()
    sizes = {key: value for key, value in SIZES.items() if key in allowed}
    if "id2label" in keys:
        keys = {**keys, "label2id": {label: number for number, label in keys["id2label"].items()}}
    config = model_class.config_class(**{**sizes, "vocab_size": vocab_size, **keys})
    model = tiny.fill(model_class(config), "pipelines")
    model.save_pretrained(directory)


def choose(directory):
    """A model for multiple choice, called with prompt and choices."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForMultipleChoice.from_pretrained(directory).eval()

    def one(inputs):
        choices = inputs["choices"]
        pairs = tokenizer(
            [inputs["prompt"]] * len(choices), choices, truncation=True, padding=True,
            return_tensors="pt",
        )  # fmt: skip
        logits = model(**{key: value[None] for key, value in pairs.items()}).logits[0]
        scores = logits.softmax(-1)
        return {
            "choice": int(scores.argmax()),
            "scores": tiny.tensor_json(scores),
            "logits": tiny.tensor_json(logits),
        }

    return one


def follow(directory):
    """A model that tells whether one text follows another."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForNextSentencePrediction.from_pretrained(directory).eval()

    def one(inputs):
        pair = tokenizer(inputs["text"], inputs["text_pair"], return_tensors="pt")
        score = float(model(**pair).logits.softmax(-1)[0, 0])
        return {"is_next": score >= 0.5, "score": score}

    return one


def caller(task, directory):
    """What is called with inputs and parameters."""
    if task in ("multiple-choice", "next-sentence-prediction"):
        one = {"multiple-choice": choose, "next-sentence-prediction": follow}[task](directory)
        return lambda inputs, **_: [one(i) for i in inputs] if isinstance(inputs, list) else one(inputs)
    pipe = transformers.pipeline(task, model=str(directory), device="cpu")
    if task == "question-answering":
        return lambda inputs, **parameters: (
            pipe(inputs, **parameters) if isinstance(inputs, list) else pipe(**inputs, **parameters)
        )
    return pipe


def plain(value):
    """Numbers as JSON has them."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if hasattr(value, "item"):
        value = value.item()
    return float(f"{value:.7g}") if isinstance(value, float) else value


def write_case(directory, task, architecture, kind, keys, calls):
    directory.mkdir(parents=True, exist_ok=True)
    write_model(directory, architecture, keys, write_tokenizer(directory, kind))
    call = caller(task, directory)
    requests, results = [], []
    for name, inputs, parameters in calls:
        request = {"id": name, "inputs": inputs, "parameters": parameters}
        result = {"id": name}
        try:
            with torch.no_grad():
                # the pipelines change what they are given
                given, named = json.loads(json.dumps([inputs, parameters]))
                result["output"] = plain(call(given, **named))
        except Exception:
            request["expect_error"] = True
        requests.append(request)
        results.append(result)
    tiny.write_json(directory / "request.json", {"task": task, "calls": requests}, indent=1)
    tiny.write_json(directory / "expected.json", {"calls": results})
    (directory / "special_tokens_map.json").unlink(missing_ok=True)
    (directory / "generation_config.json").unlink(missing_ok=True)


def is_old(case):
    return case.startswith("question-answering/")


def any_old(wanted):
    return any(is_old(case) and wanted("pipeline/" + case) for case in PIPELINES)


def make(golden, wanted):
    for case, what in {**PIPELINES, **OTHERS}.items():
        if is_old(case) == OLD and wanted("pipeline/" + case):
            write_case(golden / "pipeline" / case, case.split("/")[0], *what)
