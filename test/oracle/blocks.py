"""Blocks of ggml's quantised types, their elements by gguf's dequantisation, and floats quantised."""

import numpy as np
from gguf import GGMLQuantizationType, quants
from gguf.constants import GGML_QUANT_SIZES

ELEMENTS = 512
HALVES = {  # where the f16 of a block are; other bytes may be any
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}


def blocks_of(name, random):
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (ELEMENTS // elements, size), dtype=np.uint8)
    for place in HALVES[name]:
        blocks[:, place:place + 2] = (random.standard_normal((len(blocks), 1)) / 16).astype(np.float16).view(np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = np.append([0, 1, 2], random.integers(110, 135, len(blocks) - 3))
    return blocks, quants.dequantize(blocks.reshape(1, -1), kind)


def floats(random):
    """Rows with what rounding stumbles over: nothing but zeros, one sign, ties, an outlier."""
    x = random.standard_normal((4, ELEMENTS)).astype(np.float32)
    x[0, 32:64] = 0
    x[0, 64:96] = np.abs(x[0, 64:96])
    x[1] = np.arange(ELEMENTS) % 17 - 8
    x[2, ::37] *= 100
    return x


def make(golden, wanted):
    if not wanted("blocks"):
        return
    to = golden / "blocks"
    to.mkdir(exist_ok=True)
    random = np.random.default_rng(6)
    for name in HALVES:
        blocks, elements = blocks_of(name, random)
        (to / name).write_bytes(blocks.tobytes() + elements.astype("<f4").tobytes())
    x = floats(random)
    (to / "floats").write_bytes(x.astype("<f4").tobytes())
    for name in ("Q8_0", "Q4_0"):
        (to / f"floats.{name}").write_bytes(quants.quantize(x, GGMLQuantizationType[name]).tobytes())
