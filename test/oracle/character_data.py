#!/usr/bin/env python3
"""Make src/text/character_data.c: the category of every character as the tokenizers library sees it.

usage: character_data.py >src/text/character_data.c

The library's regular expressions (Oniguruma) have the Unicode version that they were built with, so
that they themselves are asked: each character by each category.
"""

from tokenizers import Regex, pre_tokenizers

# The bits of character_class.h, in order; bit 28, that of a backslash in the data, is not used.
NAMES = "newline Cn Lu Ll Lt Lm Lo Mn Me Mc Nd Nl No Zs Zl Zp Cc Cf Co Pd Ps Pe Pc Po Sm Sc Sk So".split()
NAMES += ["", "Pi", "Pf", "space"]
BLOCK = 32
LINE = 96


def categories():
    text = "".join(chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000)
    found = [NAMES.index("Cn")] * 0x110000
    found[0] = NAMES.index("Cc")
    for name in NAMES:
        if len(name) != 2 or name == "Cn":
            continue
        matcher = pre_tokenizers.Split(Regex(rf"\p{{{name}}}"), "removed", invert=True)
        for start in range(0, len(text), 65536):
            for piece, _ in matcher.pre_tokenize_str(text[start : start + 65536]):
                for character in piece:
                    found[ord(character)] = NAMES.index(name)
    for character in "\r\n":
        found[ord(character)] = NAMES.index("newline")
    for character in "\t\v\f\x85":
        found[ord(character)] = NAMES.index("space")
    return found


def share(values):
    """Blocks of the values, each once, one after the other; and the number of each block."""
    blocks = {}
    numbers = [
        blocks.setdefault(tuple(values[i : i + BLOCK]), len(blocks))
        for i in range(0, len(values), BLOCK)
    ]
    return [value for block in blocks for value in block], numbers


def lines(values):
    line = ""
    for value in values:
        if len(line) + len(f" {value},") > LINE:
            yield line
            line = ""
        line += f"{' ' if line else ''}{value},"
    yield line


def main():
    low, middle = share(categories())
    middle, high = share(middle)
    print(
        """/*
 * character_data.c
 *	  The category of every character, made by test/oracle/character_data.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/character_class.h"

/* clang-format off */"""
    )
    print("const unsigned char tok_class_high[TOK_CLASS_HIGH] = {")
    for line in lines(high):
        print(f"\t{line}")
    print("};\n")
    print(f"const uint16_t tok_class_middle[{len(middle)}] = {{")
    for line in lines(middle):
        print(f"\t{line}")
    print("};\n")
    print(f"const char tok_class_low[{len(low) + 1}] =")
    for i in range(0, len(low), LINE):
        data = "".join(chr(0x40 + value) for value in low[i : i + LINE])
        print(f'\t"{data}"{"" if i + LINE < len(low) else ";"}')
    print("/* clang-format on */")


if __name__ == "__main__":
    main()
