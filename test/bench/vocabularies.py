"""Tokenizers trained on the texts of the benchmark, one of each kind, kept beside the peers."""

import io

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

import texts

SIZE = 32000
SPACE = "\u2581"


def byte_level_bpe():
    """GPT-2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False
    )


def sentencepiece_bpe():
    """Llama's: trained on words, run on the whole text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    return tokenizer, trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=special, show_progress=False
    )


def sentencepiece_unigram():
    """XLM-RoBERTa's, trained by SentencePiece, which has its map of characters."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts.descriptions()[::2]),
        model_writer=model,
        vocab_size=SIZE,
        hard_vocab_limit=False,
        max_sentence_length=2000,
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], 0, False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "always")
    return tokenizer, None


# What is trained, and what to leave out of it when it is done.
KINDS = {
    "byte-level-bpe": (byte_level_bpe, None),
    "sentencepiece-bpe": (sentencepiece_bpe, "split"),
    "sentencepiece-unigram": (sentencepiece_unigram, None),
}


def train(build, left_out, path):
    tokenizer, trainer = build()
    if trainer:
        tokenizer.train_from_iterator(texts.descriptions(), trainer)
    if left_out == "split":
        tokenizer.pre_tokenizer = None
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def make(directory):
    """{kind: file}, trained where the file is not there yet."""
    files = {kind: directory / f"{kind}-{SIZE}.json" for kind in KINDS}
    for kind, path in files.items():
        if not path.exists():
            train(*KINDS[kind], path)
    return files
