"""llama.cpp as a peer of the benchmark; answers the lines of generator.c.

usage: llama_peer.py FILE.gguf THREADS
"""

import ctypes
import sys
import time

import llama_cpp as llama


def prompt_ids(count, number):
    return [1000 + (7919 * i + 104729 * number) % 30000 for i in range(count)]


class Peer:
    def __init__(self, path, threads):
        self.quiet = llama.llama_log_callback(lambda *_: None)  # which must live
        llama.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(
            path.encode(), llama.llama_model_default_params()
        )
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = 8192
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_seq_max = 16
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, parameters)
        self.memory = llama.llama_get_memory(self.context)
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.number = 0
        self.batch = llama.llama_batch_init(1024, 0, 1)

    def decode(self, tokens):
        """tokens: (id, place, sequence, whether scores are wanted)"""
        self.batch.n_tokens = len(tokens)
        for i, (token, place, sequence, wanted) in enumerate(tokens):
            self.batch.token[i] = token
            self.batch.pos[i] = place
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wanted
        if llama.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        llama.llama_synchronize(self.context)

    def read_prompt(self, count, sequence):
        ids = prompt_ids(count, self.number)
        self.number += 1
        for first in range(0, count, 512):
            part = ids[first : first + 512]
            self.decode(
                [
                    (token, first + i, sequence, first + i == count - 1)
                    for i, token in enumerate(part)
                ]
            )

    def clear(self):
        llama.llama_memory_clear(self.memory, True)

    def prompt(self, count):
        self.clear()
        start = time.perf_counter()
        self.read_prompt(count, 0)
        return time.perf_counter() - start

    def best(self, row):
        """The best token of a row of the last scores, by its own sampler."""
        return llama.llama_sampler_sample(self.sampler, self.context, row)

    def generate(self, batch, length, steps):
        self.clear()
        self.sampler = llama.llama_sampler_init_greedy()
        tokens = []
        for sequence in range(batch):
            self.read_prompt(length, sequence)
            tokens.append(self.best(-1))
        start = time.perf_counter()
        for step in range(steps):
            self.decode([(token, length + step, i, True) for i, token in enumerate(tokens)])
            tokens = [self.best(i) for i in range(batch)]
        return time.perf_counter() - start


def main():
    peer = Peer(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        verb, *numbers = line.split()
        if verb == "load":
            print("{}", flush=True)
        elif verb in ("prompt", "generate"):
            print(getattr(peer, verb)(*map(int, numbers)), flush=True)
        else:
            print("null", flush=True)


main()
