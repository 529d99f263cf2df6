"""The small components of tokenizer.json: each alone, and in the company that it is found in."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors

from tokenizer import OPTIONS, PAIR_OPTIONS, SPECIAL, TEXTS, encode, write, write_digests

WORDS = ["a", "##a", "e", "the", "human", "##s", "x", "##x", "\u2581", "##\u2581", "1", "##2"]
ENDS = [
    " a ", "a", " \u3000\u00a0a x\u2003\t", "   ", "\u2028", "[MASK] a [MASK]", " [MASK]  [SEP] ",
    "\u00e9", " \u00e9 \U0001f98a ", "12 3.5, \u0662\u0663\u2168\u00bd\u4e09 \U0001d7d811",
    "a--b,,c...d--", "--", ",a,", "\u30b9\u30fc\u30d1\u30fc man \u30b9 a1", "1 a \ue000\u0378 b",
    "Apples are \u308a\u3093\u3054 \u6797\u6a8e\u3002 ", "-a-b--c-", "xaxxax", "abcdefghijklm",
]


def base():
    vocabulary = {token: i for i, token in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def normalizing(normalizer):
    tokenizer = base()
    tokenizer.normalizer = normalizer
    tokenizer.add_tokens([AddedToken("<a>", normalized=True), AddedToken(" a ", normalized=True)])
    return tokenizer


def splitting(pre_tokenizer):
    tokenizer = base()
    tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


def tokenizers():
    n, p = normalizers, pre_tokenizers
    yield "strip", normalizing(n.Strip())
    yield "strip left", normalizing(n.Strip(right=False))
    yield "strip right", normalizing(n.Sequence([n.NFKC(), n.Strip(left=False)]))
    yield "strip nothing", normalizing(n.Strip(False, False))
    yield "prepend", normalizing(n.Prepend("\u2581"))
    yield "prepend more", normalizing(n.Sequence([n.Strip(), n.Prepend("a\u00e9 "), n.NFD()]))
    for behavior in (
        "removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"
    ):
        yield f"punctuation {behavior}", splitting(p.Punctuation(behavior))
    yield "digits", splitting(p.Digits(False))
    yield "individual digits", splitting(p.Sequence([p.WhitespaceSplit(), p.Digits(True)]))
    yield "delimiter", splitting(p.CharDelimiterSplit("-"))
    yield "wide delimiter", splitting(p.CharDelimiterSplit("\u30fc"))
    yield "scripts", splitting(p.UnicodeScripts())
    yield "scripts and words", splitting(p.Sequence([p.Whitespace(), p.UnicodeScripts()]))
    yield "length", splitting(p.FixedLength(5))
    yield "length of one", splitting(p.Sequence([p.Punctuation(), p.FixedLength(1)]))


# Texts whose words are tokens, for the decoders.
DECODED = [
    "<0xE5> <0x8f> <0xab> a", "<0xE5> <0x8f> a <0x41>", "<0x41> <0x42> <0xFF>", "<0xGG> <0x4> <0x041>",
    "lo</w> wer</w> lo", "lo</w>", "</w> </w>", "lo</w>lo</w> a",
    "<pad> h h e <pad> l l <pad> l o | | do not | <pad>", "<pad>h | <pad> | h", "HHH H HaH aH Ha",
    "\u00e9\u00e9a a\u00e9 \u00e9", "", "a", "\u2581a \u2581\u2581b c\u2581", "n't do 's , . ?",
]


def decoding(decoder):
    words = sorted({word for text in DECODED for word in text.split()})
    vocabulary = {token: i for i, token in enumerate(SPECIAL + words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoder
    return tokenizer


def make_decoders(file):
    d = decoders
    # The library panics at a stop that is longer than the token, and at a start and stop that meet.
    cases = {
        "bpe": d.BPEDecoder(),
        "bpe without a suffix": d.BPEDecoder(""),
        "byte fallback": d.ByteFallback(),
        "fuse": d.Sequence([d.ByteFallback(), d.Fuse()]),
        "strip": d.Strip("H", 2, 0),
        "strip wide": d.Strip("\u00e9", 1, 1),
        "ctc": d.CTC(),
        "ctc as it is": d.CTC("h", "|", False),
        "llama": d.Sequence([d.ByteFallback(), d.Fuse(), d.Strip("a", 1, 0)]),
    }
    for name, decoder in cases.items():
        tokenizer = decoding(decoder)
        write(file, {"name": f"decoder: {name}"})
        write(file, json.loads(tokenizer.to_str()))
        for text in DECODED:
            try:
                write(file, encode(tokenizer, text))
            except BaseException:  # a panic of the library
                continue


def write_encoded(file, tokenizer, *texts, **options):
    try:
        row = encode(tokenizer, *texts, **options)
    except BaseException:  # the library panics where it cannot truncate
        row = {"text": texts[0], "pair": texts[1]} | options | {"error": True}
    write(file, row)


def make_processors(file):
    tokens = [*SPECIAL, "<s>", "</s>", *"abcde", "\u0120", "\u0120a", "b\u0120", "\u0120\u0120a\u0120"]
    ids = {token: i for i, token in enumerate(tokens)}

    def template(first, last, single="{0} $A {1}", pair="{0} $A {1} $B:1 {1}:1"):
        return processors.TemplateProcessing(
            single=single.format(first, last),
            pair=pair.format(first, last),
            special_tokens=[(first, ids[first]), (last, ids[last])],
        )

    bert = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    roberta = processors.RobertaProcessing(("</s>", 6), ("<s>", 5), True, True)
    plain = processors.RobertaProcessing(("</s>", 6), ("<s>", 5), False, False)
    level = processors.ByteLevel(trim_offsets=True)
    spaces = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    outer = template("<s>", "</s>")
    cases = {
        "nothing": [],
        "byte level": [level],
        "byte level that does nothing": [processors.ByteLevel(trim_offsets=False)],
        "llama 3": [level, template("[CLS]", "[SEP]", "{0} $A", "{0} $A {0}:1 $B:1")],
        "template and byte level": [template("[CLS]", "[SEP]"), spaces],
        "trimmed twice": [roberta, level, spaces],
        "bert in a template": [bert, outer],
        "template in bert": [outer, bert],
        "bert in roberta": [bert, plain],
        "roberta in bert": [plain, bert, level],
        "texts twice": [template("[CLS]", "[SEP]", "$A:2 {0}:3 $A", "$B {1} $A:4 $B:5")],
        "only texts": [template("<s>", "</s>", "$A", "$B $A:3"), outer],
    }
    pairs = [{}, {"add": False}, {"max_length": 10}, {"max_length": 9, "stride": 1},
             {"max_length": 4, "add": False}, {"max_length": 10, "strategy": "only_second"}]
    for name, list_of in cases.items():
        tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.post_processor = list_of[0] if len(list_of) == 1 else processors.Sequence(list_of)
        write(file, {"name": f"post-processor: {name}"})
        write(file, json.loads(tokenizer.to_str()))
        for options in ({}, {"add": False}, {"max_length": 6}, {"max_length": 7, "stride": 1}):
            write(file, encode(tokenizer, "\u0120a b\u0120 \u0120 a \u0120\u0120a\u0120", **options))
        for options in pairs:
            write_encoded(file, tokenizer, "a \u0120a b", "\u0120a b\u0120 d \u0120 e", **options)
        write(file, encode(tokenizer, "", ""))


def add_attention(row, encoding):
    row["attention"] = encoding.attention_mask
    for piece, overflowing in zip(row.get("overflowing", ()), encoding.overflowing):
        add_attention(piece, overflowing)


def make_padding(file):
    settings = [
        {"length": 10}, {"length": 3}, {"length": 12, "direction": "left", "pad_id": 3},
        {"length": 9, "pad_to_multiple_of": 8, "pad_type_id": 2, "pad_token": "<x>"},
        {"pad_to_multiple_of": 7, "direction": "left"},
    ]
    bert = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    for processor in (None, processors.ByteLevel(trim_offsets=True), bert):
        tokenizer = base()
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        if processor:
            tokenizer.post_processor = processor
        write(file, {"name": f"padding: {processor and type(processor).__name__}"})
        write(file, json.loads(tokenizer.to_str()))
        texts = (("a the x", None), ("", None), ("a e", "the human s"), ("", ""))
        for i, (text, pair) in enumerate(texts):
            for padding in settings:
                for options in ({"max_length": 99}, {"max_length": 4})[i % 2 :]:
                    tokenizer.enable_padding(**padding)
                    row = encode(tokenizer, text, pair, **options) | {"padding": padding}
                    add_attention(row, tokenizer.encode(text, pair))
                    write(file, row)


def make(golden, wanted):
    if not wanted("tokenizer_parts"):
        return
    with open(golden / "tokenizer" / "parts.jsonl", "w", encoding="utf-8") as file:
        for i, (name, tokenizer) in enumerate(tokenizers()):
            write(file, {"name": name})
            write(file, json.loads(tokenizer.to_str()))
            for text in ENDS + TEXTS[i % 13 :: 13]:
                write(file, encode(tokenizer, text))
            for options in OPTIONS[:3]:
                write(file, encode(tokenizer, ENDS[i % 6] + TEXTS[0][:30], **options))
            write(file, encode(tokenizer, ENDS[2], ENDS[9], **PAIR_OPTIONS[i % 2]))
        make_decoders(file)
        make_processors(file)
        make_padding(file)
        write_digests(file, "every punctuation", splitting(pre_tokenizers.Punctuation()))
        write_digests(file, "every digit", splitting(pre_tokenizers.Digits(True)))
        write_digests(file, "every script", splitting(pre_tokenizers.UnicodeScripts()))
