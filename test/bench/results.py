"""What was measured: a value for each round, ratios of the same rounds, lines and tables."""

import collections
import dataclasses
import json
import statistics

# part: "embedding"; what: "short"; peer: "engine int8"; threads that it was allowed.
Key = collections.namedtuple("Key", "part what peer threads")


@dataclasses.dataclass
class Result:
    unit: str
    values: list
    notes: dict

    @property
    def median(self):
        return statistics.median(self.values)


@dataclasses.dataclass
class Ratio:
    median: float
    least: float
    most: float

    def __str__(self):
        median, least, most = (
            f"{x:.2f}" if x >= 0.1 else f"{x:.2g}" for x in (self.median, self.least, self.most)
        )
        return f"{median} ({least}-{most})"


def is_ours(peer):
    return peer.startswith(("engine", "sql"))


def ratio_of(result, other):
    """Of the values of the same rounds; of the medians where the rounds were not the same."""
    if len(result.values) != len(other.values):
        whole = result.median / other.median
        return Ratio(whole, whole, whole)
    ratios = [a / b for a, b in zip(result.values, other.values)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def short(number):
    """A number in about three digits."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def spread(it):
    return f"({short(it.least)}-{short(it.most)})"


class Results:
    def __init__(self):
        self.all = {}

    def add(self, key, unit, value, **notes):
        result = self.all.setdefault(key, Result(unit, [], {}))
        result.values.append(value)
        result.notes.update(notes)

    def note(self, part, what, peer, **notes):
        """Add notes to what a peer did, with whatever threads."""
        for key, result in self.all.items():
            if (key.part, key.what, key.peer) == (part, what, peer):
                result.notes.update(notes)

    def drop(self, key):
        self.all.pop(key, None)

    def best(self, part, what, peer, threads):
        """
        Another at its best with at most so many threads: with as many as ours it may collapse on
        a busy machine, with one it wastes an idle one.  One of ours with just so many.
        """
        found = [
            result
            for key, result in self.all.items()
            if (key.part, key.what, key.peer) == (part, what, peer)
            and (key.threads == threads if is_ours(peer) else key.threads <= threads)
        ]
        if not found:
            return None
        pick = max if found[0].unit.endswith("/s") else min
        return pick(found, key=lambda result: result.median)

    def ratio(self, key, peer):
        """The ratio to a peer in the same part; None where one of them was not measured."""
        ours = self.all.get(key)
        other = self.best(key.part, key.what, peer, key.threads)
        return ratio_of(ours, other) if ours and other else None

    def rivals(self, part):
        """The others of a part, in the order in which they came."""
        return list(
            dict.fromkeys(k.peer for k in self.all if k.part == part and not is_ours(k.peer))
        )

    def lines(self):
        for key, result in self.all.items():
            ratios = {peer: self.ratio(key, peer) for peer in self.rivals(key.part)}
            line = {
                **key._asdict(),
                "unit": result.unit,
                "median": round(result.median, 6),
                "least": round(min(result.values), 6),
                "most": round(max(result.values), 6),
                "rounds": len(result.values),
                **result.notes,
                "ratios": {
                    peer: {k: round(v, 4) for k, v in dataclasses.asdict(ratio).items()}
                    for peer, ratio in ratios.items()
                    if ratio and peer != key.peer
                },
            }
            yield json.dumps(line)

    def print_part(self, part):
        keys = [key for key in self.all if key.part == part]
        rivals = (
            self.rivals(part) if len({key.unit for key in map(self.all.get, keys)}) == 1 else []
        )
        if not keys:
            return
        print(
            f"\n{part}\n{'what':<30}{'peer':<26}{'threads':>7}{'median':>10} {'(least-most)':<17}",
            end="",
        )
        print(f"{'unit':<10}" + "".join(f"{'/ ' + rival:>20}" for rival in rivals) + "  notes")
        for key in sorted(keys, key=lambda key: [k.what for k in keys].index(key.what)):
            result = self.all[key]
            bounds = Ratio(result.median, min(result.values), max(result.values))
            ratios = [self.ratio(key, rival) if rival != key.peer else None for rival in rivals]
            shown = [str(ratio) if ratio else "-" for ratio in ratios]
            notes = ", ".join(
                f"{name.replace('_', ' ')} {value}" for name, value in result.notes.items()
            )
            print(
                f"{key.what:<30}{key.peer:<26}{key.threads:>7}{short(result.median):>10} "
                f"{spread(bounds):<17}{result.unit:<10}"
                + "".join(f"{text:>20}" for text in shown)
                + ("  " + notes if notes else "")
            )

    def print(self):
        for part in dict.fromkeys(key.part for key in self.all):
            self.print_part(part)
