"""Tiny checkpoints with seeded weights, and tensors as JSON."""

import hashlib
import json
import math
import pathlib

import torch
from torch import nn


# Norms that are no nn.LayerNorm, with weights about 1, or about 0 where 1 is added to them.
NORMS = ("RMSNorm", "LayerNorm1P", "CohereLayerNorm", "DebertaLayerNorm")

# Tables that are what the code computes, though checkpoints have them.
COMPUTED = ("RoFormerSinusoidalPositionalEmbedding", "SinusoidalPositionalEmbedding")


def generator(*key):
    """A random generator that depends on the key alone."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


@torch.no_grad()
def fill(model, seed):
    """Give every weight a value that shows in the outputs; check.py says whether it does.

    Embeddings are small, so that the epsilon of the norm behind them matters; the matrices are
    large, so that activations are used where they bend.  A weight depends on its name below the
    base model and on its shape: the heads of a family share their common part.  Values are rounded
    to bfloat16, which packs well and makes an F16 or BF16 copy of a checkpoint (nearly) equal to it.
    """
    prefix = model.base_model_prefix + "."
    tied = set()
    for module_name, module in model.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight in tied or type(module).__name__ in COMPUTED:
                continue
            tied.add(weight)
            path = f"{module_name}.{name}".removeprefix(prefix)
            noise = torch.randn(weight.shape, generator=generator(seed, path, tuple(weight.shape)))
            if "relative_attention_bias" in path or "rel_embeddings" in path:
                value = noise
            elif isinstance(module, nn.Embedding):
                value = 0.05 * noise
            elif isinstance(module, nn.LayerNorm) and name == "weight":
                value = 1 + 0.3 * noise
            elif type(module).__name__.endswith(NORMS):
                value = (weight if name == "weight" else 0) + 0.3 * noise
            elif weight.dim() <= 1:
                value = 0.1 * noise
            else:
                outputs, inputs = weight.shape[-2:]
                value = (4 if inputs > outputs > 3 else 1.5) * noise / math.sqrt(inputs)
            weight.copy_(value.bfloat16().float())
            # Transformers takes the row out of what it has loaded, of this family alone
            if seed == "funnel" and isinstance(module, nn.Embedding):
                weight[module.padding_idx] = 0
    model.tie_weights()
    return model.eval()


def rounded(values):
    """Floats with the seven digits that float32 has; what is below them is noise."""
    return [float(f"{value:.7g}") for value in values]


def tensor_json(tensor):
    """A tensor as tfm_forward takes and gives it."""
    tensor = tensor.detach()
    if tensor.is_floating_point():
        dtype, data = "float32", rounded(tensor.reshape(-1).tolist())
    else:
        dtype, data = ("bool" if tensor.dtype == torch.bool else "int64"), tensor.reshape(
            -1
        ).tolist()
    return {"dtype": dtype, "shape": list(tensor.shape), "data": data}


def write_json(path, value, indent=None):
    separators = (",", ":") if indent is None else None
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, separators=separators, indent=indent, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
