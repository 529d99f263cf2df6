"""Texts of three lengths, cut from the descriptions of Debian's packages."""

import random
import re
import subprocess

# kind: tokens of a text on average (they vary by a quarter), texts.
KINDS = {"short": (16, 256), "medium": (64, 128), "long": (200, 64)}

# What the tokenizers get, descriptions in a text, texts: names must not have blanks.
TOKENIZED = {"lines": (1, 4000), "pages": (20, 1000)}


def descriptions():
    """Descriptions of all known packages, or of the installed ones where no lists are kept."""
    for command in (
        ["apt-cache", "dumpavail"],
        ["dpkg-query", "-W", "-f", "Description: ${Description}\n\n"],
    ):
        try:
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        found = re.findall(r"^Description(?:-en)?: (.*(?:\n .*)*)", text, re.MULTILINE)
        if len(found) > 100:
            return [re.sub(r"\s+", " ", re.sub(r"\n \.", "\n", one)).strip() for one in found]
    raise SystemExit("there are no package descriptions to make texts of")


def make(tokenizer):
    """{kind: {"texts": sorted by length, "tokens": how many in all}}, the same for the same lists."""
    source = descriptions()
    draw = random.Random(1)
    kinds = {}
    for kind, (mean, count) in KINDS.items():
        texts = []
        while len(texts) < count:
            wanted = draw.randint(mean * 3 // 4, mean * 5 // 4)
            text = draw.choice(source)
            while len(tokenizer.encode(text).ids) < wanted:
                text += " " + draw.choice(source)
            text = text[: tokenizer.encode(text).offsets[wanted - 2][1]]
            texts.append((len(tokenizer.encode(text).ids), text))
        texts.sort(key=lambda pair: pair[0])
        kinds[kind] = {"texts": [text for _, text in texts], "tokens": sum(n for n, _ in texts)}
    return kinds


def unsorted(kind):
    """The texts of a kind in no order, as they stand in a table: what "KIND-rows" holds."""
    order = sorted(range(len(kind["texts"])), key=lambda i: (i * 7919) % 1009)
    return {"texts": [kind["texts"][i] for i in order], "tokens": kind["tokens"]}


def make_tokenized():
    """{name: {"texts": texts for tokenizers}}"""
    source = descriptions()
    draw = random.Random(2)
    return {
        name: {"texts": [" ".join(draw.choices(source, k=joined)) for _ in range(count)]}
        for name, (joined, count) in TOKENIZED.items()
    }
