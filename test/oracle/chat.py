"""Checkpoints that have chat templates and no weights, and what Transformers renders with them.

One directory each; cases.jsonl has a call a line: the directory, the arguments of apply_chat_template,
and the rendered text, or the beginning of the error.
"""

import json
import pathlib

from transformers import AutoTokenizer

from sentence import tokenizer_json
from tiny import write_json

VOCABULARY = """[PAD] [UNK] <s> </s> <|user|> <|assistant|> the cat sat on mat a dog ran hello , . ? !
you are ##s ##ing what is it""".split()

CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False, "normalized": False,
                  "rstrip": False, "single_word": False},
    "eos_token": "</s>",
}

PLAIN = """{{ bos_token }}
{%- for message in messages %}
{{ '<|' + message.role + '|>' + message.content + eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}
<|assistant|>
{%- endif %}"""

TOOLS = """{{ bos_token }}tools: {{ tools | tojson }}
{%- for message in messages %} {{ message.role }}: {{ message.content }}{% endfor %}"""

RAG = """{%- for document in documents %}[{{ document.title }}] {{ document.text }} {% endfor -%}
{{ messages[-1]['content'] }}{{ style | default('') }}"""

MESSAGES = [
    {"role": "user", "content": "hello, what is it?"},
    {"role": "assistant", "content": "a cat"},
    {"role": "user", "content": "the dog ran"},
]
FINAL = [*MESSAGES, {"role": "assistant", "content": "it is the "}]
DOCUMENTS = [{"title": "one", "text": "the cat"}, {"title": "two", "text": "the mat"}]
LOOK = {"type": "function", "function": {"name": "look", "description": "look it up",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}

# What stands in each directory beside tokenizer.json: names of files, and their text or JSON.
DIRECTORIES = {
    "words": {"tokenizer_config.json": CONFIG, "chat_template.jinja": PLAIN},
    "llama": {
        "config.json": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        "tokenizer_config.json": {**CONFIG, "chat_template": PLAIN},
    },
    "listed": {
        "tokenizer_config.json": {
            **CONFIG,
            "chat_template": [
                {"name": "default", "template": PLAIN},
                {"name": "tool_use", "template": TOOLS},
                {"name": "rag", "template": RAG},
            ],
        },
    },
    "files": {
        "tokenizer_config.json": {**CONFIG, "chat_template": "not this one"},
        "chat_template.jinja": PLAIN,
        "additional_chat_templates/rag.jinja": RAG,
    },
    "no_default": {
        "tokenizer_config.json": CONFIG,
        "additional_chat_templates/rag.jinja": RAG,
        "additional_chat_templates/tool_use.jinja": TOOLS,
    },
    "none": {"tokenizer_config.json": CONFIG},
}

CALLS = [
    {"messages": MESSAGES},
    {"messages": MESSAGES, "add_generation_prompt": True},
    {"messages": FINAL, "continue_final_message": True},
    {"messages": MESSAGES, "tools": [LOOK]},
    {"messages": MESSAGES, "tools": []},
    {"messages": MESSAGES, "chat_template": "rag", "documents": DOCUMENTS, "kwargs": {"style": "!"}},
    {"messages": MESSAGES, "chat_template": "{{ messages | length }} {{ bos_token }} {{ mine }}",
     "kwargs": {"mine": [1, None, "é"], "bos_token": "<other>"}},
]


def write_directory(directory, files):
    write_json(directory / "tokenizer.json", tokenizer_json(VOCABULARY, "<s>", "</s>", "[PAD]"))
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            write_json(path, content)


def render(tokenizer, call):
    arguments = dict(call)
    messages, more = arguments.pop("messages"), arguments.pop("kwargs", {})
    try:
        return {"text": tokenizer.apply_chat_template(messages, tokenize=False, **arguments, **more)}
    except ValueError as error:
        return {"error": str(error).split(".")[0]}


def make(golden, wanted):
    if not wanted("chat"):
        return
    root = pathlib.Path(golden) / "chat"
    root.mkdir(exist_ok=True)
    with open(root / "cases.jsonl", "w", encoding="utf-8") as file:
        for name, files in DIRECTORIES.items():
            write_directory(root / name, files)
            tokenizer = AutoTokenizer.from_pretrained(root / name)
            for call in CALLS:
                row = {"directory": name, **call, **render(tokenizer, call)}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
