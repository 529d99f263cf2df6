"""The models of docs/cookbook.md: tiny ones, trained on sentences such as those in it.

They answer those and few others, which is what examples that are compared need.  Training is not
the same to the bit on every machine: make them again only to change them, and look at the page.
"""

import itertools
import random

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

import tiny

HIDDEN = 32
STEPS = 600
THINGS = "lamp kettle chair table phone clock mug radio".split()
PEOPLE = [
    "Anna Berg", "Omar Haddad", "Mary Shelley", "Jonas Weber", "Li Wei", "Rosa Diaz", "Tom Baker",
    "Ines Costa", "Peter Novak", "Emma Olsen",
]  # fmt: skip
CITIES = "Berlin Paris Lima Oslo Prague Lisbon Cairo Geneva".split()


def draw(rng, *choices):
    return [rng.choice(choice) for choice in choices]


# ---- What they are trained on ----


def review(rng):
    """A text and its label."""
    good = "great wonderful lovely perfect excellent bright solid".split()
    bad = "broken terrible awful useless dull late bad".split()
    positive = rng.random() < 0.5
    thing, other, word, second = draw(rng, THINGS, THINGS, *[good if positive else bad] * 2)
    closing = [
        "I would buy it again.", "Thank you!", "I love it.", "It came in two days.",
    ] if positive else [
        "I want my money back.", "Never again.", "I sent it back.", "Nobody answers my mails.",
    ]  # fmt: skip
    opening = [
        f"The {thing} is {word}.", f"What a {word} {thing}!", f"The {thing} is {word} and {second}.",
        f"This {thing} is {word}, and the {other} is {second}.", f"A {word} {thing}.",
    ]  # fmt: skip
    sentences = draw(rng, opening, closing)
    rng.shuffle(sentences)
    return " ".join(sentences[: rng.choice([1, 2, 2])]), int(positive)


def note(rng):
    """Pieces of a text, each with its label or O."""
    person, city = draw(rng, PEOPLE, CITIES)
    first, last = person.lower().split()
    domain = rng.choice(["example.com", "example.org", "mail.test"])
    mail = rng.choice([f"{first}.{last}@{domain}", f"{first}@{domain}", f"{last}@{domain}"])
    phone = " ".join(str(rng.randrange(10**n, 10 ** (n + 1))) for n in draw(rng, [2, 3], [2, 3]))
    per, loc = (person, "PER"), (city, "LOC")
    email, number = (mail, "EMAIL"), ("+" + phone, "PHONE")
    order = str(rng.randrange(10, 9999))
    return rng.choice([
        [per, (" asks for a refund of order ", "O"), (order + ".", "O")],
        [("Please call ", "O"), per, (" in ", "O"), loc, (" at ", "O"), number, (".", "O")],
        [("The parcel for ", "O"), per, (" went to ", "O"), loc, (".", "O")],
        [per, (" writes from ", "O"), email, (".", "O")],
        [("Send the invoice to ", "O"), email, (", not to ", "O"), loc, (".", "O")],
        [(f"Order {order} was late, and the {rng.choice(THINGS)} is broken.", "O")],
        [("Call ", "O"), number, (" or write to ", "O"), email, (".", "O")],
        [("The ", "O"), loc, (f" shop has no {rng.choice(THINGS)}.", "O")],
    ])  # fmt: skip


ARTICLES = [
    ("Refunds are paid within {} after the parcel is back.", "When are refunds paid?", "within {}",
     ["five days", "ten days", "two weeks", "three days"]),
    ("Parcels to {} take longer than others.", "Which parcels take longer?", "Parcels to {}",
     ["Lima", "Cairo", "Oslo", "Lisbon"]),
    ("A password can be changed on the {} page.", "Where can I change my password?", "on the {} page",
     ["account", "security", "settings", "profile"]),
    ("The guarantee is {} for every lamp and kettle.", "How long is the guarantee?", "{}",
     ["two years", "one year", "three years", "six months"]),
    ("Our shop in {} is open on Sundays.", "Which shop is open on Sundays?", "Our shop in {}",
     ["Berlin", "Paris", "Prague", "Geneva"]),
    ("An order is cancelled by {} before it is sent.", "How do I cancel an order?", "by {}",
     ["mail", "phone", "letter", "chat"]),
]  # fmt: skip


def question(rng):
    """A question, a text, and where in it the answer is."""
    chosen = rng.sample(ARTICLES, 2)
    place = rng.randrange(2)
    values = [rng.choice(article[3]) for article in chosen]
    sentences = [article[0].format(value) for article, value in zip(chosen, values)]
    count = rng.choice([1, 2])
    text = " ".join(sentences) if count == 2 else sentences[place]
    answer = chosen[place][2].format(values[place])
    start = text.index(sentences[place]) + sentences[place].index(answer)
    return chosen[place][1], text, (start, start + len(answer))


GERMAN = dict(lamp="die Lampe", kettle="der Kessel", chair="der Stuhl", table="der Tisch",
    phone="das Telefon", clock="die Uhr", mug="der Becher", radio="das Radio")  # fmt: skip
WORDS = dict(broken="kaputt", red="rot", new="neu", old="alt", loud="laut", great="gut")


def pair(rng):
    """A text with the task's prefix, and what it becomes."""
    thing, word = draw(rng, THINGS, list(WORDS))
    german = GERMAN[thing]
    if rng.random() < 0.5:
        source, target = rng.choice([
            (f"The {thing} is {word}.", f"{german[0].upper()}{german[1:]} ist {WORDS[word]}."),
            (f"Where is the {thing}?", f"Wo ist {german}?"),
            (f"Is the {thing} {word}?", f"Ist {german} {WORDS[word]}?"),
        ])  # fmt: skip
        return "translate English to German: " + source, target
    thing, trouble = draw(rng, THINGS, ["is broken", "does not work", "is too loud", "came late"])
    answer, outcome = rng.choice([
        ("We send a new one.", "a new one is sent"), ("You get your money back.", "the money is paid back"),
        ("We repair it.", "it is repaired"),
    ])  # fmt: skip
    hello = rng.choice(["Hello.", "Good morning.", "Hi,", ""])
    thanks = rng.choice(["Thank you.", "Great, thank you.", "Fine."])
    lines = [f"{hello} My {thing} {trouble}.".strip(), "I am sorry to hear that. " + answer, thanks]
    return "summarize: " + "\n".join(lines), f"The {thing} {trouble}; {outcome}."


# ---- Tokenizers ----


def wordpiece(texts, size=700):
    """BERT's kind; digits stand alone."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
    )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=96,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def unigram(texts, size=400):
    """T5's kind."""
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_max_length=128, model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


# ---- Models ----


def bert(model_class, tokenizer, labels=()):
    return model_class(
        transformers.BertConfig(
            vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=2 * HIDDEN, max_position_embeddings=96, hidden_dropout_prob=0,
            attention_probs_dropout_prob=0, pad_token_id=0,
            **(dict(id2label=dict(enumerate(labels))) if labels else {}),
        )  # fmt: skip
    )


def train(model, batch, rate=3e-3):
    """batch(rng) gives the arguments of a forward pass with labels."""
    rng = random.Random(7)
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, STEPS)
    for _ in range(STEPS):
        loss = model(**batch(rng)).loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    for weight in model.parameters():
        weight.data = weight.data.bfloat16().float()
    return loss.item()


def save(directory, model, tokenizer):
    directory.mkdir(parents=True, exist_ok=True)
    model.bfloat16().save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)


def make_sentiment(directory):
    rng = random.Random(1)
    tokenizer = wordpiece([review(rng)[0] for _ in range(3000)])
    model = bert(transformers.BertForSequenceClassification, tokenizer, ["negative", "positive"])

    def batch(rng):
        texts, labels = zip(*[review(rng) for _ in range(32)])
        inputs = tokenizer(list(texts), padding=True, return_tensors="pt")
        return dict(**inputs, labels=torch.tensor(labels))

    print(f"cookbook/sentiment: loss {train(model, batch):.4f}")
    save(directory, model, tokenizer)


def make_entities(directory):
    rng = random.Random(2)
    tokenizer = wordpiece(["".join(p[0] for p in note(rng)) for _ in range(3000)])
    kinds = ["PER", "LOC", "EMAIL", "PHONE"]
    labels = ["O"] + [f"{part}-{kind}" for kind, part in itertools.product(kinds, "BI")]
    model = bert(transformers.BertForTokenClassification, tokenizer, labels)

    def targets(pieces, offsets):
        at, spans = 0, []
        for text, kind in pieces:
            spans.append((at, at + len(text), kind))
            at += len(text)
        for start, end in offsets:
            first, _, kind = next((s for s in spans if s[0] <= start < s[1]), (0, 0, "O"))
            special = start == end
            part = "B" if start == first else "I"
            yield -100 if special else labels.index("O" if kind == "O" else f"{part}-{kind}")

    def batch(rng):
        notes = [note(rng) for _ in range(32)]
        texts = ["".join(p[0] for p in pieces) for pieces in notes]
        inputs = tokenizer(texts, padding=True, return_tensors="pt", return_offsets_mapping=True)
        offsets = inputs.pop("offset_mapping").tolist()
        return dict(
            **inputs, labels=torch.tensor([list(targets(n, o)) for n, o in zip(notes, offsets)])
        )

    print(f"cookbook/entities: loss {train(model, batch):.4f}")
    save(directory, model, tokenizer)


def make_answers(directory):
    rng = random.Random(3)
    tokenizer = wordpiece([" ".join(question(rng)[:2]) for _ in range(3000)])
    model = bert(transformers.BertForQuestionAnswering, tokenizer)

    def batch(rng):
        rows = [question(rng) for _ in range(32)]
        inputs = tokenizer(
            [r[0] for r in rows], [r[1] for r in rows], padding=True, return_tensors="pt"
        )
        starts = [inputs.char_to_token(i, r[2][0], 1) for i, r in enumerate(rows)]
        ends = [inputs.char_to_token(i, r[2][1] - 1, 1) for i, r in enumerate(rows)]
        return dict(
            **inputs, start_positions=torch.tensor(starts), end_positions=torch.tensor(ends)
        )

    print(f"cookbook/answers: loss {train(model, batch):.4f}")
    save(directory, model, tokenizer)


def make_text2text(directory):
    rng = random.Random(4)
    tokenizer = unigram([text for _ in range(4000) for text in pair(rng)])
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=len(tokenizer), d_model=HIDDEN, d_kv=8, d_ff=2 * HIDDEN, num_layers=2,
            num_heads=4, dropout_rate=0, decoder_start_token_id=0,
            task_specific_params=dict(
                summarization=dict(prefix="summarize: ", num_beams=1, max_length=40),
                translation_en_to_de=dict(
                    prefix="translate English to German: ", num_beams=1, max_length=40
                ),
            ),
        )  # fmt: skip
    )

    def batch(rng):
        sources, targets = zip(*[pair(rng) for _ in range(64)])
        inputs = tokenizer(list(sources), padding=True, return_tensors="pt")
        labels = tokenizer(list(targets), padding=True, return_tensors="pt").input_ids
        return dict(**inputs, labels=labels.masked_fill(labels == 0, -100))

    print(f"cookbook/text2text: loss {train(model, batch, 1e-2):.4f}")
    save(directory, model, tokenizer)


def make(golden, wanted):
    kinds = dict(
        sentiment=make_sentiment,
        entities=make_entities,
        answers=make_answers,
        text2text=make_text2text,
    )
    for name, make_model in kinds.items():
        if wanted(f"cookbook/{name}"):
            torch.manual_seed(0)
            make_model(golden / "cookbook" / name)
