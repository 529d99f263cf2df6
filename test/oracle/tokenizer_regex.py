"""Regular expressions and what works by them: Split, and Replace as a normalizer and a decoder."""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tokenizer import TEXTS, encode, write, write_digests

S = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LINES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PREFIX = r"[^\r\n\p{L}\p{N}]?"

# The patterns of current tokenizers.
HOT = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    rf"{S}|{PREFIX}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{LINES}",
    rf"{S}|{PREFIX}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{LINES}",
    rf"{S}|{PREFIX}[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{LINES}",
    rf"{PREFIX}{UPPER}*{LOWER}+{S}?|{PREFIX}{UPPER}+{LOWER}*{S}?|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{LINES}",
    rf"{PREFIX}{UPPER}*{LOWER}+|{PREFIX}{UPPER}+{LOWER}*|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{LINES}",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{LINES}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"\p{N}{1,3}",
    r"\p{N}",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
]

# What has no scanner; some are of real tokenizers, too.
OTHERS = [
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    rf"[\p{{Han}}]+|{PREFIX}[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}&&[^\p{{Han}}]]+|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{LINES}",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+",
    r"(?=(\d{3})+(?!\d))",
    r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+",
    r"\s+$",
    r"(?<=\p{Ll})(?=\p{Lu})",
    r"(?<![\p{L}'])(?:un|re|dis)(?=\w)",
    r"(?<=\s|^)\S{1,4}?(?=\s|\z)",
    r"\b\w+?\b|\B.",
    r"^.*$",
    r"(?m:a.*?b)|\R|(?x: \# [a-f] + ) # none",
    r"(?>\w+?(?:en|e)|\w+)+",
    r"(?:(?:a|e|i|o|u)*+[^aeiou\s]??){2,3}",
    r"(?i)straSSe|[à-þ]{2,}|\x{1f98a}|\u4e2d|\h{2}",
    r"[[:alpha:]&&[^a-m]]+|[[:^alnum:]&&[:graph:]]|[\d\-]",
    r"(a*)*?e|(?:|b)*c|(?:x??)+\z",
    r"\A\w|\w\Z|\G ",
]

# Those that hold for each character.
CLASSES = [
    r"\p{L}", r"\p{N}", r"\p{M}", r"\p{P}", r"\p{S}", r"\p{Z}", r"\p{C}", r"\p{Lu}", r"\p{Ll}",
    r"\p{Lm}", r"\s", r"\w", r"[\w]", r"\d", r"\W", r"\p{Han}", r"\p{Latin}", r"\p{^Arabic}",
    r"\p{Alphabetic}", r"[[:upper:]]", r"[[:lower:]]", r"[[:graph:]]", r"\p{Emoji}", r"\p{Cn}",
    r"(?i:[a-zà-ÿ])", r"(?i)[\p{Lu}&&[^A-F]]", r"\b", r"\p{In_Cyrillic}|\p{Common}",
]

PIECES = [
    "Hello, World's 12345 tests!  They'LL   cost $1,234.50\r\n\r\n\tdon'T\u00a0re-do_it  \n",
    "straße ſtraſſe STRASSE camelCaseWORDEnd ǅungla ʰh ªb 中文字テスト、龥龦한국 e\u0301\u0323x \u0301 ½Ⅷ²",
    "  \u3000\u2028 🦊👩‍👩‍👧 (a) [b|c] x.y…z。//\n/\r\n'ſ ''s ’s #fade #a\x01\x7f\u200b\u0085",
    "a\r\nb\nc\r\rd \n",
    "यह १२३४ ৩৪৫ ٣٤٥٦, عدد… 1234567 12345678",
]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def tokenizer(normalizer=None, pre_tokenizer=None, decoder=None):
    made = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    if normalizer is not None:
        made.normalizer = normalizer
    if pre_tokenizer is not None:
        made.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        made.decoder = decoder
    return made


def write_cases(file, name, made, texts):
    write(file, {"name": name})
    write(file, json.loads(made.to_str()))
    for text in texts:
        row = encode(made, text)
        row.pop("overflowing", None)
        write(file, row)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def write_splits(file):
    for pattern in HOT + OTHERS:
        write_cases(file, f"split {pattern}", tokenizer(None, split(Regex(pattern))), PIECES)
    for behavior in BEHAVIORS:
        for invert in (False, True):
            patterns = " ", "", Regex(r"\s|\p{P}"), Regex(HOT[0]), Regex("b*"), Regex(r"\d+")
            for i, pattern in enumerate(patterns):
                made = tokenizer(None, split(pattern, behavior, invert))
                write_cases(file, f"{behavior} {invert}, pattern {i}", made, [PIECES[3], "a, 12 b!! "])
    deepseek = pre_tokenizers.Sequence(
        [split(Regex(HOT[i])) for i in (9, 7, 6)] + [split("l", "merged_with_previous")]
    )
    write_cases(file, "sequence", tokenizer(normalizers.NFC(), deepseek), PIECES + TEXTS[8:12])


def write_replacements(file):
    for i, (pattern, content) in enumerate((
        (" ", "▁"), ("", "-"), ("ss", "ß"), (Regex(" {2,}"), " "), (Regex(r"\s*"), "_"),
        (Regex("^"), "▁"), (Regex(r"$"), "end"), (Regex(r"[\r\n]"), ""), (Regex(r"(?<=\d)(?=\d)"), " "),
        ("'", "``"), (Regex(r"\p{Han}"), "漢字"),
    )):
        made = tokenizer(
            normalizers.Sequence([normalizers.Replace(pattern, content), normalizers.Replace("o", "00")]),
            split(Regex(r"\w+|."), "isolated"),
            decoders.Replace(Regex("N|K") if pattern == " " else "U", content),
        )
        write_cases(file, f"replace {i} by {content}", made, PIECES[:3])


def write_classes(file):
    for pattern in CLASSES + HOT[:8]:
        write_digests(file, pattern, tokenizer(None, split(Regex(pattern))))


def make(golden, wanted):
    if not wanted("tokenizer_regex"):
        return
    with open(golden / "tokenizer" / "regex.jsonl", "w", encoding="utf-8") as file:
        write_splits(file)
        write_replacements(file)
        write_classes(file)
    print("tokenizer_regex")
