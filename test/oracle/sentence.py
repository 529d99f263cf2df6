"""Embeddings by sentence-transformers over one tiny BERT, for each module and setting.

Every case but those with a tokenizer or a model of their own links to the files of `mean`.
"""

import shutil

import torch
import transformers
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

import tiny

HIDDEN = 16
SEQUENCE_LENGTH = 24

WORDS = """the a of and to in is on for with data ##base text model vector server query document search
 cat dog sat mat hello world post ##gre ##s ##ing ##ed sql post ##gres run ##ning table row : ; . , ! ? - ' " ( ) /""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
OTHERS = "αβγδεικλνορςи日本語한🙂"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BERT_VOCABULARY = list(
    dict.fromkeys(SPECIAL + WORDS + list(LETTERS) + ["##" + c for c in LETTERS] + list(OTHERS))
)
MPNET_VOCABULARY = ["<s>", "<pad>", "</s>", "[UNK]"] + BERT_VOCABULARY[5:] + ["<mask>"]

TEXTS = [
    "The cat sat on the mat.",
    "PostgreSQL is a database server.",
    "hello",
    "",
    " \t\n ",
    "Ünïcödé: ΑΒΓ αβγς, 日本語 한 и й 🙂 ﬁ ½ \u200b\u00ad x",
    "a query for a document; the search of text in a table, row for row, and then the model "
    "runs on and on, longer than it may be",
    "don't (ever) stop-running! [MASK] [SEP] [mask]",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz Ωmega",
]
FEW = [TEXTS[0], TEXTS[3], TEXTS[5], TEXTS[6]]

MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
LEGACY = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
PROMPTS = {"query": "query: ", "document": "the document: "}


def tokenizer_json(vocabulary, first, last, pad, lowercase=True):
    """A WordPiece tokenizer.json of BERT's kind; first and last surround a text."""
    ids = {token: i for i, token in enumerate(vocabulary)}

    def special(token, type_id=0):
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    def sequence(name, type_id=0):
        return {"Sequence": {"id": name, "type_id": type_id}}

    marked = [t for t in vocabulary if t[0] + t[-1] in ("[]", "<>")]
    single = [special(first), sequence("A"), special(last)]
    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": 8,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": {
            "strategy": {"Fixed": 8},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": ids[pad],
            "pad_type_id": 0,
            "pad_token": pad,
        },
        "added_tokens": [
            {
                "id": ids[token],
                "content": token,
                "single_word": False,
                "lstrip": token == "<mask>",
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in marked
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": single + [sequence("B", 1), special(last, 1)],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]}
                for token in (first, last)
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 40,
            "vocab": ids,
        },
    }


def write_bert_tokenizer(directory, lowercase=True):
    tiny.write_json(
        directory / "tokenizer.json",
        tokenizer_json(BERT_VOCABULARY, "[CLS]", "[SEP]", "[PAD]", lowercase),
    )
    # The general class takes tokenizer.json as it is; BertTokenizer would build its own.
    names = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], SPECIAL))
    tiny.write_json(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 48, **names},
    )


def write_bert(directory):
    config = transformers.BertConfig(
        vocab_size=len(BERT_VOCABULARY),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=48,
    )
    tiny.fill(transformers.BertModel(config), "sentence").save_pretrained(directory)
    write_bert_tokenizer(directory)


def write_mpnet(directory):
    config = transformers.MPNetConfig(
        vocab_size=len(MPNET_VOCABULARY),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=50,
    )
    tiny.fill(transformers.MPNetModel(config), "sentence").save_pretrained(directory)
    tiny.write_json(
        directory / "tokenizer.json", tokenizer_json(MPNET_VOCABULARY, "<s>", "</s>", "<pad>")
    )
    tiny.write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 48,
            "cls_token": "<s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "[UNK]",
            "mask_token": "<mask>",
        },
    )


def write_distilbert(directory):
    """A checkpoint from before tokenizer.json: its vocabulary is a text file."""
    config = transformers.DistilBertConfig(
        vocab_size=len(BERT_VOCABULARY),
        dim=12,
        n_layers=1,
        n_heads=2,
        hidden_dim=20,
        max_position_embeddings=48,
    )
    tiny.fill(transformers.DistilBertModel(config), "sentence").save_pretrained(directory)
    (directory / "vocab.txt").write_text("\n".join(BERT_VOCABULARY) + "\n", encoding="utf-8")
    tiny.write_json(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": True, "model_max_length": 48},
    )


def link_bert(directory):
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(directory.parent / "mean" / name, directory / name)


def link_bert_cased(directory):
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(directory.parent / "mean" / name, directory / name)
    write_bert_tokenizer(directory, lowercase=False)


def legacy_pooling(*modes, **more):
    """1_Pooling/config.json as sentence-transformers wrote it before 6."""
    keys = {"word_embedding_dimension": HIDDEN}
    return {**keys, **{LEGACY[mode]: mode in modes for mode in MODES}, **more}


def dense(inputs, outputs, activation, bias):
    return {
        "in_features": inputs,
        "out_features": outputs,
        "bias": bias,
        "activation_function": f"torch.nn.modules.{activation}",
    }


TANH, IDENTITY = "activation.Tanh", "linear.Identity"
DENSE = dense(HIDDEN, 12, TANH, True)

ALL_CALLS = [{}, {"normalize": False}, {"dimensions": 5}, {"dimensions": 5, "normalize": True}]
ALL_CALLS += [{"prompt": "query"}, {"prompt": "document", "normalize": False}, {"prompt": "cat : "}]
ALL_CALLS += [{"pooling": mode, "normalize": False} for mode in MODES]

# name: what is in the directory, in the order of the modules; calls are options of tfm_embed.
CASES = {
    "mean": dict(
        model=write_bert,
        pooling=legacy_pooling("mean"),
        normalize=True,
        prompts=PROMPTS,
        calls=ALL_CALLS,
    ),
    "plain": dict(modules=False, calls=[{}, {"normalize": True}]),
    "cls": dict(pooling=legacy_pooling("cls")),
    "max": dict(pooling=legacy_pooling("max")),
    "mean_sqrt_len_tokens": dict(pooling=legacy_pooling("mean_sqrt_len_tokens")),
    "weightedmean": dict(pooling=legacy_pooling("weightedmean")),
    "lasttoken": dict(pooling=legacy_pooling("lasttoken")),
    "concatenated": dict(
        pooling=legacy_pooling("mean", "cls", "max"),
        calls=[{}, {"dimensions": 20, "normalize": True}],
    ),
    "pooling_mode": dict(
        pooling={"embedding_dimension": HIDDEN, "pooling_mode": "mean", "include_prompt": True}
    ),
    "pooling_modes": dict(
        pooling={"embedding_dimension": HIDDEN, "pooling_mode": ["weightedmean", "lasttoken"]}
    ),
    "exclude_prompt": dict(
        pooling=legacy_pooling("mean", include_prompt=False),
        prompts=PROMPTS,
        default_prompt="query",
        calls=[{}, {"prompt": "document"}, {"prompt": ""}] + [{"pooling": mode} for mode in MODES],
    ),
    "default_prompt": dict(
        pooling=legacy_pooling("mean"),
        prompts=PROMPTS,
        default_prompt="document",
        calls=[{}, {"prompt": "query"}],
    ),
    "dense": dict(pooling=legacy_pooling("mean"), dense=[DENSE]),
    "dense_normalize": dict(
        pooling=legacy_pooling("mean"),
        dense=[dense(HIDDEN, 20, IDENTITY, False), dense(20, 7, TANH, True)],
        normalize=True,
        calls=[{}, {"normalize": False}, {"dimensions": 3}],
    ),
    "lower_case": dict(model=link_bert_cased, pooling=legacy_pooling("mean"), do_lower_case=True),
    "cased": dict(model=link_bert_cased, pooling=legacy_pooling("mean")),
    "mpnet": dict(
        model=write_mpnet,
        pooling={**legacy_pooling("mean"), "word_embedding_dimension": 12},
        normalize=True,
    ),
    "distilbert": dict(
        model=write_distilbert, pooling={**legacy_pooling("cls"), "word_embedding_dimension": 12}
    ),
}


def write_dense(directory, config):
    tiny.write_json(directory / "config.json", config, indent=2)
    inputs, outputs = config["in_features"], config["out_features"]
    draw = tiny.generator("dense", inputs, outputs)
    weights = {"linear.weight": torch.randn(outputs, inputs, generator=draw) / inputs**0.5}
    if config["bias"]:
        weights["linear.bias"] = 0.3 * torch.randn(outputs, generator=draw)
    save_file(weights, directory / "model.safetensors")


def write_modules(directory, case):
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    tiny.write_json(directory / "1_Pooling" / "config.json", case["pooling"], indent=2)
    for config in case.get("dense", []):
        path = f"{len(modules)}_Dense"
        write_dense(directory / path, config)
        modules.append((path, "Dense"))
    if case.get("normalize"):
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    tiny.write_json(
        directory / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
        indent=2,
    )


def write_settings(directory, case):
    tiny.write_json(
        directory / "sentence_bert_config.json",
        {"max_seq_length": SEQUENCE_LENGTH, "do_lower_case": case.get("do_lower_case", False)},
    )
    tiny.write_json(
        directory / "config_sentence_transformers.json",
        {
            "__version__": {"sentence_transformers": "3.0.0"},
            "prompts": case.get("prompts", {}),
            "default_prompt_name": case.get("default_prompt"),
            "similarity_fn_name": "cosine",
        },
    )


def embed(model, texts, options):
    """sentence-transformers' encode() with what tfm_embed calls pooling, normalize, dimensions, prompt."""
    modules = list(model)
    if "pooling" in options:
        old = modules[1]
        modules[1] = Pooling(
            old.embedding_dimension, options["pooling"], include_prompt=old.include_prompt
        )
    if options.get("normalize") is False:
        modules = [m for m in modules if not isinstance(m, Normalize)]
    changed = SentenceTransformer(
        modules=modules,
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
        device="cpu",
    )
    prompt = options.get("prompt")
    named = prompt is not None and prompt in model.prompts
    return changed.encode(
        texts,
        prompt_name=prompt if named else None,
        prompt=None if named else prompt,
        truncate_dim=options.get("dimensions"),
        normalize_embeddings=options.get("normalize") is True,
        show_progress_bar=False,
    )


def make_case(directory, case):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    case.get("model", link_bert)(directory)
    if case.get("modules", True):
        write_modules(directory, case)
        write_settings(directory, case)
    model = SentenceTransformer(str(directory), device="cpu")
    calls = []
    for i, options in enumerate(case.get("calls", [{}])):
        texts = TEXTS if i == 0 else FEW
        embeddings = embed(model, texts, options)
        rows = [tiny.rounded(row) for row in embeddings.tolist()]
        calls.append({"texts": texts, "options": options, "embeddings": rows})
    tiny.write_json(directory / "expected.json", {"calls": calls})


def make(golden, wanted):
    for name, case in CASES.items():
        if wanted(f"sentence/{name}"):
            make_case(golden / "sentence" / name, case)
            print(f"sentence/{name}")
