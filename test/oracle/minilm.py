"""Tokens and embeddings of all-MiniLM-L6-v2, for texts of many scripts and lengths."""

import json
import os

from sentence_transformers import SentenceTransformer

PARAGRAPH = (
    "A relational database keeps what it knows in tables of rows and columns, and answers questions "
    "about them in a language of its own. The planner looks at each question, estimates what the "
    "possible ways to an answer would cost, and takes the cheapest; an index saves it from reading "
    "everything. "
)

TEXTS = [
    "This is an example sentence.",
    "Each sentence is converted",
    "PostgreSQL",
    "",
    "  \t\n\u00a0\u3000 ",
    "!?",
    "don't re-run `SELECT count(*) FROM pg_class WHERE relname ~ '^pg_';` — ever!!!",
    "Ünïcödé naïveté façade Straße ﬁne ½ ² Ⅷ ｆｕｌｌ ＷＩＤＴＨ",
    "Быстрая коричневая лиса прыгает через ленивую собаку. Ёлка й",
    "Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί ΣΑΣ",
    "敏捷的棕色狐狸跳过懒狗。𠀀𪚥",
    "素早い茶色の狐がのろまな犬を飛び越える。ガ ガ",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
    "השועל החום המהיר קופץ מעל הכלב העצלן שָׁלוֹם",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ",
    "ትንሽ ቀበሮ ծույլ շուն ქართული ენა বাংলা தமிழ்",
    "Đường phố Việt Nam İstanbul ıŞığı Łódź",
    "🦊 jumps 👩‍👩‍👧‍👦 over 🐕\u200d🦺 \ufe0f \u200b \u00ad zero width\ufffd",
    "[CLS] special [MASK] tokens [SEP] in [UNK] text [mask] [PAD]",
    "x" * 150 + " Donaudampfschifffahrtsgesellschaftskapitän 3.14159265358979 192.168.0.1",
    PARAGRAPH,
    PARAGRAPH * 3,
    PARAGRAPH * 8 + "A last sentence that no one reads.",
    "短い。" * 120,
]


def make(golden, wanted):
    directory = os.environ.get("TFM_MINILM")
    if not wanted("minilm"):
        return
    if not directory:
        print("minilm: not made, TFM_MINILM names no directory")
        return
    model = SentenceTransformer(directory, device="cpu")
    embeddings = model.encode(TEXTS, show_progress_bar=False)
    with open(golden / "minilm.jsonl", "w", encoding="utf-8") as file:
        for text, embedding in zip(TEXTS, embeddings):
            row = {
                "text": text,
                "tokens": model.tokenizer(text, truncation=False)["input_ids"],
                "embedding": [round(value, 8) for value in embedding.tolist()],
            }
            file.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")
    print(f"minilm: {len(TEXTS)} texts")
