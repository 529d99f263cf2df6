"""Whether a case would show a mistake: what weights, activations and epsilons do to its outputs."""

import copy
import re

import torch
from torch import nn
from transformers.activations import GELUActivation, NewGELUActivation

# A test allows this share of the largest value of a tensor; see test/unit/golden.c.
TOLERANCE = 1e-5
# Larger values stand for "never": they say nothing of the scale.
MASKED = 1000.0
# A mistake must move some output by so many tolerances, rounding by no more than this.
VISIBLE = 10
ROUNDING = 0.3


def moved(old, new):
    """How far outputs are apart, in tolerances."""
    distances = []
    for k in old:
        kept = old[k].abs() < MASKED
        scale = TOLERANCE * old[k][kept].abs().max()
        distances.append(((new[k] - old[k])[kept].abs().max() / scale).item())
    return max(distances)


def without_weights(forward, model, outputs, every_row):
    """Movement by each weight that is set to zero; by each row of those that every_row matches."""
    for name, weight in model.named_parameters():
        parts = range(len(weight)) if re.search(every_row, name) else [...]
        for part in parts:
            kept = weight.data[part].clone()
            weight.data[part] = 0
            yield moved(outputs, forward(model)), name if len(parts) == 1 else f"{name}[{part}]"
            weight.data[part] = kept


def with_other_gelu(forward, model, outputs):
    """Movement by the tanh approximation where the config asks for erf."""
    changed = copy.deepcopy(model)
    for module in list(changed.modules()):
        for name, child in module.named_children():
            if isinstance(child, GELUActivation):
                setattr(module, name, NewGELUActivation())
    return moved(outputs, forward(changed))


def with_other_epsilons(forward, model, outputs):
    """Movement by the epsilon of BERT's own code, or PyTorch's, in each norm."""
    for name, module in model.named_modules():
        for key in ("eps", "variance_epsilon"):
            kept = getattr(module, key, None)
            if isinstance(kept, float):
                setattr(module, key, 1e-5 if kept < 1e-5 else 1e-12)
                yield moved(outputs, forward(model)), name
                setattr(module, key, kept)


def in_double(forward, model):
    """The outputs of the model in float64."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return forward(copy.deepcopy(model).double())
    finally:
        torch.set_default_dtype(kept)


@torch.no_grad()
def report(
    forward,
    model,
    outputs,
    unseen="$^",
    every_row="$^",
    every_epsilon=False,
    any_epsilon=False,
    any_gelu=False,
    double=True,
):
    """A line that tells the least movement by each kind of mistake; an error if one goes unseen.

    unseen: weights that have no part in these outputs; a bias of the keys never has one: it adds
    the same to all scores of a query, which softmax does not see.  every_row: weights whose rows
    count one by one.  every_epsilon: each norm must show its own; any_epsilon: none needs to, where
    the code and not the configuration has it, and what is normed is large.  any_gelu: the GELU need
    not show, where another case of the same layers shows it.  double: the model runs in float64, too.
    """
    hidden = re.compile(rf"\.(key|k|k_lin|k_proj|key_proj|Wk)\.bias$|{unseen}")
    losses = without_weights(forward, model, outputs, every_row)
    weight = min(loss for loss in losses if not hidden.search(loss[1]))
    epsilons = with_other_epsilons(forward, model, outputs)
    epsilon = (min if every_epsilon else max)(epsilons, default=(0, "none"))
    gelu = with_other_gelu(forward, model, outputs)
    rounding = moved(outputs, in_double(forward, model)) if double else 0
    line = f"rounding {rounding:.2f}, gelu {gelu:.0f}, epsilon {epsilon[0]:.0f}"
    line += f", {weight[1]} {weight[0]:.0f}"
    uses_gelu = any(isinstance(module, GELUActivation) for module in model.modules())
    blind = weight[0] < VISIBLE or not any_epsilon and epsilon[0] < VISIBLE
    gelu_blind = uses_gelu and not any_gelu and gelu < VISIBLE
    if not rounding <= ROUNDING or blind or gelu_blind:
        raise SystemExit(f"a test would not see every mistake: {line}")
    return line
