"""onnxruntime in float32 as a peer of the benchmark; answers lines as engine.c does.

usage: onnx_peer.py CHECKPOINT FILE.onnx TEXTS.json THREADS
       onnx_peer.py CHECKPOINT FILE.onnx          make the file
"""

import json
import pathlib
import sys
import time

import numpy
import onnxruntime
import tokenizers

BATCH = 32
LONGEST = 256


def export(checkpoint, path):
    """The checkpoint as ONNX, with attention and norms fused by onnxruntime's own optimiser."""
    import torch
    import transformers
    from onnxruntime.transformers import optimizer

    model = transformers.AutoModel.from_pretrained(checkpoint, attn_implementation="eager").eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids, mask, types):
            return self.model(
                input_ids=ids, attention_mask=mask, token_type_ids=types
            ).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones(2, 7, dtype=torch.long)
    plain = path.with_suffix(".plain.onnx")
    torch.onnx.export(
        Encoder(),
        (ids, ids, ids * 0),
        str(plain),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names + ["last_hidden_state"]},
        opset_version=17,
        dynamo=False,
    )
    config = model.config
    fused = optimizer.optimize_model(
        str(plain),
        "bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
    )
    fused.save_model_to_file(str(plain))
    plain.rename(path)


class Encoder:
    def __init__(self, checkpoint, path, threads):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def embed(self, texts):
        encoded = self.tokenizer.encode_batch(texts)
        inputs = {
            "input_ids": numpy.array([e.ids for e in encoded], dtype=numpy.int64),
            "attention_mask": numpy.array([e.attention_mask for e in encoded], dtype=numpy.int64),
            "token_type_ids": numpy.array([e.type_ids for e in encoded], dtype=numpy.int64),
        }
        hidden = self.session.run(None, inputs)[0]
        mask = inputs["attention_mask"][..., None].astype(numpy.float32)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return mean / numpy.linalg.norm(mean, axis=1, keepdims=True)

    def measure(self, texts):
        start = time.perf_counter()
        for i in range(0, len(texts), BATCH):
            self.embed(texts[i : i + BATCH])
        return time.perf_counter() - start


def main():
    checkpoint, path = sys.argv[1:3]
    if len(sys.argv) == 3:
        return export(checkpoint, pathlib.Path(path))
    texts, threads = sys.argv[3:]
    kinds = json.loads(pathlib.Path(texts).read_text())
    encoder = Encoder(pathlib.Path(checkpoint), path, int(threads))
    for line in sys.stdin:
        verb, kind = line.split()
        texts = kinds[kind]["texts"]
        print(
            encoder.measure(texts) if verb == "measure" else encoder.embed(texts[:1])[0].tolist(),
            flush=True,
        )


if __name__ == "__main__":
    main()
