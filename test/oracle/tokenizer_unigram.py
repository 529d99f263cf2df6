"""Unigram, Precompiled, Nmt and Metaspace by the tokenizers library."""

import io
import json
import pathlib
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tokenizer import TEXTS, encode, write, write_digests

# Clusters that are replaced as a whole, or not for their length; what is removed and what grows.
MORE_TEXTS = [
    "",
    " ",
    "▁",
    "  a  ",
    "\x01ab\x02c",
    "™\x1eg ﷺ ﬁ\u0301 ½",
    "e\u0301 é\u0323 Å\u0301 \u212b\u0301 a\u0301\u0301\u0301",
    "\r\n\r\r\n\n a\r\nb",
    "か\u3099 ｶﾞ ｶ\uff9e\uff9e 각 \u1100\u1161\u11a8 \u1100\u0301",
    "👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 👍🏽 🇩🇪🇫🇷🇩 ©\ufe0f",
    "क\u094dष क\u094d\u0958\u0301 \u0600a\u0301 \u0600\u0301",
    "<unk> <unk>x <s>x</s> <s> </s>AB ab A<s>B xé x é",
    "ＡＢＣ ａｂｃ １２３ ㎏ ㈠ …",
    "\u3000全角\u00a0空白\u2003 \u200b\ufeff▁▁x ▁ y",
    "zzzz\U0010ffff\U000f0000zz \x7f\x8f\x9f\u1680\ufffd",
]


def rules():
    """A part of NFKC as SentencePiece's table of rules, and some of NMT's."""
    ranges = [(0xA0, 0x250), (0x1E00, 0x1E20), (0x2000, 0x2070), (0x2100, 0x2150), (0x3000, 0x30A0),
              (0x3200, 0x3220), (0xFB00, 0xFB07), (0xFDFA, 0xFDFB), (0xFF01, 0xFFA0), (0x958, 0x960)]
    table = {(1,): (), (0x1E,): (), (9,): (32,), (10,): (32,), (13,): (32,), (0x200B,): (32,)}
    for first, end in ranges:
        for code in range(first, end):
            composed = unicodedata.normalize("NFKC", chr(code))
            if composed != chr(code):
                table[(code,)] = tuple(map(ord, composed))
            parts = unicodedata.normalize("NFD", chr(code))
            if 1 < len(parts) and unicodedata.normalize("NFC", parts) == chr(code):
                table[tuple(map(ord, parts))] = (code,)
    return "".join(
        " ".join(f"{c:X}" for c in source) + "\t" + " ".join(f"{c:X}" for c in target) + "\n"
        for source, target in table.items()
    )


def train(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text in TEXTS if text] * 3),
        model_writer=model,
        hard_vocab_limit=False,
        character_coverage=0.98,
        minloglevel=9,
        num_threads=1,
        **options,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto


def unigram(proto):
    vocabulary = [(piece.piece, piece.score) for piece in proto.pieces]
    return Tokenizer(models.Unigram(vocabulary, 0, proto.trainer_spec.byte_fallback))


def metaspace(stage, scheme, split):
    return stage.Metaspace("▁", scheme, split)


def finish(tokenizer, scheme, split):
    tokenizer.pre_tokenizer = metaspace(pre_tokenizers, scheme, split)
    tokenizer.decoder = metaspace(decoders, scheme, split)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def always(proto):
    tokenizer = unigram(proto)
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    return finish(tokenizer, "always", True)


def first(proto):
    """Only where the text begins, with all kinds of added tokens."""
    tokenizer = unigram(proto)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)]
    )
    finish(tokenizer, "first", False)
    tokenizer.add_tokens(
        [
            AddedToken("AB", normalized=True),
            AddedToken("fi", normalized=True, single_word=True),
            AddedToken("é", normalized=True, lstrip=True),
            AddedToken("x", normalized=False, rstrip=True),
        ]
    )
    return tokenizer


def never(proto):
    tokenizer = unigram(proto)
    finish(tokenizer, "never", True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), metaspace(pre_tokenizers, "never", False)]
    )
    return tokenizer


def ties(_):
    """Equal scores, tokens that are listed twice, and unknown ones that together are a token."""
    vocabulary = [("<unk>", 40.0), ("a", 50.0), ("b", 50.0), ("ab", 100.0), ("▁", 30.0)]
    vocabulary += [("ba", 99.0), ("ab", 100.0), ("xy", 50.0), ("aba", 150.0), ("<unk>x", 41.0)]
    return finish(Tokenizer(models.Unigram(vocabulary, 0, False)), "first", True)


def none(_):
    """No unknown token, and tokens of some bytes."""
    vocabulary = [("▁a", -1.5), ("b", -2.25), ("<0x63>", -3.0), ("▁", -9.123456001281738)]
    return finish(Tokenizer(models.Unigram(vocabulary, None, True)), "always", True)


TIE_TEXTS = ["abababab", "aabbab a", "xy x y xyxy", "<unk>xy<unk> <unk>x", "baab\u0301 zab", "a b c"]


def make_cases(file):
    with tempfile.TemporaryDirectory() as directory:
        table = pathlib.Path(directory) / "rules.tsv"
        table.write_text(rules())
        folding = train(vocab_size=900, normalization_rule_tsv=str(table))
    bytes_too = train(vocab_size=1150, normalization_rule_name="identity", byte_fallback=True)
    for build, proto in (
        (always, folding),
        (first, folding),
        (never, bytes_too),
        (ties, None),
        (none, None),
    ):
        text = build(proto).to_str()
        tokenizer = Tokenizer.from_str(text)
        write(file, {"name": build.__name__})
        write(file, json.loads(text))
        texts = TIE_TEXTS + MORE_TEXTS[:5] if proto is None else [t[:40] for t in TEXTS] + MORE_TEXTS
        for text in texts:
            write(file, encode(tokenizer, text))
    return folding


def make_characters(file, proto):
    charsmap = proto.normalizer_spec.precompiled_charsmap
    stages = {
        "precompiled": (normalizers.Precompiled(charsmap), None),
        "nmt": (normalizers.Nmt(), metaspace(pre_tokenizers, "always", True)),
    }
    for name, (normalizer, pre_tokenizer) in stages.items():
        tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0)], 0, False))
        tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        write_digests(file, name, tokenizer)


def make(golden, wanted):
    if not wanted("tokenizer_unigram"):
        return
    directory = golden / "tokenizer"
    directory.mkdir(exist_ok=True)
    with open(directory / "unigram.jsonl", "w", encoding="utf-8") as file:
        make_characters(file, make_cases(file))
    print("tokenizer_unigram")
