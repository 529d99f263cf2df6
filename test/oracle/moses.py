"""Write src/text/python/moses_data.c: the characters and the prefixes of sacremoses.

usage: moses.py >src/text/python/moses_data.c
"""

from sacremoses import MosesDetokenizer, MosesTokenizer
from sacremoses._data_nonbreaking_prefixes import NONBREAKING_PREFIXES
from sacremoses._data_perluniprops import PERLUNIPROPS

HEAD = """/*
 * moses_data.c
 *	  Characters and nonbreaking prefixes of sacremoses; written by test/oracle/moses.py.
 *
 * The prefixes are those of the Moses machine translation toolkit; a list begins and ends with a
 * line feed, as each of its prefixes does.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/moses.h"

/* clang-format off */"""


def ranges(characters):
    found = []
    for code in sorted(set(map(ord, characters))):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def write_set(name, characters):
    # White space is never looked up: the lists have line feeds between their characters.
    found = ranges(c for c in characters if not c.isspace())
    print(f"\nconst tok_moses_range tok_moses_{name}[] = {{")
    for i in range(0, len(found), 7):
        print("\t" + " ".join(f"{{0x{a:X}, 0x{b:X}}}," for a, b in found[i : i + 7]))
    print("};")
    print(f"const size_t tok_moses_{name}_count = sizeof(tok_moses_{name}) / sizeof(tok_moses_range);")


def write_list(name, words):
    print(f'\nstatic const char {name}[] = "\\n"')
    line = "\t"
    for word in words:
        piece = word.replace("\\", "\\\\").replace('"', '\\"') + "\\n"
        if len(line.encode()) + len(piece.encode()) > 96:
            print(f'\t"{line.strip()}"')
            line = "\t"
        line += piece
    print(f'\t"{line.strip()}";')


def main():
    print(HEAD)
    write_set("alnum", MosesTokenizer.IsAlnum)
    write_set("alpha", MosesTokenizer.IsAlpha)
    write_set("number", MosesTokenizer.IsN)
    write_set("lower", MosesTokenizer.IsLower)
    write_set("currency", MosesDetokenizer.IsSc)
    write_set("plain_alpha", MosesDetokenizer.IsAlpha)
    for name in ("Hangul", "Han", "Hiragana", "Katakana"):
        write_set(name.lower(), PERLUNIPROPS[name])
    languages = sorted(k.split(".")[1] for k in NONBREAKING_PREFIXES if k != "README.txt")
    lists, rows = {}, []
    for language in languages:
        tokenizer = MosesTokenizer(language)
        numeric = tuple(sorted(set(tokenizer.NUMERIC_ONLY_PREFIXES)))
        plain = tuple(sorted(w for w in set(tokenizer.NONBREAKING_PREFIXES)
                             if w not in numeric and not any(c.isspace() for c in w)))
        for kind, words in (("plain", plain), ("numeric", numeric)):
            if words not in lists:
                lists[words] = f"{kind}_{language}"
                write_list(lists[words], words)
        rows.append(f'\t{{"{language}", {lists[plain]}, {lists[numeric]}}},')
    print("\nconst tok_moses_prefixes tok_moses_languages[] = {")
    print("\n".join(rows))
    print("\t{NULL, NULL, NULL},\n};\n/* clang-format on */")


main()
