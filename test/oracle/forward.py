"""Forward passes of the checkpoints of families*.py by transformers."""

import importlib
import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file

import check
import families
import quantization
import tiny

# Whether this is the Transformers of the families marked `old`.
OLD = int(transformers.__version__.split(".")[0]) < 5
if OLD:
    quantization.provide()

FAMILIES, VARIANTS = {}, {}
for path in sorted(pathlib.Path(__file__).parent.glob("families*.py")):
    FAMILIES.update(importlib.import_module(path.stem).FAMILIES)
    VARIANTS.update(importlib.import_module(path.stem).VARIANTS)


def config_of(model_type, architecture, changes):
    family = FAMILIES[model_type]
    base = family["architectures"][0]
    generates = architecture.endswith(("ForCausalLM", "LMHeadModel"))
    config = {
        **families.SIZES,
        "num_hidden_layers": 2 if architecture == base or generates else 1,
        "num_labels": 2 if "QuestionAnswering" in architecture else 3,
        **family.get("config", {}),
        **changes,
    }
    for key in family.get("without", ()):
        config.pop(key, None)
    return transformers.AutoConfig.for_model(model_type, **config)


@torch.no_grad()
def run(model, x, call):
    """The outputs of call(model, x) by name; zeros where the mask leaves a position out."""
    dtype = next(model.parameters()).dtype
    x = {
        k: v.to(dtype) if torch.is_tensor(v) and v.is_floating_point() else v for k, v in x.items()
    }
    outputs = {}
    for name, value in call(model, x).items():
        if value is None or name in ("past_key_values", "cache_params", "state", "mems"):
            continue
        if torch.is_tensor(value):
            outputs[name] = value
        else:
            outputs.update({f"{name}.{i}": v for i, v in enumerate(value) if v is not None})
    for name, value in outputs.items():
        encoder = name.startswith("encoder_") or type(model).__name__.endswith("EncoderModel")
        decoder = model.config.is_encoder_decoder and not encoder
        mask = x.get("decoder_attention_mask" if decoder else "attention_mask")
        if mask is not None and value.shape[: mask.dim()] == mask.shape:
            kept = mask.bool().reshape(*mask.shape, *[1] * (value.dim() - mask.dim()))
            outputs[name] = torch.where(kept, value, 0.0)
    return outputs


def copy_config(source, directory, case):
    config = json.loads((source / "config.json").read_text())
    config.update(case.get("set", {}))
    if "architecture" in case:
        config["architectures"] = [case["architecture"]]
    if "dtype" in case:
        config["dtype"] = str(case["dtype"]).removeprefix("torch.")
    tiny.write_json(directory / "config.json", config, indent=2)


def derive(source, directory, case):
    """A checkpoint made from that of another case: other keys, names or storage of the weights."""
    weights = source / "model.safetensors"
    if "shard" in case:
        architecture = json.loads((source / "config.json").read_text())["architectures"][0]
        model = getattr(transformers, architecture).from_pretrained(source, dtype=torch.float32)
        model.save_pretrained(directory, max_shard_size=case["shard"])
    elif "dtype" in case:
        changed = {k: v.to(case["dtype"]) for k, v in load_file(weights).items()}
        save_file(changed, directory / weights.name, metadata={"format": "pt"})
    elif "names" in case:
        changed = case["names"](load_file(weights))
        save_file(changed, directory / weights.name, metadata={"format": "pt"})
    else:
        shutil.copyfile(weights, directory / weights.name)
    copy_config(source, directory, case)


def write_inputs(path, x, nested):
    def as_json(value):
        if not torch.is_tensor(value):
            return value
        return value.tolist() if nested else tiny.tensor_json(value)

    tiny.write_json(path, {name: as_json(value) for name, value in x.items()})


def make_case(golden, model_type, name, case):
    directory = golden / model_type / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    architecture = case.get("architecture") or case["of"].split("-")[0]
    model_class = getattr(transformers, architecture)
    family = FAMILIES[model_type]
    if "of" in case:
        derive(directory.parent / case["of"], directory, case)
    else:
        config = config_of(model_type, architecture, case.get("config", {}))
        seed = family.get("seeds", {}).get(architecture, model_type)
        model = tiny.fill(model_class(config), seed)
        family.get("finish", lambda model: None)(model)
        model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)

    # What is read back is what is run: the directory is all that a test has.
    model = model_class.from_pretrained(
        directory,
        dtype=torch.float32,
        attn_implementation=family.get("attention", "eager"),
        **({} if OLD else dict(experts_implementation="eager")),
    ).eval()
    usual = families.usual_inputs(architecture, model.config)
    usual = family.get("inputs", lambda name, x, config: x)(architecture, usual, model.config)
    x = case.get("inputs", lambda x, config: x)(usual, model.config)
    call = family.get("call", lambda model, x: model(**x))
    outputs = run(model, x, call)
    if name.endswith("-from_head"):
        outputs.pop("pooler_output", None)  # of weights that the checkpoint lacks
    write_inputs(directory / "inputs.json", x, case.get("nested"))
    tiny.write_json(
        directory / "expected.json", {k: tiny.tensor_json(v) for k, v in outputs.items()}
    )
    line = check.report(
        lambda changed: {k: v for k, v in run(changed, x, call).items() if k in outputs},
        model,
        outputs,
        case.get("unseen", family.get("unseen", {}).get(architecture, "$^")),
        case.get("every_row", "$^"),
        every_epsilon=name.endswith("-eps"),
        any_epsilon=family.get("any_epsilon", False),
        any_gelu=architecture in family.get("any_gelu", ()),
        double=family.get("double", True),
    )
    print(f"{model_type}/{name}: {line}", flush=True)


def cases_of(model_type):
    """The cases of a family by name: each architecture, and the variants."""
    architectures = FAMILIES[model_type]["architectures"]
    cases = {name: dict(architecture=name) for name in architectures}
    return {**cases, **VARIANTS.get(model_type, {})}


def is_old(model_type, case):
    """A family that Transformers 5 has not, or a case that it has wrong."""
    return bool(case.get("old", FAMILIES[model_type].get("old")))


def any_old(wanted):
    """Whether a case that is wanted is made by an old Transformers alone."""
    return any(
        wanted(f"{model_type}/{name}")
        for model_type in FAMILIES
        for name, case in cases_of(model_type).items()
        if is_old(model_type, case)
    )


def make(golden, wanted):
    """Make those of the cases that are wanted and that are this Transformers' own."""
    for model_type in FAMILIES:
        for name, case in cases_of(model_type).items():
            if is_old(model_type, case) == OLD and wanted(f"{model_type}/{name}"):
                make_case(golden, model_type, name, case)
