"""BPE, WordLevel and ByteLevel, with each of their options, by the tokenizers library."""

import collections
import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors

from tokenizer import OPTIONS, PAIR_OPTIONS, TEXTS, encode, write

SPECIAL = ["<unk>", "<s>", "</s>"]

SHORT = [text[:40] for text in TEXTS[::6]] + [
    "",
    " ",
    "a",
    "hello  world's\n\n we'll  see \t x",
    "<s>hello <New> world</s><s> new newer  <New>",
    "a" * 90 + " b",
    "andandandthe the theandrights equalequalequalbornbornfreefreefreeandanddignitydignity",
    "\u2581\u2581and\u2581the x\u2581the\u2581\u2581\u2581world\u2581",
    "\u4e2d\u6587\U0001f98a\u00e9 q\u0301\u0301 \u200d\ufe0f\u00e9\u4e2d\u4e2dhello\u4e2d",
]
CORPUS = TEXTS[:12] * 2 + [
    "the and born free equal dignity rights human beings are in all the world hello see new"
] * 10


def train(
    size,
    corpus=CORPUS,
    pre_tokenizer=None,
    normalizer=None,
    alphabet=(),
    continuing_subword_prefix="",
    end_of_word_suffix="",
):
    """A vocabulary and merges; the library's trainer does not fix the order of equals."""
    prefix, suffix = continuing_subword_prefix, end_of_word_suffix
    counts = collections.Counter()
    for text in corpus:
        text = normalizer.normalize_str(text) if normalizer else text
        words = pre_tokenizer.pre_tokenize_str(text) if pre_tokenizer else [(text, None)]
        counts.update(word for word, _ in words)
    splits = {
        word: [prefix * (i > 0) + c + suffix * (i + 1 == len(word)) for i, c in enumerate(word)]
        for word in counts
    }
    tokens = SPECIAL + sorted({*alphabet, *(c for split in splits.values() for c in split)})
    merges = []
    while len(tokens) < size:
        pairs = collections.Counter()
        for word, split in splits.items():
            for pair in zip(split, split[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            break
        (left, right), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append((left, right))
        if left + right[len(prefix) :] not in tokens:
            tokens.append(left + right[len(prefix) :])
        for split in splits.values():
            for i in range(len(split) - 2, -1, -1):
                if split[i : i + 2] == [left, right]:
                    split[i : i + 2] = [left + right[len(prefix) :]]
    return {token: i for i, token in enumerate(tokens)}, merges


def byte_level(add_prefix_space=False, **options):
    """GPT-2's: all bytes are known."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    vocabulary, merges = train(
        380, pre_tokenizer=split, alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer = Tokenizer(models.BPE(vocabulary, merges[:: 2 if options else 1], **options))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.add_tokens([AddedToken("<New>", lstrip=True), AddedToken("new", single_word=True)])
    return tokenizer


def prefix_space():
    """RoBERTa's: a space before the text, which offsets leave out."""
    tokenizer = byte_level(True)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 1), trim_offsets=True, add_prefix_space=True
    )
    return tokenizer


def ignore_merges():
    """Llama 3's: words that are tokens, ByteLevel without its expression, and a template."""
    tokenizer = byte_level(ignore_merges=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
            processors.TemplateProcessing(
                single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
            ),
        ]
    )
    return tokenizer


def alphabet():
    """Not all bytes are known, and what comes after ByteLevel sees its alphabet."""
    split = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Whitespace()]
    )
    vocabulary, merges = train(300, TEXTS[:4], split)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    tokenizer.add_tokens([AddedToken("new", single_word=True), AddedToken("<New>", rstrip=True)])
    return tokenizer


def normalizer():
    """ByteLevel as a normalizer; characters that are not known are left out."""
    vocabulary, merges = train(200, TEXTS[:3], None, normalizers.ByteLevel())
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.ByteLevel()])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_tokens([AddedToken("new", normalized=True), AddedToken("<New>", rstrip=True)])
    return tokenizer


def clip():
    """CLIP's: a suffix at the end of a word of bytes."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary, merges = train(
        560,
        pre_tokenizer=split,
        alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
    )
    for character in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary.setdefault(character + "</w>", len(vocabulary))
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary,
            merges,
            unk_token="<unk>",
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


def affixes(fuse_unk=False, **options):
    split = pre_tokenizers.WhitespaceSplit()
    vocabulary, merges = train(200, TEXTS[:3], split, **options)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=fuse_unk, **options)
    )
    tokenizer.pre_tokenizer = split
    return tokenizer


def suffix():
    return affixes(end_of_word_suffix="</w>")


def prefix():
    return affixes(True, continuing_subword_prefix="##")


def both():
    return affixes(end_of_word_suffix="</w>", continuing_subword_prefix="@@")


def sentencepiece(known_bytes=range(256), **options):
    """Llama's: the whole text as a word, and the bytes of characters that are not known."""
    corpus = ["\u2581" + text.replace(" ", "\u2581") for text in CORPUS]
    split = pre_tokenizers.Split("\u2581", "merged_with_next")
    vocabulary, merges = train(320, corpus, split)
    for byte in known_bytes:
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary) + byte * 3
    runs = ["\u2581\u2581", "\u2581\u2581\u2581\u2581"]
    for run in runs:
        vocabulary[run] = 2000 + len(run)
    merges += [("\u2581", "\u2581"), ("\u2581\u2581", "\u2581\u2581")]
    return Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, **options)
    )


def fused():
    return sentencepiece(fuse_unk=True)


def some_bytes():
    """Bytes that are known come before a character that is not but was first."""
    return sentencepiece(range(0x80, 0xE0), fuse_unk=True)


def twice():
    """Merges that are listed twice, several that make one token, ids far apart."""
    vocabulary = {"<unk>": 5, "a": 70, "b": 9, "c": 300, "ab": 1, "bc": 44, "abc": 2, "abcabc": 8}
    merges = [("b", "c"), ("a", "b"), ("a", "bc"), ("abc", "abc"), ("b", "c"), ("ab", "c")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", dropout=0.0))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def word_level():
    words = sorted({word for text in CORPUS[-1:] + TEXTS[:2] for word in text.split()})
    vocabulary = {word: i for i, word in enumerate(SPECIAL + words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


def make(golden, wanted):
    if not wanted("tokenizer_bpe"):
        return
    builds = [
        byte_level,
        prefix_space,
        ignore_merges,
        alphabet,
        normalizer,
        clip,
        suffix,
        prefix,
        both,
        sentencepiece,
        fused,
        some_bytes,
        twice,
        word_level,
    ]
    with open(golden / "tokenizer" / "bpe.jsonl", "w", encoding="utf-8") as file:
        for build in builds:
            tokenizer = build()
            write(file, {"name": build.__name__})
            write(file, json.loads(tokenizer.to_str()))
            tokenizer = Tokenizer.from_str(tokenizer.to_str())
            texts = ["abcabc abc cab abcc aabcb"] if build is twice else SHORT
            for text in texts:
                write(file, encode(tokenizer, text))
            if build in (byte_level, prefix_space, ignore_merges):
                for options in OPTIONS:
                    write(file, encode(tokenizer, " the world's new", **options))
                for options in PAIR_OPTIONS:
                    write(file, encode(tokenizer, TEXTS[0][:30], TEXTS[1][:12], **options))
