"""Templates rendered by jinja2 as Transformers sets it up, and real models' chat templates.

golden/jinja/templates holds chat templates as models' authors have published them, each under its
model's licence; the file's name is the model's.
"""

import datetime
import json
import re

import jinja2
from transformers.utils import chat_template_utils

import jinja_chats
import jinja_cases

NOW = datetime.datetime(2026, 1, 15, 9, 30, 5)

# What depends on the machine, or what the engine has not.
UNSTABLE = re.compile(r" at 0x[0-9a-f]+")


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def line_of(error):
    """The template's line at which something went wrong, where Python tells it."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.lineno
    if isinstance(error, SyntaxError):
        return None
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


# What Python says when it is given wrong arguments, or refuses the code that jinja2 has made of a
# template, speaks of that code.
OF_PYTHON = re.compile(r"argument|takes no|takes from|takes \d|must be str, not|Value after")


def message_of(error):
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.message
    if isinstance(error, SyntaxError) or (isinstance(error, TypeError) and OF_PYTHON.search(str(error))):
        return ""
    return str(error)


def render(template, context):
    row = {"template": template}
    try:
        row["out"] = chat_template_utils._compile_jinja_template(template).render(**json.loads(context))
    except Exception as error:
        row["error"] = message_of(error)
        row["line"] = line_of(error) or 0
    return row


def lines(block):
    return [line for line in block.strip("\n").split("\n")]


def templates():
    for expression in lines(jinja_cases.EXPRESSIONS):
        yield "{{ " + expression + " }}"
    for expression in lines(jinja_cases.ERRORS):
        yield "{{ " + expression + " }}"
    yield from jinja_cases.TEMPLATES


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def make_cases(golden):
    context = json.dumps(jinja_cases.C, ensure_ascii=False)
    rows = [{"context": context}]
    for template in dict.fromkeys(templates()):
        row = render(template, context)
        if not UNSTABLE.search(row.get("out", "")):
            rows.append(row)
    write(golden / "cases.jsonl", rows)


def make(golden, wanted):
    if not wanted("jinja"):
        return
    chat_template_utils.datetime = Clock
    (golden / "jinja").mkdir(exist_ok=True)
    make_cases(golden / "jinja")
    jinja_chats.make(golden / "jinja", write)
