"""What pipelines that generate give, and those over tables and features; see pipelines_encoders.py.

Text2text generation, summarization, translation and TAPEX, which Transformers 5 no longer has, are made
with the last Transformers 4.
"""

import io
import json

import sentencepiece
import tokenizers
import torch
import transformers

import pipelines_encoders as encoders
import tiny

OLD = encoders.OLD
SENTENCES = encoders.SENTENCES
LONG = encoders.LONG
SHORT = [text[:24] for text in SENTENCES[:4]]
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SHORT[0]}]
PREFILL = [*CHAT, {"role": "assistant", "content": "Anna is"}]
TEMPLATE = (
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
TABLE = {
    "City": ["Zürich", "Lima", "Osaka"],
    "People": ["1,616", "1654", "828"],
    "Founded": ["7 May 1904", "August 1987", "2007"],
}
BIG = {"Name": [f"a rather long name no. {i}" for i in range(12)], "n/a": ["?", "nan", ""] * 4}
FEW = {"max_new_tokens": 6}

# case: checkpoint, keys of config.json, generation_config.json, calls: (id, inputs, parameters)
PIPELINES = {
    "text-generation/bytes": ("gpt2", {}, {}, [
        ("one", SHORT[0], FEW),
        ("sampled-by-nobody", SHORT[0], {**FEW, "do_sample": False}),
        ("new", SHORT[1], {**FEW, "return_full_text": False}),
        ("list", SHORT, FEW),
        ("batch", SHORT, {**FEW, "batch_size": 3}),
        ("batch-ids", SHORT, {**FEW, "batch_size": 2, "return_tensors": True}),
        ("beams", SHORT[:2], {**FEW, "num_beams": 3, "num_return_sequences": 2}),
        ("chat", CHAT, FEW),
        ("chats", [CHAT, PREFILL], FEW),
        ("chat-new", CHAT, {**FEW, "return_full_text": False}),
        ("prefill", PREFILL, FEW),
        ("not-continued", PREFILL, {**FEW, "continue_final_message": False}),
        ("tools", CHAT, {**FEW, "tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("prefix", SHORT[2], {**FEW, "prefix": "Once: "}),
        ("prefix-length", SHORT[2], {"max_length": 30, "min_length": 29, "prefix": "Once: "}),
        ("length", SHORT[2], {"max_length": 24}),
        ("too-short", LONG, {"max_length": 24}),
        ("truncated", LONG, {"max_new_tokens": 3, "truncation": True,
                             "tokenizer_encode_kwargs": {"max_length": 9}}),
        ("hole", LONG, {"max_new_tokens": 8, "handle_long_generation": "hole"}),
        ("no-hole", LONG, {"max_new_tokens": 8, "handle_long_generation": "gap"}),
        ("stop", SHORT[0], {"max_new_tokens": 12, "stop_sequence": ["e", "a"]}),
        ("empty", "", FEW),
        ("special", SHORT[0], {**FEW, "skip_special_tokens": False, "add_special_tokens": False}),
        ("cleaned", SHORT[0], {**FEW, "clean_up_tokenization_spaces": True}),
        ("twice", SHORT[0], {"return_full_text": True, "return_tensors": True}),
        ("penalties", SHORT[3], {**FEW, "repetition_penalty": 1.7, "no_repeat_ngram_size": 2}),
    ]),
    "feature-extraction/words": ("bert", {}, {}, [
        ("one", SENTENCES[0], {}),
        ("list", SENTENCES[:2], {}),
        ("tensor", SENTENCES[3], {"return_tensors": True}),
        ("cut", LONG, {"truncation": True}),
        ("shorter", LONG, {"tokenize_kwargs": {"truncation": True, "max_length": 7}}),
        ("bare", SHORT[0], {"tokenize_kwargs": {"add_special_tokens": False}}),
        ("twice", SHORT[0], {"truncation": True, "tokenize_kwargs": {"truncation": True}}),
        ("empty", "", {}),
    ]),
    "feature-extraction/decoder": ("bart-base", {}, {}, [("one", SHORT[0], {}), ("list", SHORT, {})]),
    "table-question-answering/tapas": ("tapas", {}, {}, [
        ("one", {"table": TABLE, "query": "How many people live in Lima?"}, {}),
        ("several", {"table": TABLE, "query": ["after 1950", "fewer than 1,700", "the third"]}, {}),
        ("in-turn", {"table": TABLE, "query": ["after 1950", "and in May?"]}, {"sequential": True}),
        ("list", [{"table": TABLE, "query": "x"}, {"table": BIG, "query": "a b"}], {}),
        ("list-of-one", [{"table": TABLE, "query": "x"}], {}),
        ("cut", {"table": BIG, "query": "which name?"}, {"truncation": True}),
        ("empty-query", {"table": TABLE, "query": ""}, {}),
        ("empty-table", {"table": {"a": []}, "query": "x"}, {}),
    ]),
    "retrieval-augmented-generation/rag": ("rag", {}, {}, [
        ("one", {"question": "Who  moved?", "passages": [SENTENCES[0]]}, FEW),
        ("titled", {"question": "Why?", "passages": [SENTENCES[2]], "titles": ['"Acme"']}, FEW),
        ("cut", {"question": "Why?", "passages": [LONG]}, {"max_new_tokens": 6, "num_beams": 2}),
    ]),
    "table-question-answering/cells": (
        "tapas", {"num_aggregation_labels": 0, "aggregation_labels": None}, {}, [
            ("one", {"table": TABLE, "query": "How many people live in Lima?"}, {}),
            ("in-turn", {"table": TABLE, "query": ["1904", "2007"]}, {"sequential": True}),
        ]),
}  # fmt: skip

TRANSLATED = {"src_lang": "en_XX", "tgt_lang": "ro_RO"}
PIPELINES_OLD = {
    "text2text-generation/t5": ("t5", {}, {}, [
        ("one", SENTENCES[0], {"max_new_tokens": 5}),
        ("list", SENTENCES[1:4], FEW),
        ("list-of-one", SENTENCES[1:2], FEW),
        ("several", SENTENCES[1:3], {**FEW, "num_return_sequences": 2}),
        ("ids", SENTENCES[1], {**FEW, "return_tensors": True}),
        ("stop", SENTENCES[1], {"max_new_tokens": 12, "stop_sequence": "moved"}),
        ("cut", LONG, {**FEW, "truncation": True}),
        ("cleaned", SENTENCES[2], {**FEW, "clean_up_tokenization_spaces": True}),
        ("greedy", SENTENCES[2], {"num_beams": 1, "max_new_tokens": 8}),
        ("empty", "", FEW),
    ]),
    "summarization/bart": (
        "bart", {}, {"max_length": 11, "min_length": 4, "num_beams": 2, "length_penalty": 2.0,
                     "no_repeat_ngram_size": 3, "early_stopping": True, "forced_bos_token_id": 2}, [
            ("one", SENTENCES[1], {}),
            ("list", SENTENCES[:3], {"max_length": 7}),
            ("new", SENTENCES[1], {"max_new_tokens": 3}),
            ("greedy", SENTENCES[1], {"num_beams": 1, "min_length": 9}),
            ("cut", LONG, {"truncation": "longest_first"}),
        ]),
    "summarization/t5": (
        "t5", {"task_specific_params": {"summarization": {
            "prefix": "summarize: ", "max_length": 9, "num_beams": 1, "max_new_tokens": 7}}}, {}, [
            ("one", SENTENCES[1], {}),
            ("list", SENTENCES[:2], {}),
            ("beams", SENTENCES[1], {"num_beams": 3}),
        ]),
    "translation/t5": (
        "t5", {"task_specific_params": {
            "translation_en_to_de": {"prefix": "to German: ", "max_new_tokens": 5},
            "translation_en_to_fr": {"prefix": "to French: ", "max_new_tokens": 7}}}, {}, [
            ("one", SENTENCES[1], {}),
            ("list", SENTENCES[:2], {"max_new_tokens": 3}),
        ], "translation_en_to_fr"),
    "translation/mbart": ("mbart", {}, {"max_length": 9, "num_beams": 1}, [
        ("one", SENTENCES[1], TRANSLATED),
        ("list", SENTENCES[:2], {"src_lang": "ro_RO", "tgt_lang": "de_DE", "max_length": 6}),
        ("no-target", SENTENCES[1], {"src_lang": "ro_RO"}),
        ("cut", LONG, {**TRANSLATED, "truncation": True}),
    ]),
    "translation/mbart50": ("mbart50", {}, {"max_length": 9}, [
        ("one", SENTENCES[1], TRANSLATED),
        ("greedy", SENTENCES[1], {"src_lang": "af_ZA", "tgt_lang": "gl_ES", "num_beams": 1}),
        ("no-languages", SENTENCES[1], {}),
        ("cut", LONG, {**TRANSLATED, "truncation": True}),
    ]),
    "translation/nllb": ("nllb", {}, {"max_length": 9}, [
        ("one", SENTENCES[1], {"src_lang": "eng_Latn", "tgt_lang": "ron_Latn"}),
        ("cut", LONG, {"src_lang": "ron_Latn", "tgt_lang": "zul_Latn", "truncation": True}),
    ]),
    "translation/nllb_legacy": ("nllb_legacy", {}, {"max_length": 9}, [
        ("one", SENTENCES[1], {"src_lang": "eng_Latn", "tgt_lang": "ron_Latn"}),
        ("cut", LONG, {"src_lang": "ron_Latn", "tgt_lang": "zul_Latn", "truncation": True}),
    ]),
    "translation/m2m100": ("m2m100", {}, {"max_length": 9}, [
        ("one", SENTENCES[1], {"src_lang": "en", "tgt_lang": "ro"}),
        ("list", SENTENCES[:2], {"src_lang": "zu", "tgt_lang": "af", "num_beams": 1}),
        ("unknown", SENTENCES[1], {"src_lang": "en_XX", "tgt_lang": "ro"}),
    ]),
    "translation/plbart": ("plbart", {}, {"max_length": 9}, [
        ("one", SENTENCES[1], {"src_lang": "java", "tgt_lang": "en_XX"}),
        ("list", SENTENCES[:2], {"src_lang": "python", "tgt_lang": "java"}),
    ]),
    "translation/marian": ("marian", {}, {"max_length": 9, "num_beams": 3}, [
        ("one", SENTENCES[1], {}),
        ("list", [">>fra<< " + SENTENCES[1], ">>ron<<" + SENTENCES[0]], {}),
        ("greedy", ">>fra<< " + SENTENCES[1], {"num_beams": 1}),
    ]),
    "table-question-answering/tapex": ("tapex", {}, {"max_length": 12}, [
        ("one", {"table": TABLE, "query": "How many people live in Lima?"}, {}),
        ("several", {"table": TABLE, "query": ["How many?", "Since WHEN?"]}, {}),
        ("cut", {"table": BIG, "query": "which name?"}, {"truncation": True}),
    ]),
}  # fmt: skip

SIZES = dict(
    d_model=16, hidden_size=16, n_embd=16, d_kv=8, d_ff=24, n_head=2, num_heads=2, num_layers=2, n_layer=2,
    num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, encoder_layers=1, decoder_layers=2,
    encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24,
    max_position_embeddings=160, n_positions=128,
)  # fmt: skip
LENGTH = encoders.MODEL_MAX_LENGTH


# ---- Tokenizers ----


def configure(directory, name, **keys):
    config = {"tokenizer_class": name, "model_max_length": LENGTH, **keys}
    tiny.write_json(directory / "tokenizer_config.json", config, indent=2)


def write_gpt2(directory):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<|endoftext|>", "<|pad|>"], show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(sorted(SENTENCES) * 3, trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    end = "<|endoftext|>"
    configure(directory, "GPT2Tokenizer", bos_token=end, eos_token=end, unk_token=end,
              pad_token="<|pad|>", chat_template=TEMPLATE)  # fmt: skip
    return tokenizer.get_vocab_size(), dict(bos_token_id=0, eos_token_id=0, pad_token_id=1)


def write_bytes(directory, name="BartTokenizer", **keys):
    size = encoders.write_tokenizer(directory, "bytes")
    config = json.loads((directory / "tokenizer_config.json").read_text())
    configure(directory, name, **{**config, "tokenizer_class": name, **keys})
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    start, end, pad = (tokenizer.token_to_id(config[k + "_token"]) for k in ("cls", "sep", "pad"))
    return size, dict(bos_token_id=start, eos_token_id=end, pad_token_id=pad,
                      decoder_start_token_id=end, forced_eos_token_id=end)  # fmt: skip


def write_tapex(directory):
    size, tokens = write_bytes(directory, "TapexTokenizer", max_cell_length=6)
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tiny.write_json(directory / "vocab.json", tokenizer["model"]["vocab"])
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (directory / "tokenizer.json").unlink()
    # bytes that are no text, of which some JSON readers make an error
    control = [i for word, i in tokenizer["model"]["vocab"].items() if "\u0100" <= word < "\u0120"]
    return size, tokens | {"suppress_tokens": control}


def train_unigram(directory, special, single):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram())
    tokenizer.normalizer = tokenizers.normalizers.Replace(tokenizers.Regex(" {2,}"), " ")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=140, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(sorted(SENTENCES) * 3, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=single, pair=f"{single} $B", special_tokens=[("</s>", special.index("</s>"))]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def write_t5(directory):
    size = train_unigram(directory, ["<pad>", "</s>", "<unk>"], "$A </s>")
    configure(directory, "T5Tokenizer", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
              extra_ids=0, additional_special_tokens=[])  # fmt: skip
    return size, dict(decoder_start_token_id=0, eos_token_id=1, pad_token_id=0)


def write_languages(directory, name, **keys):
    train_unigram(directory, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "$A </s>")
    configure(directory, name, cls_token="<s>", bos_token="<s>", sep_token="</s>", eos_token="</s>",
              pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", **keys)  # fmt: skip
    # the class adds its languages
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    return len(tokenizer), dict(eos_token_id=2, pad_token_id=1, decoder_start_token_id=2,
                                forced_eos_token_id=2)  # fmt: skip


def train_sentencepiece(path, size=120, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sorted(SENTENCES) * 3), model_writer=model, vocab_size=size,
        model_type="bpe", minloglevel=2, hard_vocab_limit=False,
        normalization_rule_name="identity", **options,
    )  # fmt: skip
    path.write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def write_m2m100(directory):
    pieces = train_sentencepiece(directory / "sentencepiece.bpe.model")
    words = [pieces.id_to_piece(i) for i in range(3, pieces.get_piece_size())]
    vocab = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *words])}
    tiny.write_json(directory / "vocab.json", vocab)
    configure(directory, "M2M100Tokenizer", num_madeup_words=0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    return len(vocab) + len(tokenizer.lang_code_to_id), dict(eos_token_id=2, pad_token_id=1, decoder_start_token_id=2)


def write_plbart(directory):
    train_sentencepiece(directory / "sentencepiece.bpe.model")
    configure(directory, "PLBartTokenizer", language_codes="base")
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    return len(tokenizer), dict(eos_token_id=2, pad_token_id=1, decoder_start_token_id=2)


def write_marian(directory):
    source = train_sentencepiece(directory / "source.spm")
    target = train_sentencepiece(directory / "target.spm", size=110)
    words = {p.id_to_piece(i) for p in (source, target) for i in range(3, p.get_piece_size())}
    order = ["</s>", "<unk>", *sorted(words), ">>fra<<", ">>ron<<", "<pad>"]
    tiny.write_json(directory / "vocab.json", {word: i for i, word in enumerate(order)})
    configure(directory, "MarianTokenizer", source_lang="eng", target_lang="roa")
    pad = len(order) - 1
    return len(order), dict(eos_token_id=0, pad_token_id=pad, decoder_start_token_id=pad,
                            forced_eos_token_id=0, bad_words_ids=[[pad]])  # fmt: skip


def write_tapas(directory):
    words = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    words.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[EMPTY]"],
        show_progress=False,
    )  # fmt: skip
    words.train_from_iterator(sorted(SENTENCES) * 3, trainer)
    vocab = sorted(words.get_vocab(), key=words.get_vocab().get)
    (directory / "vocab.txt").write_text("\n".join(vocab) + "\n")
    configure(directory, "TapasTokenizer", do_lower_case=True)
    return len(vocab), {}


def write_bert(directory):
    return encoders.write_tokenizer(directory, "wordpiece"), {}


CHECKPOINTS = {
    "gpt2": ("GPT2LMHeadModel", write_gpt2),
    "bert": ("BertModel", write_bert),
    "bart-base": ("BartModel", write_bytes),
    "bart": ("BartForConditionalGeneration", write_bytes),
    "t5": ("T5ForConditionalGeneration", write_t5),
    "tapas": ("TapasForQuestionAnswering", write_tapas),
    "tapex": ("BartForConditionalGeneration", write_tapex),
    "mbart": ("MBartForConditionalGeneration", lambda d: write_languages(d, "MBartTokenizer")),
    "mbart50": ("MBartForConditionalGeneration", lambda d: write_languages(d, "MBart50Tokenizer")),
    "nllb": ("M2M100ForConditionalGeneration", lambda d: write_languages(d, "NllbTokenizer")),
    "nllb_legacy": (
        "M2M100ForConditionalGeneration",
        lambda d: write_languages(d, "NllbTokenizer", legacy_behaviour=True),
    ),
    "m2m100": ("M2M100ForConditionalGeneration", write_m2m100),
    "plbart": ("PLBartForConditionalGeneration", write_plbart),
    "marian": ("MarianMTModel", write_marian),
}
OTHERS = {
    "tapas": dict(type_vocab_sizes=[3, 32, 32, 2, 16, 16, 10], max_num_columns=8, max_num_rows=16,
                  select_one_column=True, num_aggregation_labels=4,
                  aggregation_labels={0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"}),
    "t5": dict(feed_forward_proj="gated-gelu"),
}  # fmt: skip


# ---- Cases ----


def write_rag(directory):
    """A RAG model, called with questions and one passage, which no document's score touches."""
    tokenizer = directory / "generator_tokenizer"
    tokenizer.mkdir(parents=True, exist_ok=True)
    size, ids = write_bytes(tokenizer)
    sizes = {key: value for key, value in SIZES.items() if key in transformers.BartConfig().to_dict()}
    question = transformers.DPRConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    generator = transformers.BartConfig(**{**sizes, **ids, "vocab_size": size, "prefix": None})
    config = transformers.RagConfig.from_question_encoder_generator_configs(
        question, generator, n_docs=2, max_combined_length=30
    )
    model = tiny.fill(transformers.RagSequenceForGeneration(config), "pipelines")
    model.save_pretrained(directory)
    reader = transformers.AutoTokenizer.from_pretrained(tokenizer)

    def call(inputs, **parameters):
        title = inputs.get("titles", [""])[0].removeprefix('"').removesuffix('"')
        text = title + config.title_sep + inputs["passages"][0] + config.doc_sep + inputs["question"]
        ids = reader(
            text.replace("  ", " "), max_length=config.max_combined_length, truncation=True,
            return_tensors="pt",
        )  # fmt: skip
        ids.pop("token_type_ids", None)
        made = model.rag.generator.generate(**ids, **parameters)
        return {"answer": reader.decode(made[0], skip_special_tokens=True).strip()}

    return call


def write_model(directory, checkpoint, keys, generation):
    architecture, write_tokenizer = CHECKPOINTS[checkpoint]
    size, tokens = write_tokenizer(directory)
    model_class = getattr(transformers, architecture)
    allowed = model_class.config_class().to_dict()
    sizes = {key: value for key, value in SIZES.items() if key in allowed}
    ids = {key: value for key, value in tokens.items() if key in allowed}
    config = model_class.config_class(
        **{**sizes, **ids, "vocab_size": size, **OTHERS.get(checkpoint, {}), **keys}
    )
    model = tiny.fill(model_class(config), "pipelines")
    if checkpoint == "tapas":  # so that some cells are chosen, and some are not
        with torch.no_grad():
            model.output_bias.fill_(0.4)
            model.output_weights.mul_(2)
            model.tapas.embeddings.word_embeddings.weight.mul_(20)
    if model.can_generate():
        model.generation_config = transformers.GenerationConfig(
            **({"do_sample": False} if not OLD else {}), **tokens, **generation
        )
    model.save_pretrained(directory)


def tensors(value):
    if isinstance(value, torch.Tensor):
        return tiny.tensor_json(value)
    if isinstance(value, dict):
        return {key: tensors(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [tensors(element) for element in value]
    return encoders.plain(value)


def write_case(directory, task, checkpoint, keys, generation, calls):
    directory.mkdir(parents=True, exist_ok=True)
    if checkpoint == "rag":
        pipe = write_rag(directory)
    else:
        write_model(directory, checkpoint, keys, generation)
        pipe = transformers.pipeline(task, model=str(directory), device="cpu")
    requests, results = [], []
    for name, inputs, parameters in calls:
        request = {"id": name, "inputs": inputs, "parameters": parameters}
        result = {"id": name}
        try:
            with torch.no_grad():
                given, named = json.loads(json.dumps([inputs, parameters]))
                result["output"] = tensors(pipe(given, **named))
        except Exception:
            request["expect_error"] = True
        requests.append(request)
        results.append(result)
    tiny.write_json(directory / "request.json", {"task": task, "calls": requests}, indent=1)
    tiny.write_json(directory / "expected.json", {"calls": results})
    for name in ("special_tokens_map.json", "added_tokens.json"):
        (directory / name).unlink(missing_ok=True)


def any_old(wanted):
    return any(wanted("pipeline/" + case) for case in PIPELINES_OLD)


def make(golden, wanted):
    for case, (checkpoint, keys, generation, calls, *task) in (
        PIPELINES_OLD if OLD else PIPELINES
    ).items():
        if wanted("pipeline/" + case):
            name = task[0] if task else case.split("/")[0]
            write_case(golden / "pipeline" / case, name, checkpoint, keys, generation, calls)
