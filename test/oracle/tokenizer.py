"""Tokenizers of BERT's kind by the tokenizers library: ids, tokens, offsets, and every character."""

import hashlib
import json
import tempfile

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers
from transformers import AutoTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# A sentence or two in each script, and what else is apt to go wrong.
TEXTS = [
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux; ça va, Zoë? Łódź, Đường, Ångström.",
    "Все люди рождаются свободными и равными. Ёлка, й, Щ.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι. ΟΔΥΣΣΕΥΣ ΐ ᾳ",
    "Բոլոր մարդիկ ծնվում են ազատ ու հավասար։ և",
    "ყველა ადამიანი იბადება თავისუფალი. ᲐᲑᲒ",
    "כל בני האדם נולדו בני חורין. שָׁלוֹם עוֹלָם",
    "يولد جميع الناس أحرارا متساوين. مُحَمَّد ٱ لا",
    "ܟܠ ܒܪܢܫܐ ܒܪܝܠܗ ܚܐܪܐ. ܐ݂",
    "ހުރިހާ އިންސާނުން ވެސް އުފަންވަނީ",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में। क़ ज़ ड़",
    "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা। ড় ো",
    "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ। ਸ਼ ਖ਼",
    "પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ સર્વ માનવો",
    "ସବୁ ମନୁଷ୍ୟ ଜନ୍ମକାଳରୁ ସ୍ୱାଧୀନ। ଡ଼ ୋ",
    "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே. ொ",
    "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును",
    "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಜನಿಸಿದ್ದಾರೆ. ೋ",
    "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും. ൊ",
    "සියලු මනුෂ්‍යයෝ නිදහස්ව උපත ලබා ඇත. ෝ",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน กำ",
    "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ. ຳ",
    "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ། ཱི ྲྀ",
    "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာ။ ဦ",
    "មនុស្សទាំងអស់ កើតមកមានសេរីភាព។ ោ",
    "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩል ነው።",
    "ᎠᏓᏅᏖᏗ ᎨᏒᎢ ᏂᎦᏓ ᎠᏂᏴᏫ ꭰꮣ",
    "Хүн бүр төрж ᠬᠦᠮᠦᠨ ᠪᠦᠷ ᠲᠥᠷᠥᠵᠦ",
    "모든 인간은 태어날 때부터 자유로우며 각 한글",
    "すべての人間は、生まれながらにして自由であり、ガギ ガ ｶﾞ ㍿",
    "人人生而自由,在尊严和权利上一律平等。𠀀𪚥豈丽",
    "ਅ ꦱꦧꦼꦤ꧀ ꯃꯤ ᮞ ᯅ ꤰ ꨀ ⴰⵎⴷⴰⵏ ⲁⲛⲟⲕ 𐌰𐌱 𓀀 𞤀𞤁 𝔘𝕟𝓲 𑄇𑄴",
    "",
    " \t\n\u00a0\u3000\u2028\u200b",
    "tabs\tand\r\nlines\u0085next \x00\x01\x7f\u00ad\ufeff\ufffd end".replace("\x00", ""),
    "don't re-run `SELECT count(*)` -- ever!!! a.b,c;d:e's \u201cq\u201d \u2014 \u2026 ¿¡ «»",
    "e\u0301\u0327\u0323 a\u0327\x01\u0301 q\u0345\u0344\u0f73\u0f71\u1b44\U0001d165\u0334 \u0301x",
    "ﬁ ﬀ ½ ² Ⅷ ｆｕｌｌ İI ıi ẞß ŉ ǰ ΐ ﷺ Ω K Å ㌔",
    "🦊 👩‍👩‍👧 🐕\u200d🦺 \ufe0f 1️⃣ 🇫🇷",
    "[CLS] a [MASK] b[MASK]c  [SEP] [mask] [ UNK ] <New> <new> <NEW>x un <x> ing going Ⅷ",
    "x" * 101 + " " + "é" * 100 + " " + "中" * 5,
    "(((([[[[}}}} \u0964\u0965 ៖ ៗ ༄ ᭚ \u166d \U000111c9 $ + < = > ^ ` | ~ № ©",
]

OPTIONS = [
    {"max_length": 8},
    {"max_length": 8, "stride": 2},
    {"max_length": 8, "direction": "left", "stride": 1},
    {"max_length": 1},
    {"max_length": 2},
    {"max_length": 3, "add": False},
    {"add": False},
]
PAIR_OPTIONS = [
    {"max_length": 12},
    {"max_length": 11, "stride": 1, "direction": "left"},
    {"max_length": 15, "strategy": "only_first"},
    {"max_length": 15, "strategy": "only_second", "stride": 2},
    {},
    {"add": False},
]


def train():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        TEXTS * 2,
        trainers.WordPieceTrainer(
            vocab_size=800,
            special_tokens=SPECIAL,
            limit_alphabet=600,
            show_progress=False,
        ),
    )
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    # The trainer's order of equals is not fixed.
    return {token: i for i, token in enumerate(SPECIAL + sorted(set(vocabulary) - set(SPECIAL)))}


def uncased(vocabulary):
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def cased(vocabulary):
    """Every flag of the added tokens, and no change of the text but what it is given."""
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(True, False, False, False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece("##", False)
    tokenizer.add_special_tokens(SPECIAL[:4])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True)])
    tokenizer.add_tokens(
        [
            AddedToken("<New>", normalized=False, rstrip=True),
            AddedToken("<new>", normalized=True, lstrip=True, single_word=True),
            AddedToken("ing", single_word=True),
            AddedToken("un", normalized=False, single_word=True),
            AddedToken("b[", normalized=False),
            AddedToken("अ", normalized=True, special=True),
        ]
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def folded(vocabulary):
    """Other normalizers, another pre-tokenizer, and MPNet's post-processor."""
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.NFC()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace()]
    )
    tokenizer.add_special_tokens(SPECIAL[:4])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, rstrip=True, special=True)])
    tokenizer.add_tokens([AddedToken("Ⅷ", normalized=True), AddedToken("ǰ", normalized=True)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("[SEP]", 3), ("[CLS]", 2), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def encoding_row(tokenizer, encoding, full, nested=True):
    """Tokens that are those of the ids, and in short rows what follows from the ids, are left out."""
    row = {
        "ids": encoding.ids,
        "starts": [start for start, _ in encoding.offsets],
        "ends": [end for _, end in encoding.offsets],
        "words": [-1 if word is None else word for word in encoding.word_ids],
    }
    if encoding.tokens != [tokenizer.id_to_token(i) for i in encoding.ids]:
        row["tokens"] = encoding.tokens
    if full:
        row |= {
            "type_ids": encoding.type_ids,
            "special": encoding.special_tokens_mask,
            "sequences": [-1 if s is None else s for s in encoding.sequence_ids],
        }
    if nested:
        row["overflowing"] = [encoding_row(tokenizer, e, full, False) for e in encoding.overflowing]
    return row


def encode(tokenizer, text, pair=None, **options):
    row = {"text": text} | ({} if pair is None else {"pair": pair}) | options
    tokenizer.no_truncation()
    try:
        if "max_length" in options:
            settings = {k: v for k, v in options.items() if k != "add"}
            tokenizer.enable_truncation(**settings | {"stride": options.get("stride", 0)})
        encoding = tokenizer.encode(text, pair, add_special_tokens=options.get("add", True))
    except Exception:
        return row | {"error": True}
    row |= encoding_row(tokenizer, encoding, pair is not None or options)
    row["decoded"] = tokenizer.decode(encoding.ids, skip_special_tokens=bool(options))
    return row


def write(file, row):
    file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def make_cases(path):
    """A row with a name and tokenizer.json itself, then the rows that it gives."""
    vocabulary = train()
    half = {token: i for i, token in enumerate(list(vocabulary)[:5] + list(vocabulary)[5::2])}
    with open(path, "w", encoding="utf-8") as file:
        for build, tokens in ((uncased, vocabulary), (cased, half), (folded, half)):
            tokenizer = build(tokens)
            write(file, {"name": build.__name__})
            write(file, json.loads(tokenizer.to_str()))
            tokenizer = Tokenizer.from_str(tokenizer.to_str())
            for text in TEXTS:
                write(file, encode(tokenizer, text))
            for i, options in enumerate(OPTIONS):
                write(file, encode(tokenizer, TEXTS[i % 3][:30], **options))
            for i, options in enumerate(PAIR_OPTIONS):
                write(file, encode(tokenizer, TEXTS[0][:30], TEXTS[i % 4 + 28][:12], **options))


# vocab.txt as people have it: a directory with what is beside it.
VOCABULARY = (
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n<s>\n</s>\n<pad>\n<mask>\ncafe\ncafé\n"
    "Café\n中\n中国\n,\nh\n##e\n"
)
DIRECTORIES = [
    {},
    {"tokenizer_config.json": {"do_lower_case": False, "model_max_length": 512}},
    {"tokenizer_config.json": {"tokenizer_class": "BertTokenizerFast", "strip_accents": False,
                               "tokenize_chinese_chars": False, "model_max_length": int(1e30)}},
    {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "cls_token": "<s>",
                               "unk_token": "hello", "mask_token": {
                                   "__type": "AddedToken", "content": "[MASK]", "lstrip": True,
                                   "rstrip": False, "normalized": True, "single_word": False}}},
    {"tokenizer_config.json": {
        "tokenizer_class": "BertTokenizer", "extra_special_tokens": ["[Y]"],
        "added_tokens_decoder": {
            "30": {"content": "newtok", "lstrip": False, "normalized": True, "rstrip": True,
                   "single_word": True, "special": False},
            "9": {"content": "foo", "lstrip": False, "normalized": True, "rstrip": True,
                  "single_word": True, "special": False}}}},
    {"special_tokens_map.json": {"cls_token": "hello", "sep_token": {
        "content": "</s>", "lstrip": True, "normalized": True, "rstrip": False,
        "single_word": False}}},
    {"config.json": {"model_type": "mpnet"}},
    {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer", "unk_token": "<pad>"}},
    {"vocab.txt": "[PAD]\r\nhello \r\nhello\n\n##s\u3000\n"},
]
DIRECTORY_TEXTS = [
    "hello worlds", "Hello Café café , 中国 [MASK]", "<mask>hello  <mask> <s> [CLS]",
    "newtok newtoks NEWTOK [Y] foo <pad>", "",
]
ATTRIBUTES = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"]


def make_directories(path):
    with open(path, "w", encoding="utf-8") as file:
        for files in DIRECTORIES:
            files = {"vocab.txt": VOCABULARY, "config.json": {"model_type": "bert"}} | files
            with tempfile.TemporaryDirectory() as directory:
                for name, content in files.items():
                    with open(f"{directory}/{name}", "w", encoding="utf-8", newline="") as f:
                        f.write(content if isinstance(content, str) else json.dumps(content))
                loaded = AutoTokenizer.from_pretrained(directory)
            tokenizer = loaded.backend_tokenizer
            row = {"files": files, "vocabulary_size": tokenizer.get_vocab_size()}
            length = loaded.model_max_length
            row["model_max_length"] = 0 if length > 1e9 else length
            row["special"] = [
                -1 if getattr(loaded, f"{name}_token") is None else getattr(loaded, f"{name}_token_id")
                for name in ATTRIBUTES
            ]
            write(file, row)
            for text in DIRECTORY_TEXTS:
                write(file, encode(tokenizer, text))


# Every character, in company that it may combine or be reordered with.
BLOCK = 4096

# Planes 3 to 13 have no character beyond U+323AF, 15 and 16 private ones alone.
BLOCKS = [*range(0, 0x33000, BLOCK), 0x50000, 0xE0000, 0xF0000, 0x10F000]


def block_text(first):
    forms = []
    for code in range(first, first + BLOCK):
        if code == 0 or 0xD800 <= code < 0xE000:
            continue
        c = chr(code)
        forms.append(f"{c} a{c}b e\u0301{c}\u0323\u0345x \u1100{c}\u11a8\n")
    return "".join(forms)


def write_digests(file, name, tokenizer):
    """What the normalizer and the pre-tokenizer make of every block, as digests; then tokenizer.json."""
    digests = {}
    for first in BLOCKS:
        text = block_text(first)
        if tokenizer.normalizer:
            text = tokenizer.normalizer.normalize_str(text)
        if tokenizer.pre_tokenizer:
            text = "|".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
        digests[first] = hashlib.sha256(text.encode()).hexdigest()[:8]
    write(file, {"name": name, "digests": digests})
    write(file, json.loads(tokenizer.to_str()))


def make_characters(path):
    stages = {
        "bert": (normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()),
        "cased": (normalizers.BertNormalizer(True, True, None, False), None),
        "words": (normalizers.Lowercase(), pre_tokenizers.Whitespace()),
        "nfc": (normalizers.NFC(), None),
        "nfkc": (normalizers.NFKC(), None),
        "nfkd": (normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()]), None),
    }
    with open(path, "w", encoding="utf-8") as file:
        for name, (normalizer, pre_tokenizer) in stages.items():
            tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
            tokenizer.normalizer = normalizer
            if pre_tokenizer:
                tokenizer.pre_tokenizer = pre_tokenizer
            write_digests(file, name, tokenizer)


def make(golden, wanted):
    if not wanted("tokenizer"):
        return
    directory = golden / "tokenizer"
    directory.mkdir(exist_ok=True)
    make_cases(directory / "cases.jsonl")
    make_directories(directory / "directories.jsonl")
    make_characters(directory / "characters.jsonl")
    print("tokenizer")
