"""Conversations in real models' chat templates, as apply_chat_template(tokenize=False) renders them."""

import json

from transformers import PreTrainedTokenizerFast
from tokenizers import Tokenizer, models

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place \"now\" or <later>, e.g. in Köln",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A city"},
                "days": {"type": "integer", "description": "How many", "default": 1},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["place"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "clock", "description": "Tell the time", "parameters": {"type": "object", "properties": {}}},
}


def call(name, arguments, ident="call00001"):
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


CHATS = {
    "user": {"messages": [{"role": "user", "content": "Hello, wer bist du? 😀"}]},
    "system": {
        "messages": [
            {"role": "system", "content": " You are\nbrief. "},
            {"role": "user", "content": "2 + 2?"},
            {"role": "assistant", "content": "4"},
            {"role": "user", "content": "\tAnd <b>3 & 3</b>?\n"},
        ]
    },
    "assistant": {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b "},
            {"role": "user", "content": "c"},
            {"role": "assistant", "content": " d"},
        ]
    },
    "tools": {
        "messages": [{"role": "system", "content": "Use tools."}, {"role": "user", "content": "Weather in Köln?"}],
        "tools": [WEATHER, CLOCK],
    },
    "called": {
        "messages": [
            {"role": "user", "content": "Weather in Köln?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [call("get_weather", {"place": "Köln", "days": 2.0, "deep": [1, {"a": None, "b": True}]})],
            },
            {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"t\": 22}"},
        ],
        "tools": [WEATHER],
    },
    "answered": {
        "messages": [
            {"role": "system", "content": "Use tools."},
            {"role": "user", "content": "Time and weather?"},
            {
                "role": "assistant",
                "content": "I look.",
                "reasoning_content": "Two calls.",
                "tool_calls": [call("clock", {}, "call00001"), call("get_weather", {"place": "Ulm"}, "call00002")],
            },
            {"role": "tool", "name": "clock", "tool_call_id": "call00001", "content": "noon"},
            {"role": "tool", "name": "get_weather", "tool_call_id": "call00002", "content": "rain"},
            {"role": "assistant", "content": "Noon, and it rains."},
            {"role": "user", "content": "Thanks"},
        ],
        "tools": [WEATHER, CLOCK],
    },
    "parts": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "image": "a.png"},
                    {"type": "text", "text": "And that?"},
                    {"type": "image"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
            {"role": "user", "content": [{"type": "text", "text": "Sure?"}]},
        ]
    },
    "reasoning": {
        "messages": [
            {"role": "user", "content": "2 + 2?"},
            {"role": "assistant", "content": "<think>\nI add.\n</think>\n\n4"},
            {"role": "user", "content": "3 + 3?"},
            {"role": "assistant", "content": "6", "thinking": "Again."},
            {"role": "user", "content": "Good"},
        ],
        "kwargs": {"enable_thinking": False},
    },
    "documents": {
        "messages": [{"role": "user", "content": "What do they say?"}],
        "documents": [{"title": "One", "text": "Alpha."}, {"title": "Two", "text": "\"Beta\"\n"}],
        "kwargs": {"reasoning_effort": "low", "thinking": True, "bos_token": "<BOS>"},
    },
    "continued": {
        "messages": [{"role": "user", "content": "A haiku"}, {"role": "assistant", "content": "An old silent pond "}],
        "continue_final_message": True,
    },
    "continued_parts": {
        "messages": [
            {"role": "user", "content": "Go"},
            {"role": "assistant", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        ],
        "continue_final_message": True,
    },
    "odd": {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "critic", "content": ""}]},
}

# What goes wrong before and after a template is rendered.
PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{{ m.reasoning_content }}{% endfor %}{{ tools }}"
OTHERS = [
    (PLAIN, {"messages": []}),
    (PLAIN, {"messages": [5]}),
    (PLAIN, {"messages": [{"role": "user", "content": "x"}], "tools": [5]}),
    (PLAIN, {"messages": [{"role": "user", "content": "x"}], "documents": [5]}),
    (PLAIN, {"messages": [{"role": "user"}], "continue_final_message": True}),
    (PLAIN, {"messages": [{"role": "user", "content": [{"type": "image"}]}], "continue_final_message": True}),
    ("{{ messages[0].role }}{# content #}", {"messages": [{"role": "user", "content": "x"}], "continue_final_message": True}),
    ("{{ messages[0].role }}", {"messages": [{"role": "user", "content": "x"}], "continue_final_message": True}),
    ("{{ messages[0].content }}!", {"messages": [{"role": "user", "content": " x  "}], "continue_final_message": True}),
    ("{{ messages[0].content | trim }} !", {"messages": [{"role": "user", "content": " x \n "}], "continue_final_message": True}),
    (PLAIN, {"messages": [{"role": "a", "content": "x", "thinking": "t"}], "continue_final_message": "reasoning_content"}),
    (PLAIN, {"messages": [{"role": "a", "content": "x", "reasoning": "t "}], "continue_final_message": "reasoning"}),
    (PLAIN, {"messages": [{"role": "a", "content": "x"}], "continue_final_message": "reasoning"}),
    (PLAIN, {"messages": [{"role": "a", "content": "x"}], "continue_final_message": True, "gen": True}),
    ("{{ messages[0] }}", {"messages": [{"role": "a", "content": None, "thinking": "t", "x": [None]}]}),
    ("{{ messages[0] }}", {"messages": [{"role": "a", "reasoning": "r", "thinking": None}]}),
    ("{{ tools }}{{ documents }}{{ add_generation_prompt }}{{ bos_token }}{{ zz }}", {"messages": [{"role": "a"}], "kwargs": {"zz": 1.0}}),
]


def make_tokenizer():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0})))
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def render(tokenizer, template, chat, gen):
    try:
        text = tokenizer.apply_chat_template(
            json.loads(json.dumps(chat["messages"])),
            tools=chat.get("tools"),
            documents=chat.get("documents"),
            chat_template=template,
            tokenize=False,
            add_generation_prompt=gen,
            continue_final_message=chat.get("continue_final_message", False),
            **chat.get("kwargs", {}),
        )
        return {"out": text}
    except Exception as error:
        return {"error": type(error).__name__, "says": str(error) if "raise_exception" in template else ""}


def row_of(name, chat, gen):
    row = {"chat": name, "gen": gen}
    for key in ("messages", "tools", "documents", "kwargs"):
        if key in chat:
            row[key] = json.dumps(chat[key], ensure_ascii=False)
    if "continue_final_message" in chat:
        row["continue"] = chat["continue_final_message"]
    return row


def make(golden, write):
    tokenizer = make_tokenizer()
    rows = [{"special": json.dumps(SPECIAL)}]
    rows += [row_of(name, chat, False) for name, chat in CHATS.items()]
    for path in sorted((golden / "templates").glob("*.jinja")):
        with open(path, encoding="utf-8", newline="") as file:
            template = file.read()
        for name, chat in CHATS.items():
            gen = "continue_final_message" not in chat and name != "assistant"
            rows.append({"template": path.name, "use": name, "gen": gen, **render(tokenizer, template, chat, gen)})
    for template, chat in OTHERS:
        gen = chat.get("gen", False)
        rows.append({**row_of("", chat, gen), "source": template, **render(tokenizer, template, chat, gen)})
    write(golden / "chats.jsonl", rows)
