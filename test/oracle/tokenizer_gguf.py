"""Tokenizers in GGUF files: small ones of each kind, as Transformers reads them."""

import base64
import pathlib
import tempfile

from gguf import GGUFWriter
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from tokenizer import ATTRIBUTES, TEXTS, encode, write

NORMAL, UNKNOWN, CONTROL, USER, BYTE = 1, 2, 3, 4, 6
CORPUS = [text for text in TEXTS[:4] + TEXTS[28:29] + TEXTS[34:36]] * 3
MORE = [
    "It's 12345 don't WE'LL  two   three\n\n\nend\r\n ", " leading and trailing ", "a<|im_end|>b <think>x",
    "<s>a</s> <unk> <bos>x<eos><pad>", "\u2581a \u2581\u2581b", "naïve CamelCaseWords and3digits1234x",
    "<extra_id_0> x <extra_id_99><extra_id_5>", "ἄ 東京 \U0001f98a é\u0301", "\t\ttabs\u00a0x",
]


def byte_level():
    """Tokens and merges of a byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False))
    return pieces(tokenizer)


def characters():
    """Tokens and merges of a BPE of whole characters with \u2581 for spaces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=260, show_progress=False))
    return pieces(tokenizer)


def pieces(tokenizer):
    import json

    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [" ".join(m) for m in model["merges"]]


def write_byte_level(g, pre, tokens, merges, **flags):
    tokens = tokens + ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "[PAD7]"]
    g.add_tokenizer_model("gpt2")
    if pre:
        g.add_tokenizer_pre(pre)
    g.add_token_list(tokens)
    g.add_token_types([NORMAL] * (len(tokens) - 5) + [CONTROL] * 3 + [USER, 5])
    g.add_token_merges(merges)
    g.add_bos_token_id(len(tokens) - 4)
    g.add_eos_token_id(len(tokens) - 3)
    add_flags(g, **flags)


def add_flags(g, bos=None, eos=None):
    if bos is not None:
        g.add_add_bos_token(bos)
    if eos is not None:
        g.add_add_eos_token(eos)


def write_sentencepiece(g, model, tokens, first, merges=None, **flags):
    fallback = [f"<0x{i:02X}>" for i in range(256)]
    user = ["<think>", "<|im_end|>"]
    blanks = ["  ", "   "] if merges is None else []
    listed = first + user + blanks + fallback + tokens
    g.add_tokenizer_model(model)
    g.add_tokenizer_pre("default")
    g.add_token_list(listed)
    scores = [0.0] * (len(listed) - len(tokens)) + [-float(i // 2) for i in range(len(tokens))]
    g.add_token_scores(scores)
    types = [UNKNOWN if token == "<unk>" else CONTROL for token in first]
    types += [USER] * (len(user) + len(blanks)) + [BYTE] * 256 + [NORMAL] * len(tokens)
    g.add_token_types(types)
    if merges is not None:
        g.add_token_merges(merges)
    for name, token in (("bos", "<s>"), ("bos", "<bos>"), ("eos", "</s>"), ("eos", "<eos>"),
                        ("unk", "<unk>"), ("pad", "<pad>")):
        if token in first:
            getattr(g, f"add_{name}_token_id")(first.index(token))
    add_flags(g, **flags)


def write_unigram(g, **flags):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=200, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"))
    import json

    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    # The trainer's scores differ in their last digits from run to run.
    vocabulary = [(token, round(score, 3)) for token, score in vocabulary]
    tokens = [token for token, _ in vocabulary] + [f"[PAD{i}]" for i in range(300, 428)]
    g.add_tokenizer_model("t5")
    g.add_tokenizer_pre("default")
    g.add_token_list(tokens)
    g.add_token_scores([score for _, score in vocabulary] + [-1000.0] * 128)
    g.add_token_types([CONTROL, CONTROL, UNKNOWN] + [NORMAL] * (len(vocabulary) - 3) + [5] * 128)
    g.add_pad_token_id(0)
    g.add_eos_token_id(1)
    g.add_unk_token_id(2)
    add_flags(g, **flags)


def cases():
    tokens, merges = byte_level()
    for architecture, pre, flags in (
        ("llama", "smollm", {"bos": False}), ("llama", "llama-bpe", {"bos": True}),
        ("qwen2", "qwen2", {"bos": False, "eos": True}), ("llama", "tekken", {}),
        ("gpt2", "gpt-2", {}), ("qwen3", "gpt-4o", {"bos": True, "eos": True}),
        ("llama", "qwen35", {}),
    ):
        yield architecture, lambda g, a=(pre, tokens, merges), f=flags: write_byte_level(g, *a, **f)
    tokens, merges = characters()
    gemma = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>"]
    llama = ["<unk>", "<s>", "</s>"]
    yield "llama", lambda g: write_sentencepiece(g, "llama", tokens, llama)
    yield "llama", lambda g: write_sentencepiece(g, "llama", tokens, llama, merges, bos=False, eos=True)
    yield "phi3", lambda g: write_sentencepiece(g, "llama", tokens, llama, bos=True)
    yield "gemma3", lambda g: write_sentencepiece(g, "llama", tokens, gemma, bos=True)
    yield "gemma2", lambda g: write_sentencepiece(g, "llama", tokens, gemma)
    yield "gemma4", lambda g: write_sentencepiece(g, "gemma4", tokens, gemma, merges, bos=True)
    yield "t5", lambda g: write_unigram(g, bos=False, eos=True)
    yield "umt5", lambda g: write_unigram(g)


def add_configuration(g):
    """What Transformers wants to know of the model before it looks at the tokenizer."""
    g.add_block_count(1)
    g.add_context_length(64)
    g.add_embedding_length(32)
    g.add_feed_forward_length(64)
    g.add_head_count(2)
    g.add_head_count_kv(2)
    g.add_layer_norm_rms_eps(1e-6)
    g.add_layer_norm_eps(1e-6)
    g.add_key_length(16)
    g.add_value_length(16)


def make(golden, wanted):
    if not wanted("tokenizer_gguf"):
        return
    with open(golden / "tokenizer" / "gguf.jsonl", "w", encoding="utf-8") as file:
        for i, (architecture, add) in enumerate(cases()):
            with tempfile.TemporaryDirectory() as directory:
                path = pathlib.Path(directory) / "model.gguf"
                g = GGUFWriter(path, architecture)
                add_configuration(g)
                add(g)
                g.write_header_to_file()
                g.write_kv_data_to_file()
                g.close()
                loaded = AutoTokenizer.from_pretrained(directory, gguf_file="model.gguf")
                content = {"base64": base64.b64encode(path.read_bytes()).decode()}
            row = {"files": {"model.gguf": content}}
            row["vocabulary_size"] = loaded.backend_tokenizer.get_vocab_size()
            row["special"] = [
                -1 if getattr(loaded, f"{name}_token") is None else getattr(loaded, f"{name}_token_id")
                for name in ATTRIBUTES
            ]
            write(file, row)
            for text in MORE[i % 2 :: 2] + TEXTS[i % 13 :: 13]:
                write(file, encode(loaded.backend_tokenizer, text))
            write(file, encode(loaded.backend_tokenizer, MORE[0], MORE[1]))
