"""The part of NVIDIA's pytorch_quantization that QDQBERT is made of: fake quantization.

A quantizer rounds to 8 bits: q = clamp(round(x * 127 / amax), -128, 127), and gives q * amax / 127.
Activations have one amax, weights one for each row.  Calibration keeps it, as `_amax`, in the
checkpoint; where it is not there, it is the largest value of the tensor at hand.
"""

import sys
import types

import torch
import transformers
from torch import nn

LARGEST = 127.0
# Below it, a value is zero.
LEAST = 2.0**-24


def largest(x, axis):
    """The largest absolute value, of all or for each row."""
    return x.abs().amax() if axis is None else x.abs().amax(1, keepdim=True)


class TensorQuantizer(nn.Module):
    """Fake quantization of a tensor; axis: None, or 0 for rows."""

    def __init__(self, axis=None, rows=None):
        super().__init__()
        self.axis = axis
        self.keeps = False
        self.register_buffer("_amax", torch.zeros([] if axis is None else [rows, 1]))

    def forward(self, x):
        if self.keeps:
            self._amax = torch.maximum(self._amax, largest(x, self.axis))
        amax = self._amax if self._amax.any() else largest(x, self.axis)
        scale = torch.where(amax <= LEAST, 0.0, LARGEST / amax)
        rounded = torch.clamp((x * scale).round(), -LARGEST - 1, LARGEST)
        return rounded / torch.where(amax <= LEAST, 1.0, scale)


class QuantLinear(nn.Linear):
    """A linear layer of rounded inputs and weights."""

    default_quant_desc_input = None

    def __init__(self, inputs, outputs, bias=True):
        super().__init__(inputs, outputs, bias)
        self._input_quantizer = TensorQuantizer()
        self._weight_quantizer = TensorQuantizer(0, outputs)

    def forward(self, x):
        return nn.functional.linear(
            self._input_quantizer(x), self._weight_quantizer(self.weight), self.bias
        )


def provide():
    """Let transformers find this module as pytorch_quantization."""
    names = ["pytorch_quantization", "pytorch_quantization.nn", "pytorch_quantization.nn.modules"]
    for name in [*names, f"{names[-1]}.tensor_quantizer"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules[names[0]].nn = sys.modules[names[1]]
    sys.modules[names[1]].QuantLinear = QuantLinear
    sys.modules[f"{names[-1]}.tensor_quantizer"].TensorQuantizer = TensorQuantizer
    transformers.utils.import_utils._pytorch_quantization_available = True


@torch.no_grad()
def calibrate(model):
    """Keep what each quantizer sees for some tokens: what is larger later on is cut off."""
    quantizers = [module for module in model.modules() if isinstance(module, TensorQuantizer)]
    tokens = torch.arange(model.config.vocab_size)[None, : model.config.max_position_embeddings]
    for quantizer in quantizers:
        quantizer.keeps = True
    model(tokens[None] if "MultipleChoice" in type(model).__name__ else tokens)
    for quantizer in quantizers:
        quantizer.keeps = False
