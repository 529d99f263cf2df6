"""What AutoTokenizer makes of directories: each class of Transformers, from each kind of file."""

import base64
import io
import json
import tempfile

import sentencepiece
import tokenizer as shared
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

TRAINING = shared.TEXTS[:4] + ["Hello world, this is a test; don't we'll see lower, lowest 1234."]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]",
           "<|endoftext|>", "<cls>", "<sep>", "<mask_1>", "en_XX", "eng_Latn", "__eng__"]  # fmt: skip
TEXTS = [
    "Hello world, this is  a test .\n",
    " don't <mask> [MASK]we'll</s> ﬁ ÉÀ 12 日🦊 `` '' <ent><x> new<|0.00|>",
    "",
]

# Classes with the file that their vocabulary comes from.
BYTE_LEVEL = """GPT2 CodeGen GPTNeoX Whisper Roberta Luke Blenderbot Deberta Cohere Qwen2 CLIP Nougat
OpenAIGPT Herbert""".split()
OTHER_BPE = "Llama CodeLlama Gemma Siglip2 Nllb SeamlessM4T Reformer Tipsv2 Parakeet Qwen3_5".split()
UNIGRAM = {
    "sentencepiece.bpe.model": "XLMRoberta MBart MBart50 Camembert Barthez LayoutXLM MLuke".split(),
    "spiece.model": "BigBird XLNet Pegasus T5 Udop VideoPrism Lasr FNet".split(),
    "sentencepiece.model": ["RemBert"],
    "spm.model": ["DebertaV2"],
    "tokenizer.model": ["XGLM"],
}
FROM_ZERO = {"T5", "Pegasus", "Udop", "VideoPrism", "Lasr"}  # <pad> is 0, </s> 1, <unk> 2
WORDPIECE = "Bert DistilBert DPRReader ConvBert Funnel MPNet Splinter".split()
WORDS = {"LayoutXLM", "Udop"}  # want words and boxes where Transformers is asked; take their pipeline
OPTIONS = {
    "model_max_length": 77, "clean_up_tokenization_spaces": True, "add_prefix_space": True,
    "add_bos_token": True, "add_eos_token": True, "do_lower_case": False, "keep_accents": True,
    "strip_accents": True, "split_by_punct": True, "pad_token": "<pad>", "legacy": True,
    "mask_token": "<mask>", "extra_special_tokens": ["<x>"], "image_token": "<image>",
    "padding_side": "left",
    "added_tokens_decoder": {
        "4": {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False,
              "single_word": False, "special": True},
        "900": {"content": "new", "lstrip": False, "rstrip": False, "normalized": True,
                "single_word": True, "special": False},
    },
}  # fmt: skip


def train_bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING, trainer)
    return tokenizer


def train_sentencepiece(kind, size, **options):
    """With a small map of characters: ﬁ to fi, no-break space to space, two spaces stay."""
    model = io.BytesIO()
    rules = tempfile.NamedTemporaryFile("w", suffix=".tsv")
    rules.write("FB01\t66 69\nA0\t20\nC9\t45 301\n")
    rules.flush()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING * 3), model_writer=model, model_type=kind, vocab_size=size,
        hard_vocab_limit=False, minloglevel=2, num_threads=1,
        **{"normalization_rule_tsv": rules.name} | options,
    )  # fmt: skip
    return {"base64": base64.b64encode(model.getvalue()).decode()}


def class_config(name, **options):
    return {"tokenizer_class": f"{name}Tokenizer"} | options


def byte_level_directories(tokenizer):
    model = json.loads(tokenizer.to_str())["model"]
    merges = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"])
    files = {"vocab.json": model["vocab"], "merges.txt": merges}
    for name in BYTE_LEVEL:
        yield files | {"tokenizer_config.json": class_config(name)}
    yield files | {"tokenizer_config.json": class_config("GPT2", **OPTIONS)}
    yield files | {
        "tokenizer_config.json": class_config("Roberta", add_prefix_space=True),
        "special_tokens_map.json": {"mask_token": {"content": "<mask>", "lstrip": True,
                                                   "normalized": True, "rstrip": False,
                                                   "single_word": False},
                                    "additional_special_tokens": ["<x>"]},
        "added_tokens.json": {"new": 900, "<x>": 901},
    }  # fmt: skip
    names = "startoftranscript en zh de es ru ko fr translate transcribe notimestamps 0.00".split()
    flags = dict.fromkeys(["lstrip", "rstrip", "normalized", "single_word"], False)
    listed = {
        str(tokenizer.get_vocab_size() + i): {"content": f"<|{name}|>", "special": name[0] != "0"}
        | flags
        for i, name in enumerate(names)
    }
    yield files | {
        "tokenizer_config.json": class_config(
            "Whisper", language="French", task="translate", added_tokens_decoder=listed
        )
    }


def json_directories(tokenizer):
    content = json.loads(tokenizer.to_str())
    for name in OTHER_BPE:
        yield {"tokenizer.json": content, "tokenizer_config.json": class_config(name)}
    for name in ("Llama", "Qwen2", "CLIP"):
        yield {"tokenizer.json": content, "tokenizer_config.json": class_config(name, **OPTIONS)}
    # The class that the model type has, and those that are known to be wrong.
    for model_type in ("qwen2", "modernbert", "llama"):
        yield {
            "tokenizer.json": content,
            "tokenizer_config.json": class_config("Roberta"),
            "config.json": {"model_type": model_type},
        }
    yield {"tokenizer.json": content, "config.json": {"model_type": "qwen2"}}


def sentencepiece_directories():
    plain = train_sentencepiece("unigram", 150)
    zero = train_sentencepiece("unigram", 150, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    for file, names in UNIGRAM.items():
        for name in names:
            model = zero if name in FROM_ZERO else plain
            yield {file: model, "tokenizer_config.json": class_config(name)}
    options = OPTIONS | {"src_lang": "fr_XX"}
    for name in ("XLMRoberta", "MBart", "DebertaV2"):
        file = next(file for file, names in UNIGRAM.items() if name in names)
        yield {file: plain, "tokenizer_config.json": class_config(name, **options)}
    bpe = train_sentencepiece("bpe", 400, byte_fallback=True, user_defined_symbols=["<x>"])
    for name in ("Llama", "CodeLlama", "Gemma", "Tipsv2"):
        yield {"tokenizer.model": bpe, "tokenizer_config.json": class_config(name)}
    yield {"tokenizer.model": bpe, "config.json": {"model_type": "phi3"}}
    yield {"tokenizer.model": bpe, "tokenizer_config.json": class_config("Llama", **OPTIONS)}
    for name, file in (("SeamlessM4T", "sentencepiece.bpe.model"), ("Reformer", "spiece.model")):
        yield {file: bpe, "tokenizer_config.json": class_config(name)}


def ranks_directories(tokenizer):
    byte_of = {character: byte for byte, character in bytes_to_unicode().items()}
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)[len(SPECIAL) :]
    tokens = [
        base64.b64encode(bytes(byte_of[c] for c in token)).decode() for token in vocabulary
    ]
    lines = "".join(f"{token} {rank}\n" for rank, token in enumerate(tokens))
    special = {"content": "<|b|>", "lstrip": False, "normalized": False, "rstrip": False,
               "single_word": False, "special": True}  # fmt: skip
    yield {"tokenizer.model": lines, "config.json": {"model_type": "llama"}}
    yield {
        "tiktoken.model": lines,
        "tokenizer_config.json": {
            "bos_token": "<|b|>",
            "add_bos_token": True,
            "extra_special_tokens": ["<x>"],
            "added_tokens_decoder": {str(len(tokens) + 2): special},
        },
    }
    yield {
        "config.json": {"model_type": "mistral"},
        "tekken.json": {
            "config": {"pattern": r"\p{L}+|\s+|[^\s\p{L}]+", "default_vocab_size": 290,
                       "default_num_special_tokens": 10},
            "vocab": [{"rank": i, "token_bytes": token} for i, token in enumerate(tokens)],
            "special_tokens": [{"rank": i, "token_str": s} for i, s in enumerate(["<unk>", "<s>"])],
        },
    }  # fmt: skip


def wordpiece_directories():
    words = SPECIAL + """. , ' hello Hello world this is a test ##s don t we ll ##2 1 new fi é e""".split()
    for name in WORDPIECE:
        yield {
            "vocab.txt": "\n".join(words) + "\n",
            "tokenizer_config.json": class_config(name),
        }
    yield {
        "vocab.txt": "\n".join(words),
        "tokenizer_config.json": class_config("Bert", **OPTIONS | {"cls_token": "<s>"}),
    }


def write_directory(file, files, before):
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            if isinstance(content, dict) and "base64" in content:
                data = base64.b64decode(content["base64"])
            else:
                data = (content if isinstance(content, str) else json.dumps(content)).encode()
            with open(f"{directory}/{name}", "wb") as f:
                f.write(data)
        loaded = AutoTokenizer.from_pretrained(directory)
        backend = loaded.backend_tokenizer
        try:
            loaded("a")  # some lay out anew when they are called
        except ValueError:
            pass
        length = loaded.model_max_length
        same = {name for name, content in files.items() if before.get(name) == content}
        named = {name: name in same or content for name, content in files.items()}
        row = {"files": named, "vocabulary_size": backend.get_vocab_size()}
        row["model_max_length"] = 0 if length > 1e9 else length
        row["named"] = loaded.special_tokens_map
        shared.write(file, row)
        backend.no_padding()
        for text in TEXTS:
            row = shared.encode(backend, text)
            row["decoded"] = loaded.decode(row["ids"])
            shared.write(file, row)
        row = shared.encode(backend, TEXTS[0][:11], "a test")
        row["decoded"] = loaded.decode(row["ids"])
        shared.write(file, row)


def make(golden, wanted):
    if not wanted("tokenizer_classes"):
        return
    bpe = train_bpe()
    directories = [
        *byte_level_directories(bpe),
        *json_directories(bpe),
        *sentencepiece_directories(),
        *ranks_directories(bpe),
        *wordpiece_directories(),
    ]
    (golden / "tokenizer").mkdir(exist_ok=True)
    with open(golden / "tokenizer/classes.jsonl", "w", encoding="utf-8") as file:
        before = {}
        for files in directories:
            write_directory(file, files, before)
            before = files
    print("tokenizer_classes")
