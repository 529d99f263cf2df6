"""Tokenizers that Transformers has in Python alone: tiny files for each class, and what it makes."""

import base64
import collections
import io
import json
import logging
import tempfile
import unicodedata

import sentencepiece
import transformers
from sacremoses import MosesTokenizer

from tokenizer import TEXTS, write

SAMPLE = TEXTS[:4] + TEXTS[6:7] + TEXTS[10:11] + TEXTS[29:30] + TEXTS[33:37]

# What the classes look at: punctuation, full stops, quotes, special tokens, spaces.
TRICKY = [
    "Mr. Smith paid $1,000.50 to U.S. Steel, No. 5... in-house; he's \"gone\", isn't he? e.g. .' x.'",
    "\u00ab\u00a0Qu'est-ce\u00a0? \u00bb 5\u00a0% n\u00ba\u00a03 20\u00a0\u00baC 1\u00a0000 a ,\" .\" b `x' ``y'' (z) :w",
    "你好，世界。 ． １２３！【a】 …… “q” ‘r’ 、《s》 ～％",
    "<s> </s><pad> <unk>\t<mask> [MASK][CLS] <special1>x <extra_id_7>  y|z [s] [GO] </w> @@ @-@ &amp; &lt;",
    "DOTMULTI DOTDOTMULTI.. a...b ..... c,d 1,2 ,3 4, foo-bar x--y '' ´´ ‘ ’ „",
    "ΑΣ ΣΑΣ. İI ßß ﬁ e\u0301\u0327 \u0345 ǰ 가각 ｶﾞ ㍿ \u200b\u200d\ufeff\ufffd \x1c\x85\u2028 \x7f\x01",
    "AGX AG LAGVSERTIDPKQ<null_1>XX <cls>X.-", "?", "n/a", " nan ", "[EMPTY] _ [CLS]",
    "a\nb\r\n c\n\n d\x1ce f'\n g.\n", "newtok newtoks  un  unable  newtok x", "🦊 👩‍👩‍👧 𝔘𝕟 𓀀 𑄇𑄴",
    "x" * 40 + "é" * 61, "a\tnewtok\tb \u3000newtok\n newtok\n\tun\tc un \nd un\tand\te",
]
OPTIONS = [{"add": False}, {"max_length": 5}, {"max_length": 4, "direction": "left"}]
PAIR_OPTIONS = [{}, {"add": False}, {"max_length": 9}, {"max_length": 8, "direction": "left"},
                {"max_length": 9, "strategy": "only_first"},
                {"max_length": 9, "strategy": "only_second"}]


def learn(texts, count):
    """Merges of words with </w>, as subword-nmt learns them."""
    words = collections.Counter()
    for text in texts:
        for word in text.split():
            words[(*word[:-1], word[-1] + "</w>")] += 1
    characters, merges = sorted({c for word in words for c in word}), []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for word, n in words.items():
            new, i = [], 0
            while i < len(word):
                step = 2 if word[i : i + 2] == best else 1
                new.append("".join(word[i : i + step]))
                i += step
            merged[tuple(new)] += n
        words = merged
    return characters, merges


def pieces(texts, specials, inner=False, first="", suffix=""):
    """A vocabulary and the lines of its merges, a few of them in an order that is not learned."""
    characters, merges = learn(texts, 70)
    tokens = dict.fromkeys(specials)
    for token in [c for c in characters if ord(c[0]) < 0x600][:90] + ["".join(m) for m in merges]:
        if inner:
            token = token[:-4] if token.endswith("</w>") else token + "@@"
        tokens[token] = None
    for i in range(0, len(merges) - 20, 12):
        merges[i], merges[i + 15] = merges[i + 15], merges[i]
    lines = first + "".join(f"{a} {b}{suffix}\n" for a, b in merges + merges[:3])
    return {token: i for i, token in enumerate(tokens)}, lines


def moses(language, **options):
    return [" ".join(MosesTokenizer(language).tokenize(t, **options)) for t in SAMPLE[:9] + TRICKY[:2]]


def wordpiece():
    tokens = dict.fromkeys(["[PAD]", "[EMPTY]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    for text in SAMPLE[:4] + TRICKY[:4]:
        for form in (text, text.lower(), unicodedata.normalize("NFD", text.lower())):
            for c in form:
                if not c.isspace():
                    tokens[c] = None
    tokens |= dict.fromkeys("##" + c for c in "abcdefghijklmnopqrstuvwxyzéаеиор")
    return "\n".join([*tokens, "human", "be", "##ing", "##ings", "un", "##ed", "##ed", "##s"]) + "\n"


def sentences(**options):
    """A SentencePiece model and its pieces; its map of characters is a small one of ours."""
    rules = {"Σ": "σ", "ﬁ": "fi", "　": " ", "…": "...", "e\u0301": "é"}
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for key, value in rules.items():
            hexes = [" ".join(f"{ord(c):X}" for c in text) for text in (key, value)]
            file.write("\t".join(hexes) + "\n")
        file.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS[:3] * 3), model_writer=model, minloglevel=2,
            hard_vocab_limit=False, character_coverage=0.98, num_threads=1,
            normalization_rule_tsv=file.name, **options)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return model.getvalue(), [processor.IdToPiece(i) for i in range(len(processor))]


def numbered(tokens):
    return {token: i for i, token in enumerate(tokens)}


def byte_maps():
    def digits(text):
        return text.encode().hex(" ")

    decompose = {digits(c): "20 " + digits(c.lower()) for c in "ABCDEFGHIJKLM"}
    decompose |= {digits(c): f"52 {i:02x} 99" for i, c in enumerate("éà人ñまれな")}
    merge = {digits("human"): "82 a1 b2", digits("hum"): "82 a1", digits("an"): "85 86",
             digits(" t"): "99 99 98 97", "52 01": "ff 01", "52 01 99 52": "ff 02"}
    return {"decompose_map": decompose, "merge_map": merge}


def special(content, **flags):
    default = dict.fromkeys(["lstrip", "normalized", "rstrip", "single_word", "special"], False)
    return {"content": content} | default | flags


def cases():
    letters = list("ETAOINHSRDLUMWCFGYPBVK'XJQZ")
    ctc = ["<pad>", "<s>", "</s>", "<unk>", "|"]
    yield "ByT5Tokenizer", {}, {}
    yield "ByT5Tokenizer", {}, {
        "extra_ids": 0, "additional_special_tokens": ["<extra_id_7>", "é"], "model_max_length": 30,
        "added_tokens_decoder": {
            "300": special("newtok", lstrip=True, single_word=True),
            "301": special("un", rstrip=True, single_word=True),
            "302": special("and", lstrip=True, rstrip=True, single_word=True),
            "0": special("<pad>", lstrip=True, rstrip=True, special=True)}}
    yield "MyT5Tokenizer", {"byte_maps.json": byte_maps()}, {}
    yield "PerceiverTokenizer", {}, {}
    yield "DiaTokenizer", {}, {}
    yield "Wav2Vec2CTCTokenizer", {"vocab.json": numbered(ctc + letters + ["ẞ", "SS"])}, {
        "do_lower_case": True}
    yield "Wav2Vec2CTCTokenizer", {"vocab.json": {
        "fra": numbered(ctc + list("abcdefghijklmnopqrstuvwxyzéà")), "deu": {"a": 0}}}, {
            "target_lang": "fra", "word_delimiter_token": "_", "bos_token": None,
            "replace_word_delimiter_char": "-", "clean_up_tokenization_spaces": True}
    yield "Wav2Vec2PhonemeCTCTokenizer", {"vocab.json": numbered(
        ["<s>", "<pad>", "</s>", "<unk>", "|", "human", "beings", "x", "a,b"])}, {
            "do_phonemize": False, "word_delimiter_token": "|"}
    yield "MgpstrTokenizer", {"vocab.json": numbered(["[GO]", "[s]", *"0123456789abcdefgh"])}, {}
    yield "VitsTokenizer", {"vocab.json": numbered("k' az–yuç-esiolnhgrdtmvbpfwţ_Aи")}, {
        "phonemize": False, "pad_token": "k", "language": "ron"}
    yield "VitsTokenizer", {"vocab.json": numbered("k' az–yuç-esiolnhgrdtmvbpfwţ_Aи")}, {
        "phonemize": False, "normalize": False, "add_blank": False}
    yield "EsmTokenizer", {"vocab.txt": "<cls>\n<pad>\n<eos>\n<unk>\nL\nA\nG\n V \nS\nE\nR\nT\nI\nD\n"
                           "P\nK\nQ\nX\n.\n-\n<null_1>\n<mask>\nAG\nAGX"}, {}
    vocabulary, merges = pieces(SAMPLE[:9], ["<unk>"], True, "#version: 0.2\n")
    yield "CTRLTokenizer", {"vocab.json": vocabulary, "merges.txt": merges}, {}
    vocabulary, merges = pieces([t.lower() for t in SAMPLE[:6]], [
        "__null__", "__start__", "__end__", "__unk__", "__newln__"], True, "#version: 0.2\n")
    yield "BlenderbotSmallTokenizer", {"vocab.json": vocabulary, "merges.txt": merges}, {}
    vocabulary, merges = pieces(SAMPLE[:9], [], True, suffix=" 7")
    lines = "".join(f"{token} {i}\n" for token, i in vocabulary.items())
    yield "PhobertTokenizer", {"vocab.txt": lines, "bpe.codes": merges}, {}
    named = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{i}>" for i in range(10))]
    vocabulary, merges = pieces([t.lower() for t in moses("en", escape=False)], named)
    yield "XLMTokenizer", {"vocab.json": vocabulary, "merges.txt": merges}, {}
    vocabulary, merges = pieces(moses("fr", escape=False), named)
    yield "FlaubertTokenizer", {"vocab.json": vocabulary, "merges.txt": merges}, {
        "additional_special_tokens": ["<special0>", "newtok"]}
    vocabulary, merges = pieces(moses("en", aggressive_dash_splits=True), [
        "<s>", "<pad>", "</s>", "<unk>"])
    yield "BioGptTokenizer", {"vocab.json": vocabulary, "merges.txt": merges}, {}
    target = numbered(list(vocabulary)[:4] + sorted(list(vocabulary)[4:]))
    for langs in (["en", "ru"], ["de", "en"], ["ja", "fr"]):
        yield "FSMTTokenizer", {"vocab-src.json": vocabulary, "vocab-tgt.json": target,
                                "merges.txt": merges}, {"langs": langs}
    unigram, unigrams = sentences(vocab_size=120, model_type="unigram",
                                  user_defined_symbols=["<user>", "hu"])
    named = numbered(["<s>", "<pad>", "</s>", "<unk>", *unigrams[3:-5], ">>fra<<", "▁한"])
    languages = {"source_lang": "en", "target_lang": "fr"}
    yield "MarianTokenizer", {"source.spm": unigram, "target.spm": unigram,
                              "vocab.json": named}, languages
    yield "Speech2TextTokenizer", {"sentencepiece.bpe.model": unigram, "vocab.json": named}, {
        "do_upper_case": True}
    bpe, units = sentences(vocab_size=400, model_type="bpe", byte_fallback=True,
                           remove_extra_whitespaces=False)
    named = numbered(["<s>", "<pad>", "</s>", "<unk>", *units[3:-9]])
    yield "M2M100Tokenizer", {"sentencepiece.bpe.model": bpe, "vocab.json": named}, {
        "src_lang": "fr"}
    yield "GPTSw3Tokenizer", {"spiece.model": bpe}, {}
    characters, units = sentences(vocab_size=90, model_type="char")
    yield "SpeechT5Tokenizer", {"spm_char.model": characters}, {}
    yield "BertGenerationTokenizer", {"spiece.model": unigram}, {}
    yield "BertGenerationTokenizer", {"spiece.model": bpe}, {"legacy": False}
    yield "SiglipTokenizer", {"spiece.model": unigram}, {}
    yield "SiglipTokenizer", {"spiece.model": characters}, {
        "do_lower_case": False, "legacy": False}
    yield "PLBartTokenizer", {"sentencepiece.bpe.model": unigram}, {}
    yield "PLBartTokenizer", {"sentencepiece.bpe.model": unigram}, {
        "language_codes": "multi", "src_lang": "ruby", "legacy": False}
    yield "BartphoTokenizer", {"sentencepiece.bpe.model": unigram, "dict.txt": "".join(
        f" {unit} 7\n" for unit in unigrams[3:-5])}, {}
    lines = wordpiece()
    yield "BertJapaneseTokenizer", {"vocab.txt": lines}, {}
    yield "BertJapaneseTokenizer", {"vocab.txt": lines}, {
        "subword_tokenizer_type": "character", "do_lower_case": True, "never_split": ["Tous"]}
    yield "BertJapaneseTokenizer", {"vocab.txt": lines}, {"do_word_tokenize": False}
    yield "ProphetNetTokenizer", {"prophetnet.tokenizer": lines}, {}
    yield "RoCBertTokenizer", {"vocab.txt": lines, "word_shape.json": {"[UNK]": 0},
                               "word_pronunciation.json": {"[UNK]": 0}}, {"do_lower_case": False}
    yield "TapasTokenizer", {"vocab.txt": lines}, {}
    yield "CanineTokenizer", {}, {"pad_token": "\0", "mask_token": {
        "__type": "AddedToken"} | special("\ue003", lstrip=True)}


def load(name, files, config):
    tokenizer_class = getattr(transformers, name)
    if name == "TapasTokenizer":
        transformers.models.tapas.tokenization_tapas.is_pandas_available = lambda: True
    with tempfile.TemporaryDirectory() as directory:
        for file, content in files.items():
            if isinstance(content, dict):
                content = json.dumps(content)
            with open(f"{directory}/{file}", "wb") as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        with open(f"{directory}/tokenizer_config.json", "w", encoding="utf-8") as f:
            json.dump(config, f)
        return tokenizer_class.from_pretrained(directory)


def describe(tokenizer):
    length = tokenizer.model_max_length
    names = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"]
    return {
        "vocabulary_size": len(tokenizer),
        "model_max_length": 0 if length > 1e9 else length,
        "special": [-1 if getattr(tokenizer, f"{n}_token") is None
                    else getattr(tokenizer, f"{n}_token_id") for n in names],
    }


def encode(tokenizer, text, pair=None, **options):
    row = {"text": text} | ({} if pair is None else {"pair": pair}) | options
    add = options.get("add", True)
    if type(tokenizer).__name__ == "TapasTokenizer":
        ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
        row["ids"] = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id] if add else ids
    else:
        tokenizer.truncation_side = options.get("direction", "right")
        limits = {} if "max_length" not in options else {
            "max_length": options["max_length"],
            "truncation": options.get("strategy", "longest_first")}
        call = tokenizer
        if type(tokenizer).__name__ == "RoCBertTokenizer":
            call = tokenizer.encode_plus
        encoding = call(text, pair, add_special_tokens=add, **limits)
        row["ids"] = encoding["input_ids"]
        if "token_type_ids" in encoding:
            row["type_ids"] = encoding["token_type_ids"]
    if type(tokenizer).__name__ != "FSMTTokenizer":
        tokens = tokenizer.convert_ids_to_tokens(row["ids"])
        if len(tokens) < 12:
            row["tokens"] = tokens
    try:
        row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=bool(options))
    except ValueError:  # no tokens at all
        pass
    return row


def make_case(file, name, files, config):
    config = {"tokenizer_class": name} | config
    tokenizer = load(name, files, config)
    # The file of goldens has no NUL characters.
    config = {k: v for k, v in config.items() if v != "\0"}
    for key, content in files.items():
        if isinstance(content, bytes):
            files[key] = {"base64": base64.b64encode(content).decode()}
    write(file, {"files": files | {"tokenizer_config.json": config}} | describe(tokenizer))
    for text in SAMPLE + TRICKY:
        write(file, encode(tokenizer, text))
    if name in ("TapasTokenizer", "RoCBertTokenizer"):
        return
    for i, options in enumerate(OPTIONS):
        write(file, encode(tokenizer, SAMPLE[i][:25], **options))
    for i, options in enumerate(PAIR_OPTIONS):
        write(file, encode(tokenizer, SAMPLE[i][:20], SAMPLE[i + 1][:12], **options))


def make(golden, wanted):
    if not wanted("tokenizer_python"):
        return
    logging.disable(logging.CRITICAL)
    directory = golden / "tokenizer"
    directory.mkdir(exist_ok=True)
    with (open(directory / "python.jsonl", "w", encoding="utf-8") as plain,
          open(directory / "python_pieces.jsonl", "w", encoding="utf-8") as pieced,
          open(directory / "python_sentencepiece.jsonl", "w", encoding="utf-8") as modelled):
        for name, files, config in cases():
            merged = any(key.endswith(("codes", "merges.txt")) for key in files)
            has_model = any(key.endswith((".model", ".spm")) for key in files)
            make_case(modelled if has_model else pieced if merged else plain, name, files, config)
    logging.disable(logging.NOTSET)
    print("tokenizer_python")
