"""Sequences that generate() gives with tiny models, and what logits processors make of scores.

golden/generation/<model>/ are checkpoints; cases.jsonl has prompts, options and the sequences
without prompt and padding; processors.jsonl has a row of scores before and after.  A case is kept only
where the same run in f64 gives the same ids, so that none hangs on the last bit.
"""

import copy
import json
import math
import shutil

import tokenizers
import torch
import transformers

import generation_removed
import tiny

EOS, PAD, BOS, VOCABULARY = 2, 0, 1, 300
TEXT = """the cat sat on the mat and the dog ran after the cat; a bird sang in the tall tree
where the wind was soft. naïve café – größer, 北京大学 and Москва, then it was still again.""".split()

LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "vocab_size": VOCABULARY,
}
T5 = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "vocab_size": VOCABULARY,
}
TOKENS = {"eos_token_id": EOS, "pad_token_id": PAD, "bos_token_id": BOS}


def make_tokenizer():
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXT * 3,
        tokenizers.trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<pad>", "<s>", "</s>", "<unk>"],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
    )


def make_models(tokenizer):
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA, **TOKENS))
    t5 = transformers.T5ForConditionalGeneration(
        transformers.T5Config(**T5, **TOKENS, decoder_start_token_id=PAD)
    )
    models = {}
    for name, model in (("llama", llama), ("t5", t5)):
        tiny.fill(model, "generation")
        with torch.no_grad():
            # Sharper scores, so that few cases are close.
            if name == "llama":
                model.lm_head.weight.mul_(2.0).copy_(model.lm_head.weight.bfloat16().float())
            else:
                model.shared.weight.mul_(20.0)
        models[name] = model
    return models


def prompt(name, index, length):
    ids = torch.randint(4, VOCABULARY, (length - 1,), generator=tiny.generator(name, index))
    return [BOS] + ids.tolist()


def run(model, prompts, options, tokenizer):
    """What generate() returns for prompts that are padded, decoders' on the left."""
    longest = max(map(len, prompts))

    def padded(ids, pad):
        fill = [pad] * (longest - len(ids))
        return ids + fill if model.config.is_encoder_decoder else fill + ids

    ids = torch.tensor([padded(p, PAD) for p in prompts])
    mask = torch.tensor([padded([1] * len(p), 0) for p in prompts])
    arguments = dict(options)
    if "sequence_bias" in arguments:
        arguments["sequence_bias"] = [[ids, float(b)] for ids, b in arguments["sequence_bias"]]
    if "negative_prompt_ids" in arguments:
        arguments["negative_prompt_ids"] = torch.tensor([arguments["negative_prompt_ids"]])
    if "ngram_len" in arguments.get("watermarking_config", {}):
        arguments["watermarking_config"] = transformers.SynthIDTextWatermarkingConfig(
            **arguments["watermarking_config"]
        )
    if "stop_strings" in arguments:
        arguments["tokenizer"] = tokenizer
    return model.generate(
        ids, attention_mask=mask, **arguments, return_dict_in_generate=True, output_scores=True
    )


def cut(ids, options):
    """A sequence without what fills it up."""
    ends = options.get("eos_token_id", EOS)
    ends = ends if isinstance(ends, list) else [ends]
    for i, token in enumerate(ids):
        if token in ends:
            return ids[: i + 1]
    fill = ends[0] if options.get("num_beams", 1) > 1 else PAD
    while "stop_strings" in options and ids and ids[-1] == fill:
        ids = ids[:-1]
    return ids


def transformers_case(model, double, prompts, options, tokenizer):
    output = run(model, prompts, options, tokenizer)
    begin = 1 if model.config.is_encoder_decoder else max(map(len, prompts))
    if output.sequences.tolist() != run(double, prompts, options, tokenizer).sequences.tolist():
        return None
    case = {"sequences": [cut(ids[begin:], options) for ids in output.sequences.tolist()]}
    steps = model.compute_transition_scores(
        output.sequences,
        output.scores,
        getattr(output, "beam_indices", None),
        normalize_logits=options.get("num_beams", 1) == 1,
    )
    case["transitions"] = [
        tiny.rounded(row[: len(ids)]) for row, ids in zip(steps.tolist(), case["sequences"])
    ]
    if any(not math.isfinite(x) for row in case["transitions"] for x in row):
        del case["transitions"]
    if "sequences_scores" in output:
        case["scores"] = tiny.rounded(output.sequences_scores.tolist())
    return case


@torch.no_grad()
def removed_case(model, prompts, options):
    """A case of a method that Transformers no longer has; prompts one by one."""
    ends = options.get("eos_token_id", [EOS])

    def after(ids):
        """Arguments for the ids of a sequence, of which a decoder's prompt is a part."""
        return {"input_ids": torch.tensor(ids)}

    def scores(rows):
        if model.config.is_encoder_decoder:
            inputs = torch.tensor([source] * len(rows))
            return model(input_ids=inputs, decoder_input_ids=torch.tensor(rows)).logits[:, -1]
        return model(**after(rows)).logits[:, -1]

    def states(ids):
        arguments = after([ids])
        if model.config.is_encoder_decoder:
            arguments = {"input_ids": torch.tensor([source]), "decoder_input_ids": torch.tensor([ids])}
        output = model(**arguments, output_hidden_states=True)
        hidden = output.get("decoder_hidden_states") or output.hidden_states
        return hidden[-1][0], output.logits[0, -1]

    case = {"sequences": []}
    for source in prompts:
        ids = [PAD] if model.config.is_encoder_decoder else source
        if "penalty_alpha" in options:
            case["sequences"].append(generation_removed.contrastive(states, ids, options, ends))
            continue
        results = generation_removed.beams(scores, ids, options, ends, PAD)
        case["sequences"] += [ids for ids, _ in results]
        case.setdefault("scores", []).extend(tiny.rounded([score for _, score in results]))
    return case


def beam_grid():
    for penalty in (-1.0, 0.0, 0.7, 1.5):
        for early in (True, False, "never"):
            yield f"beams {penalty} {early}", {
                "num_beams": 3,
                "num_return_sequences": 3,
                "length_penalty": penalty,
                "early_stopping": early,
                "eos_token_id": "many",
            }


COMMON = [
    ("greedy", {}),
    ("ends", {"eos_token_id": "some"}),
    ("max_length", {"max_length": 14, "max_new_tokens": None}),
    ("repetition_penalty", {"repetition_penalty": 1.4}),
    ("no_repeat_ngram", {"no_repeat_ngram_size": 2}),
    ("bad_words", {"bad_words_ids": "words"}),
    ("sequence_bias", {"sequence_bias": "biases"}),
    ("suppress", {"suppress_tokens": "tokens", "begin_suppress_tokens": "first"}),
    ("min_new_tokens", {"eos_token_id": "some", "min_new_tokens": 9}),
    ("forced_eos", {"forced_eos_token_id": EOS, "max_new_tokens": 6}),
    ("decay", {"exponential_decay_length_penalty": [2, 1.5], "eos_token_id": "some"}),
    ("encoder_penalty", {"encoder_repetition_penalty": 1.5}),
    ("encoder_ngram", {"encoder_no_repeat_ngram_size": 1}),
    ("renormalize", {"renormalize_logits": True, "suppress_tokens": "tokens"}),
    ("watermark", {"watermarking_config": {"bias": 2.5, "greenlist_ratio": 0.4}}),
    (
        "watermark of itself",
        {"watermarking_config": {"bias": 4.0, "seeding_scheme": "selfhash", "context_width": 3}},
    ),
    ("synthid", {"watermarking_config": {"ngram_len": 4, "keys": [654, 400, 836, 123, 340]}}),
    ("beams of many", {"num_beams": 5, "num_return_sequences": 2}),
    ("beams of words", {"num_beams": 3, "no_repeat_ngram_size": 2, "bad_words_ids": "words"}),
    ("beams normal", {"num_beams": 2, "renormalize_logits": True, "suppress_tokens": "tokens"}),
    *beam_grid(),
]
LLAMA_ONLY = [
    ("stop_strings", {"stop_strings": "text"}),
    ("beams stop_strings", {"stop_strings": "text", "num_beams": 2}),
    ("guidance", {"guidance_scale": 1.6}),
    ("negative prompt", {"guidance_scale": 2.2, "negative_prompt_ids": [1, 40, 50, 60]}),
    ("beams guided", {"guidance_scale": 1.4, "num_beams": 2}),
]
T5_ONLY = [
    ("forced_bos", {"forced_bos_token_id": 17}),
    ("beams forced_bos", {"forced_bos_token_id": 17, "num_beams": 3}),
]
REMOVED = [
    ("groups", {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.5}),
    (
        "groups of three",
        {
            "num_beams": 6,
            "num_beam_groups": 3,
            "diversity_penalty": 0.8,
            "num_return_sequences": 4,
            "eos_token_id": "many",
            "early_stopping": True,
        },
    ),
    (
        "groups with ends",
        {
            "num_beams": 4,
            "num_beam_groups": 2,
            "diversity_penalty": 0.5,
            "num_return_sequences": 3,
            "eos_token_id": "many",
            "length_penalty": 0.5,
        },
    ),
    (
        "groups never",
        {
            "num_beams": 4,
            "num_beam_groups": 4,
            "diversity_penalty": 2.0,
            "num_return_sequences": 4,
            "eos_token_id": "many",
            "early_stopping": "never",
        },
    ),
    ("word", {"num_beams": 3, "force_words_ids": [[40, 41]]}),
    (
        "words",
        {
            "num_beams": 5,
            "num_return_sequences": 3,
            "force_words_ids": [[40, 41, 42], [77], [90, 91]],
        },
    ),
    ("one of words", {"num_beams": 4, "force_words_ids": [[[50, 51], [60], [50, 52, 53]]]}),
    (
        "words and ends",
        {
            "num_beams": 4,
            "num_return_sequences": 2,
            "eos_token_id": "many",
            "force_words_ids": [[40, 41], [[77, 78], [79]]],
        },
    ),
    ("contrastive", {"penalty_alpha": 0.6, "top_k": 4}),
    ("contrastive ends", {"penalty_alpha": 0.3, "top_k": 6, "eos_token_id": "some"}),
]


def fill_in(options, greedy, tokenizer):
    """Options whose values are names get values that matter for what greedy search says."""
    values = {
        "some": [EOS, greedy[3], greedy[7]],
        "many": [EOS, greedy[2], greedy[4], 31, 57, 88, 120],
        "words": [[greedy[1]], [greedy[4], greedy[5]], [greedy[2], greedy[3], greedy[4]]],
        "biases": [[[greedy[0]], -4.0], [[17], 2.5], [[17, 23], 6.0], [[greedy[0]], -3.0]],
        "tokens": [greedy[0], greedy[3]],
        "first": [greedy[0]],
        "text": ["no such text", tokenizer.decode(greedy[3:6])[1:-1]],
    }
    filled = {
        key: values.get(value, value) if isinstance(value, str) else value
        for key, value in options.items()
    }
    filled = {"do_sample": False, "max_new_tokens": 12, **filled}
    return {key: value for key, value in filled.items() if value is not None}


def make_cases(models, tokenizer):
    for name, model in models.items():
        double = copy.deepcopy(model).double()
        own = LLAMA_ONLY if name == "llama" else T5_ONLY
        kept = {}
        for kind, table in (("", COMMON + own), ("removed", REMOVED)):
            for title, options in table:
                kept.setdefault(title, 0)
                for index in range(8):
                    prompts = [prompt(name, index, 7)]
                    if title in ("greedy", "ends", "no_repeat_ngram", "beams of many", "groups"):
                        prompts += [prompt(name, index + 100, 4), prompt(name, index + 200, 9)]
                    greedy = run(model, prompts[:1], {"max_new_tokens": 12, "eos_token_id": None},
                                 tokenizer)
                    greedy = greedy.sequences[0].tolist()[-12:]
                    filled = fill_in(options, greedy, tokenizer)
                    if kind == "removed":
                        case = removed_case(model, prompts, filled)
                        if case["sequences"] != removed_case(double, prompts, filled)["sequences"]:
                            continue
                    else:
                        case = transformers_case(model, double, prompts, filled, tokenizer)
                    if case is None:
                        continue
                    yield {"name": f"{name}, {title}, {index}", "model": name,
                           "prompts": prompts, "options": filled, **case}
                    kept[title] += 1
                    if kept[title] == 2:
                        break
                assert kept[title] > 0, f"no case of {name}, {title}"


# ---- Processors ----

CONTEXT = [1, 5, 9, 5, 4, 7, 5, 4]
PROCESSORS = [
    ("temperature", {"temperature": 0.7}),
    ("top_k", {"top_k": 5}),
    ("top_p", {"top_p": 0.8}),
    ("top_p none", {"top_p": 0.0}),
    ("min_p", {"min_p": 0.1}),
    ("typical", {"typical_p": 0.6}),
    ("epsilon", {"epsilon_cutoff": 0.02}),
    ("eta", {"eta_cutoff": 0.05}),
    ("top_h", {"top_h": 0.5}),
    ("all", {"temperature": 1.3, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.9,
             "epsilon_cutoff": 0.01, "eta_cutoff": 0.01, "renormalize_logits": True}),
    ("beams", {"num_beams": 3, "top_k": 2, "top_p": 0.3, "eos_token_id": [2, 3]}),
    ("said", {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "top_k": 30}),
    ("words", {"bad_words_ids": [[4, 6], [3], [2]], "sequence_bias": [[[5, 4, 9], 3.0], [[8], -1.0]],
               "eos_token_id": [2]}),
    ("invalid", {"remove_invalid_values": True}),
    ("watermark", {"watermarking_config": {"greenlist_ratio": 0.5}, "top_k": 12}),
]
SHAPES = {
    "normal": lambda noise: noise * 2,
    "flat": lambda noise: noise * 0.05,
    "peaky": lambda noise: noise * 9,
    "masked": lambda noise: torch.where(noise < 0, -torch.inf, noise),
}


def make_processors(models):
    model = models["llama"]
    size = 60
    config = copy.deepcopy(model.config)
    config.vocab_size = size
    for title, options in PROCESSORS:
        for shape, change in SHAPES.items():
            noise = torch.randn(1, size, generator=tiny.generator(title, shape))
            scores = change(noise)
            settings = {"do_sample": True, "top_k": 0, **options}
            generation = transformers.GenerationConfig(**{**TOKENS, **settings})
            defaults = {"temperature": 1.0, "top_p": 1.0, "typical_p": 1.0}
            generation.update(**defaults, defaults_only=True)
            plain = copy.copy(model)
            plain.config = config
            model._prepare_special_tokens(generation)
            ids = torch.tensor([CONTEXT])
            chain = plain._get_logits_processor(
                generation, input_ids_seq_length=4, encoder_input_ids=ids, device="cpu",
                model_kwargs={}, prefix_allowed_tokens_fn=None,
            )
            result = chain(ids, scores.clone())
            yield {
                "name": f"{title}, {shape}",
                "options": {"eos_token_id": EOS, **settings},
                "ids": CONTEXT,
                "prompt_length": 4,
                "scores": [str(x) if not math.isfinite(x) else x for x in tiny.rounded(scores[0].tolist())],
                "expected": [str(x) if not math.isfinite(x) else x for x in tiny.rounded(result[0].tolist())],
            }


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")


def write_long(folder):
    """The same decoder, for longer texts than its cases have."""
    long = folder / "llama_long"
    long.mkdir(exist_ok=True)
    config = json.loads((folder / "llama" / "config.json").read_text())
    config["max_position_embeddings"] = 1024
    tiny.write_json(long / "config.json", config, indent=2)
    for path in (folder / "llama").iterdir():
        if path.name != "config.json":
            shutil.copy(path, long / path.name)


def make(golden, wanted):
    if not wanted("generation"):
        return
    folder = golden / "generation"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    models = make_models(tokenizer)
    for name, model in models.items():
        model.generation_config.update(**TOKENS)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    write_long(folder)
    write_lines(folder / "cases.jsonl", make_cases(models, tokenizer))
    write_lines(folder / "processors.jsonl", make_processors(models))
