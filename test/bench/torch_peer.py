"""torch and transformers in bf16 as a peer of the benchmark; answers the lines of generator.c.

usage: torch_peer.py FILE.gguf THREADS     the weights of the file, dequantised
"""

import pathlib
import sys
import time

import torch
import transformers


def prompt_ids(count, number):
    return [1000 + (7919 * i + 104729 * number) % 30000 for i in range(count)]


class Peer:
    def __init__(self, path):
        path = pathlib.Path(path)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.bfloat16
        ).eval()
        self.number = 0

    def make(self, batch, length):
        rows = [prompt_ids(length, self.number + i) for i in range(batch)]
        self.number += batch
        return torch.tensor(rows)

    @torch.inference_mode()
    def prompt(self, count):
        ids = self.make(1, count)
        start = time.perf_counter()
        self.model(input_ids=ids, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - start

    @torch.inference_mode()
    def generate(self, batch, length, steps):
        out = self.model(input_ids=self.make(batch, length), use_cache=True, logits_to_keep=1)
        start = time.perf_counter()
        for _ in range(steps):
            best = out.logits[:, -1].argmax(-1, keepdim=True)
            out = self.model(
                input_ids=best, past_key_values=out.past_key_values, use_cache=True
            )
        return time.perf_counter() - start


def main():
    torch.set_num_threads(int(sys.argv[2]))
    transformers.logging.set_verbosity_error()
    peer = Peer(sys.argv[1])
    for line in sys.stdin:
        verb, *numbers = line.split()
        if verb == "load":
            print("{}", flush=True)
        elif verb in ("prompt", "generate"):
            print(getattr(peer, verb)(*map(int, numbers)), flush=True)
        else:
            print("null", flush=True)


main()
