"""Decoding methods that Transformers had up to version 4, over a function that gives logits.

Plain versions of BeamSearchScorer (diverse beam search), ConstrainedBeamSearchScorer (words that must
appear) and contrastive search, for one prompt at a time; `scores(rows)` gives the logits after each
of some lists of ids, `states(ids)` the last hidden state of each token and the logits after the last.
"""

import math

import torch


class Hypotheses:
    """The best that have ended, of which there are at most `size`."""

    def __init__(self, size, options, max_new):
        self.size, self.kept = size, []
        self.worst = 1e9
        self.penalty = options.get("length_penalty", 1.0)
        self.early = options.get("early_stopping", False)
        self.max_new = max_new

    def add(self, ids, total, length):
        score = total / length**self.penalty
        if len(self.kept) < self.size or score > self.worst:
            self.kept.append((score, ids))
            if len(self.kept) > self.size:
                order = sorted((s, i) for i, (s, _) in enumerate(self.kept))
                del self.kept[order[0][1]]
                self.worst = order[1][0]
            else:
                self.worst = min(score, self.worst)

    def is_done(self, best, length):
        if len(self.kept) < self.size:
            return False
        if self.early is True:
            return True
        if self.early == "never" and self.penalty > 0:
            length = self.max_new
        return self.worst >= best / length**self.penalty


class Phrase:
    """One word: its tokens, one after the other."""

    def __init__(self, words):
        self.words = words
        self.height = max(map(len, words))
        self.said = []

    def advance(self):
        n = len(self.said)
        return list(dict.fromkeys(w[n] for w in self.words if w[:n] == self.said and len(w) > n))

    def update(self, token):
        """Whether the token goes on with a word, and whether that is whole then."""
        if token not in self.advance():
            return False, False
        self.said = self.said + [token]
        return True, not self.advance()


class Progress:
    """How far ids have fulfilled all words."""

    def __init__(self, constraints, ids):
        self.constraints = constraints
        self.pending = [Phrase(c) for c in constraints]
        self.current, self.complete, self.done = None, 0, False
        self.longest = max(max(map(len, c)) for c in constraints)
        for token in ids:
            self.add(token)

    def add(self, token):
        if self.done:
            return
        if self.current is not None:
            stepped, whole = self.current.update(token)
            if not stepped:
                self.pending.append(Phrase(self.current.words))
                self.current = None
        else:
            stepped = whole = False
            for i, phrase in enumerate(self.pending):
                if token in phrase.advance():
                    stepped, whole = phrase.update(token)
                    self.current = phrase
                    del self.pending[i]
                    break
        if whole:
            self.complete += 1
            self.current = None
            self.done = not self.pending

    def advance(self):
        if self.current is not None:
            return self.current.advance()
        return [token for phrase in self.pending for token in phrase.advance()]

    def bank(self):
        begun = 0
        if self.current is not None:
            begun = self.longest - (self.current.height - len(self.current.said))
        return self.complete * self.longest + begun


def force(constraints, beams, scores, chosen):
    """Add continuations that bring the words further; the best of each bank in turn remain."""
    ways = []
    for score, token, beam in chosen:
        ways.append((score, token, beam, Progress(constraints, beams[beam] + [token]).bank()))
    seen = [beams[beam] + [token] for _, token, beam in chosen]
    for beam, ids in enumerate(beams):
        progress = Progress(constraints, ids)
        if progress.done:
            continue
        for token in progress.advance():
            if ids + [token] in seen:
                continue
            seen.append(ids + [token])
            bank = Progress(constraints, ids + [token]).bank()
            ways.append((float(scores[beam, token]), token, beam, bank))
    if len(ways) == len(chosen):
        return chosen
    ways.sort(key=lambda way: -(way[3] * 100 + way[0]))
    turns, turn, bank = [], -1, ways[0][3]
    for way in ways:
        turn = turn + 1 if way[3] == bank else 0
        bank = way[3]
        turns.append(turn)
    order = sorted(range(len(ways)), key=lambda i: turns[i])[: len(chosen)]
    return [ways[i][:3] for i in order]


def beams(scores, prompt, options, eos, pad):
    """Sequences and their scores, best first."""
    count, groups = options["num_beams"], options.get("num_beam_groups", 1)
    size, constraints = count // groups, options.get("force_words_ids")
    if constraints:
        constraints = [c if isinstance(c[0], list) else [c] for c in constraints]
    max_new = options["max_new_tokens"]
    kept = [Hypotheses(size, options, max_new) for _ in range(groups)]
    done = [False] * groups
    rows = [list(prompt) for _ in range(count)]
    totals = [0.0 if i % size == 0 else -1e9 for i in range(count)]
    keep = max(2, 1 + len(eos)) * size

    for length in range(1, max_new + 1):
        logits = torch.log_softmax(scores(rows).float(), dim=-1)
        chosen = []
        for g in range(groups):
            first = g * size
            if done[g]:
                chosen += [(0.0, pad, first + i) for i in range(size)]
                continue
            own = logits[first : first + size].clone()
            if g > 0:
                counts = torch.bincount(
                    torch.tensor([token for _, token, _ in chosen]), minlength=own.shape[1]
                )
                own -= options["diversity_penalty"] * counts
            own += torch.tensor(totals[first : first + size])[:, None]
            best, places = torch.topk(own.reshape(-1), keep)
            group = []
            for rank, (score, place) in enumerate(zip(best.tolist(), places.tolist())):
                beam, token = first + place // own.shape[1], place % own.shape[1]
                if token in eos:
                    if rank < size and (
                        not constraints or Progress(constraints, rows[beam]).done
                    ):
                        kept[g].add(rows[beam], score, length)
                else:
                    group.append((score, token, beam))
                if len(group) == size:
                    break
            if constraints:
                group = force(constraints, rows, own, group)
            chosen += group
            done[g] = kept[g].is_done(best[0].item(), length)
        rows = [rows[beam] + [token] for _, token, beam in chosen]
        totals = [score for score, _, _ in chosen]
        if all(done):
            break

    whole = 0
    for wanted in (True, False):
        for i, row in enumerate(rows):
            if done[i // size]:
                continue
            fulfilled = not constraints or Progress(constraints, row).done
            if fulfilled == wanted and (
                wanted or whole < options.get("num_return_sequences", 1)
            ):
                kept[i // size].add(row, totals[i], len(row) - len(prompt))
            whole += wanted and fulfilled
    ended = sorted((h for group in kept for h in group.kept), key=lambda h: h[0])
    results = []
    for _ in range(options.get("num_return_sequences", 1)):
        score, ids = ended.pop()
        ids = ids[len(prompt) :]
        results.append((ids + [eos[0]] if len(ids) < max_new else ids, score))
    return results


def contrastive(states, prompt, options, eos):
    """The sequence that contrastive search gives."""
    k, alpha = options["top_k"], options["penalty_alpha"]
    ids = list(prompt)
    while len(ids) < len(prompt) + options["max_new_tokens"]:
        context, logits = states(ids)
        best, tokens = torch.topk(torch.softmax(logits.float(), dim=-1), k)
        context = context / context.norm(dim=1, keepdim=True)
        worth = []
        for probability, token in zip(best.tolist(), tokens.tolist()):
            state = states(ids + [token])[0][-1]
            likeness = (context @ (state / state.norm())).max().item()
            worth.append((1 - alpha) * probability - alpha * likeness)
        choice = max(range(k), key=lambda i: worth[i])
        margin = sorted(worth)[-1] - sorted(worth)[-2]
        assert margin > 1e-5 or math.isclose(margin, 0), "too close to call"
        ids.append(tokens[choice].item())
        if ids[-1] in eos:
            break
    return ids[len(prompt) :]
