"""GGUF files of tiny models of each architecture, converted as llama.cpp's converter does, and what Transformers gives
for the weights that are in them."""

import re

import numpy as np
import torch
import transformers
from gguf import MODEL_ARCH_NAMES, GGMLQuantizationType, GGUFWriter, get_tensor_name_map, quants
from gguf.constants import GGML_QUANT_SIZES

import tiny
from blocks import HALVES
from forward import run

LLAMA = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
ALONE = {"num_key_value_heads": 4}

# Case: architecture of the file, class, configuration, keys of the file beside those of KEYS.
CASES = {
    "llama": ("llama", "LlamaForCausalLM", {**LLAMA, "rope_theta": 5000.0, "attention_bias": True}, {}),
    "llama-linear": ("llama", "LlamaForCausalLM", {**LLAMA, "tie_word_embeddings": True, "rope_parameters":
                     {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
                     {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    "llama-yarn": ("llama", "LlamaForCausalLM", {**LLAMA, "rope_parameters":
                   {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0, "original_max_position_embeddings": 16}},
                   {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 16}),
    "llama3": ("llama", "LlamaForCausalLM", {**LLAMA, "rope_parameters":
               {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16, "rope_theta": 10000.0}}, {}),
    "llama-types": ("llama", "LlamaForCausalLM", {**LLAMA, "hidden_size": 256, "intermediate_size": 256,
                    "num_hidden_layers": 2, "num_key_value_heads": 1, "num_attention_heads": 8}, {}),
    "llama-split": ("llama", "LlamaForCausalLM", LLAMA, {}),
    "mixtral": ("llama", "MixtralForCausalLM", {**LLAMA, "num_local_experts": 3, "num_experts_per_tok": 2},
                {"expert_count": 3, "expert_used_count": 2}),
    "qwen2": ("qwen2", "Qwen2ForCausalLM", {**LLAMA, "rope_theta": 1e6}, {}),
    "qwen3": ("qwen3", "Qwen3ForCausalLM", {**LLAMA, "head_dim": 16}, {}),
    "qwen2moe": ("qwen2moe", "Qwen2MoeForCausalLM",
                 {**LLAMA, **EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 64},
                 {"expert_count": 4, "expert_used_count": 2}),
    "qwen3moe": ("qwen3moe", "Qwen3MoeForCausalLM",
                 {**LLAMA, **EXPERTS, "num_experts": 4, "head_dim": 16, "norm_topk_prob": True},
                 {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32}),
    "gemma": ("gemma", "GemmaForCausalLM", {**LLAMA, "head_dim": 16}, {}),
    "gemma2": ("gemma2", "Gemma2ForCausalLM", {**LLAMA, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 4},
               {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}),
    "gemma3": ("gemma3", "Gemma3ForCausalLM", {**LLAMA, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 4,
               "num_hidden_layers": 6}, {}),
    "phi2": ("phi2", "PhiForCausalLM", {**LLAMA, **ALONE, "hidden_size": 64}, {"rope.dimension_count": 8}),
    "phi3": ("phi3", "Phi3ForCausalLM", {**LLAMA, "sliding_window": 4}, {}),
    "phi3-longrope": ("phi3", "Phi3ForCausalLM", {**LLAMA, "original_max_position_embeddings": 16, "rope_parameters": {
                      "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.5, 2.0, 2.5],
                      "long_factor": [1.0, 2.0, 4.0, 8.0], "original_max_position_embeddings": 16}},
                      {"rope.scaling.original_context_length": 16}),
    "gpt2": ("gpt2", "GPT2LMHeadModel", {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, {}),
    "starcoder": ("starcoder", "GPTBigCodeForCausalLM",
                  {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "multi_query": True},
                  {"attention.head_count_kv": 1}),
    "starcoder2": ("starcoder2", "Starcoder2ForCausalLM", {**LLAMA, "use_bias": True}, {}),
    "gptneox": ("gptneox", "GPTNeoXForCausalLM", {**LLAMA, **ALONE, "hidden_size": 64, "rotary_pct": 0.25},
                {"rope.dimension_count": 4, "use_parallel_residual": True}),
    "falcon": ("falcon", "FalconForCausalLM", {**LLAMA, "num_key_value_heads": 1, "num_kv_heads": 1, "ffn_hidden_size": 64},
               {"attention.head_count_kv": 1}),
    "falcon-40b": ("falcon", "FalconForCausalLM",
                   {**LLAMA, "num_kv_heads": 2, "new_decoder_architecture": True, "ffn_hidden_size": 64}, {}),
    "bloom": ("bloom", "BloomForCausalLM", {"vocab_size": 40, "hidden_size": 32, "n_layer": 2, "n_head": 4}, {}),
    "mpt": ("mpt", "MptForCausalLM", {"vocab_size": 40, "d_model": 32, "n_layers": 2, "n_heads": 4, "expansion_ratio": 2,
            "max_seq_len": 64}, {"attention.max_alibi_bias": 8.0}),
    "stablelm": ("stablelm", "StableLmForCausalLM", {**LLAMA, "hidden_size": 64, "qk_layernorm": True},
                 {"rope.dimension_count": 4}),
    "olmo": ("olmo", "OlmoForCausalLM", {**LLAMA, "clip_qkv": 0.5}, {"attention.clamp_kqv": 0.5}),
    "olmo2": ("olmo2", "Olmo2ForCausalLM", LLAMA, {}),
    "olmoe": ("olmoe", "OlmoeForCausalLM", {**LLAMA, "num_experts": 4, "num_experts_per_tok": 2},
              {"expert_count": 4, "expert_used_count": 2}),
    "granite": ("granite", "GraniteForCausalLM", {**LLAMA, "embedding_multiplier": 3.0, "residual_multiplier": 0.5,
                "attention_multiplier": 0.2, "logits_scaling": 2.0},
                {"embedding_scale": 3.0, "residual_scale": 0.5, "attention.scale": 0.2, "logit_scale": 2.0}),
    "granitemoe": ("granitemoe", "GraniteMoeForCausalLM",
                   {**LLAMA, "num_local_experts": 3, "num_experts_per_tok": 2, "attention_multiplier": 0.2},
                   {"expert_count": 3, "expert_used_count": 2, "attention.scale": 0.2}),
    "command-r": ("command-r", "CohereForCausalLM", {**LLAMA, "use_qk_norm": True, "logit_scale": 0.25},
                  {"logit_scale": 0.25}),
    "nemotron": ("nemotron", "NemotronForCausalLM", {**LLAMA, "hidden_size": 64}, {"rope.dimension_count": 8}),
    "dbrx": ("dbrx", "DbrxForCausalLM", {"vocab_size": 40, "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 64,
             "attn_config": {"kv_n_heads": 2, "clip_qkv": 0.5, "rope_theta": 10000.0},
             "ffn_config": {"ffn_hidden_size": 32, "moe_num_experts": 3, "moe_top_k": 2}},
             {"expert_count": 3, "expert_used_count": 2, "attention.clamp_kqv": 0.5, "feed_forward_length": 32,
              "attention.head_count_kv": 2}),
    "t5": ("t5", "T5ForConditionalGeneration", {"vocab_size": 40, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2,
           "num_heads": 4, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "decoder_start_token_id": 0},
           {"decoder_start_token_id": 0, "attention.relative_buckets_count": 32, "attention.key_length": 8}),
    "t5-relu": ("t5", "T5ForConditionalGeneration", {"vocab_size": 40, "d_model": 32, "d_kv": 8, "d_ff": 64,
                "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0},
                {"decoder_start_token_id": 0, "attention.relative_buckets_count": 32, "attention.key_length": 8}),
}

# Keys of a file and the attributes of a configuration that they stand for.
KEYS = {
    "vocab_size": ("vocab_size",),
    "context_length": ("max_position_embeddings", "max_seq_len", "seq_length"),
    "block_count": ("num_hidden_layers",),
    "embedding_length": ("hidden_size",),
    "feed_forward_length": ("intermediate_size", "ffn_hidden_size", "d_ff", "n_inner"),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads", "num_kv_heads"),
    "attention.sliding_window": ("sliding_window",),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps",),
    "attention.layer_norm_epsilon": ("layer_norm_epsilon", "layer_norm_eps", "norm_epsilon", "norm_eps"),
    "attention.key_length": ("head_dim",),
}
PERMUTED = ("llama", "olmo", "granite", "granitemoe")
PLUS_ONE = ("gemma", "gemma2", "gemma3", "nemotron")
TYPES = {  # of llama-types, by the stem of the tensor and the layer's number
    "token_embd": "Q8_0", "output": "MXFP4",
    "attn_q0": "Q4_K", "attn_k0": "Q2_K", "attn_v0": "Q3_K", "attn_output0": "Q5_K",
    "ffn_gate0": "Q6_K", "ffn_up0": "IQ4_NL", "ffn_down0": "IQ4_XS",
    "attn_q1": "Q4_0", "attn_k1": "F16", "attn_v1": "BF16", "attn_output1": "Q5_1",
    "ffn_gate1": "Q4_1", "ffn_up1": "Q5_0", "ffn_down1": "Q8_0",
}


def random_blocks(kind, shape, random):
    """Any codes, with scales that give weights of a usual size."""
    elements, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    blocks = random.integers(0, 256, (shape[0] * shape[1] // elements, size), dtype=np.uint8)
    halves = random.uniform(0.5, 1, (len(blocks), len(HALVES[kind])))
    for scale in (1e-2, None):
        for i, place in enumerate(HALVES[kind]):
            blocks[:, place:place + 2] = (halves[:, i:i + 1] * (scale or 1e-2 * factor)).astype(np.float16).view(np.uint8)
        if kind == "MXFP4":
            blocks[:, 0] = random.integers(121, 124, len(blocks))
        rows = blocks.reshape(shape[0], -1)
        values = quants.dequantize(rows, GGMLQuantizationType[kind])
        factor = 0.08 / values.std()
    return rows, values


def quantise(kind, values, random):
    """Rows in a type of ggml, and what they stand for."""
    if kind not in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
        return random_blocks(kind, values.shape, random)
    kind = GGMLQuantizationType[kind]
    rows = quants.quantize(values, kind)
    return rows, quants.dequantize(rows, kind).astype(np.float32)


def interleave(rows, heads):
    """llama.cpp's order of the rows of queries and keys."""
    return rows.reshape(heads, 2, len(rows) // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def apart(rows, groups, queries):
    """Queries, keys and values one after the other; they were by groups."""
    parts = rows.reshape(groups, queries + 2, -1, *rows.shape[1:])
    of = [parts[:, :queries], parts[:, queries:-1], parts[:, -1:]]
    return np.concatenate([p.reshape(-1, *rows.shape[1:]) for p in of])


class Converter:
    def __init__(self, architecture, model, writer, case, random):
        self.architecture, self.model, self.writer, self.case, self.random = architecture, model, writer, case, random
        config = model.config
        self.heads = config.num_attention_heads
        self.kv_heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_kv_heads", None) or self.heads
        arch = next(k for k, v in MODEL_ARCH_NAMES.items() if v == architecture)
        self.names = get_tensor_name_map(arch, config.num_hidden_layers)

    def type_of(self, name, values):
        if values.ndim < 2 or values.shape[-1] % 32 or "ffn_gate_inp" in name or "norm" in name or "rel_b" in name:
            return "F32"
        if self.case != "llama-types":
            return "Q8_0"
        layer = re.match(r"blk\.(\d+)\.(.*)", name)
        return TYPES[layer[2].split(".")[0] + layer[1] if layer else name.split(".")[0]]

    def add(self, name, values):
        """Write a tensor; what its elements have become."""
        kind = self.type_of(name, values)
        rows, kept = quantise(kind, values.reshape(-1, values.shape[-1]), self.random)
        rows = rows.reshape(*values.shape[:-1], -1)
        if self.architecture in PERMUTED and re.search(r"attn_[qk]\.", name):
            rows = interleave(rows, self.heads if "attn_q" in name else self.kv_heads)
        if "attn_qkv" in name and self.architecture in ("bloom", "gptneox"):
            rows = apart(rows, self.heads, 1)
        if "attn_qkv" in name and self.architecture == "falcon":
            rows = apart(rows, self.kv_heads, self.heads // self.kv_heads)
        if self.architecture in PLUS_ONE and name.endswith("norm.weight"):
            rows = rows + np.float32(1)
        self.writer.add_tensor(name, rows, raw_dtype=GGMLQuantizationType[kind])
        return kept.reshape(values.shape)

    def special(self, name, values):
        """Tensors of many experts and the like; what they have become, or None."""
        layer = re.search(r"\.(\d+)\.", name)
        blk = f"blk.{layer[1]}." if layer else ""
        if name.endswith(("experts.gate_up_proj", "input_linear.weight")):
            half = values.shape[1] // 2
            return np.concatenate([self.add(blk + "ffn_gate_exps.weight", values[:, :half]),
                                   self.add(blk + "ffn_up_exps.weight", values[:, half:])], axis=1)
        if name.endswith(("experts.down_proj", "output_linear.weight")):
            return self.add(blk + "ffn_down_exps.weight", values)
        if self.architecture == "dbrx" and ".mlp." in name:
            stem = {"w1": "gate", "v1": "up", "w2": "down"}[name[-2:]]
            experts = values.reshape(self.model.config.ffn_config.moe_num_experts, -1, values.shape[-1])
            if stem == "down":
                return self.add(blk + "ffn_down_exps.weight", np.ascontiguousarray(experts.swapaxes(1, 2))) \
                    .swapaxes(1, 2).reshape(values.shape)
            return self.add(f"{blk}ffn_{stem}_exps.weight", experts).reshape(values.shape)
        if name.endswith("shared_expert_gate.weight"):
            return self.add(blk + "ffn_gate_inp_shexp.weight", values[0])[None]
        if "layernorm.norms" in name:
            self.stacked.setdefault(blk + ("attn_q_norm" if "q_layer" in name else "attn_k_norm") + ".weight", []).append(values)
            return values
        return None

    def translate(self, name):
        if name.endswith(("router.weight", "router.layer.weight", ".gate.weight")):
            return "blk." + re.search(r"\.(\d+)\.", name)[1] + ".ffn_gate_inp.weight"
        if self.architecture == "bloom":
            name = name.removeprefix("transformer.")
        return self.names.get_name(name, try_suffixes=(".weight", ".bias"))

    def run(self):
        self.stacked = {}
        seen = set()
        for name, parameter in self.model.state_dict().items():
            if parameter.data_ptr() in seen or re.search(r"rotary_emb|\.attn\.bias$|masked_bias", name):
                continue
            seen.add(parameter.data_ptr())
            values = parameter.detach().numpy()
            kept = self.special(name, values)
            if kept is None:
                to = self.translate(name)
                assert to is not None, name
                turned = self.architecture == "gpt2" and re.search(r"(attn_qkv|attn_output|ffn_up|ffn_down)\.weight", to)
                kept = self.add(to, np.ascontiguousarray(values.T)).T if turned else self.add(to, values)
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(kept)))
        for name, parts in self.stacked.items():
            self.add(name, np.stack(parts))


def keys_of(config, more):
    keys = {}
    for key, names in KEYS.items():
        value = next((v for n in names if (v := getattr(config, n, None)) is not None), None)
        if value is not None:
            keys[key] = value
    rope = getattr(config, "rope_parameters", None) or {}
    theta = rope.get("full_attention", rope).get("rope_theta")
    return {**keys, **({"rope.freq_base": float(theta)} if theta else {}), **more}


def write_keys(writer, architecture, keys):
    for key, value in keys.items():
        key = f"{architecture}.{key}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)


def add_factors(writer, model):
    """Factors of frequencies, which llama.cpp has as tensors."""
    rope = getattr(model.config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "llama3":
        plain = rope["rope_theta"] ** -(np.arange(0, 8, 2) / 8)
        writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq.numpy()).astype(np.float32))
    if rope.get("rope_type") == "longrope":
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.array(rope[length + "_factor"], np.float32))


@torch.no_grad()
def make_case(directory, case):
    architecture, name, changes, more = CASES[case]
    cls = getattr(transformers, name)
    torch.manual_seed(sum(case.encode()))
    model = cls(cls.config_class(**changes)).eval()
    if changes.get("tie_word_embeddings") is False:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    for parameter in model.parameters():
        parameter.normal_(1 if parameter.ndim == 1 and parameter.std() == 0 and parameter.mean() == 1 else 0, 0.15)
    directory.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(directory / "model.gguf", architecture, split_max_tensors=8 if case == "llama-split" else 0)
    write_keys(writer, architecture, keys_of(model.config, more))
    add_factors(writer, model)
    Converter(architecture, model, writer, case, np.random.default_rng(5)).run()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    inputs = {"input_ids": [[3, 17, 39, 5, 22, 8, 30, 11]]}
    if architecture == "t5":
        inputs["decoder_input_ids"] = [[0, 9, 31, 4]]
    inputs = {k: torch.tensor(v) for k, v in inputs.items()}
    outputs = run(model, inputs)
    tiny.write_json(directory / "inputs.json", {k: tiny.tensor_json(v) for k, v in inputs.items()})
    tiny.write_json(directory / "expected.json", {k: tiny.tensor_json(v) for k, v in outputs.items()})


def make(golden, wanted):
    for case in CASES:
        if wanted(f"gguf/{case}"):
            make_case(golden / "gguf" / case, case)
