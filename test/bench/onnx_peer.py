"""onnxruntime as a peer of the benchmark; answers the lines of engine.c, but for "tokenize".

usage: onnx_peer.py CHECKPOINT FILE.onnx TEXTS.json THREADS
       onnx_peer.py export CHECKPOINT FILE.onnx     make the file
       onnx_peer.py quantize FILE.onnx INT8.onnx    and from it the one in dynamic int8
"""

import json
import pathlib
import sys
import time

import numpy
import onnxruntime
import tokenizers

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


def quantize(path, quantized):
    """
    Weights in int8 by channel, activations in uint8 by tensor, at run time.  By tensor, the default,
    the weights would be no faster and the embeddings not the same any more (a cosine of 0.87).
    """
    import onnx
    import onnxruntime.quantization

    part = quantized.with_suffix(".part")
    onnxruntime.quantization.quantize_dynamic(
        path,
        part,
        per_channel=True,
        weight_type=onnxruntime.quantization.QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    part.rename(quantized)


class Encoder:
    def __init__(self, checkpoint, path, threads):
        self.tokenizer = tokenizers.Tokenizer.from_file(f"{checkpoint}/tokenizer.json")
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

    def embed_all(self, texts, batch):
        return [self.embed(texts[i : i + batch]) for i in range(0, len(texts), batch)]


def seconds(call, *arguments):
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def answer(encoder, verb, texts, first, second=0):
    if verb == "measure":
        return seconds(encoder.embed_all, texts, first)
    if verb == "latency":
        chosen = [texts[(first + i) % len(texts)] for i in range(second)]
        return [seconds(encoder.embed, [text]) for text in chosen]
    if verb == "embed":
        return numpy.concatenate(encoder.embed_all(texts, first)).tolist()
    return None


def serve(checkpoint, path, texts, threads):
    kinds = json.loads(pathlib.Path(texts).read_text())
    start = time.perf_counter()
    encoder = Encoder(checkpoint, path, int(threads))
    loaded = {"compile": 0, "open": time.perf_counter() - start}
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "load":
            result = loaded
        else:
            texts = kinds[words[0]]["texts"]
            result = answer(encoder, verb, texts, *(int(word) for word in words[1:]))
        print(json.dumps(result), flush=True)


def main():
    if sys.argv[1] == "export":
        export(sys.argv[2], pathlib.Path(sys.argv[3]))
    elif sys.argv[1] == "quantize":
        quantize(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        serve(*sys.argv[1:])


if __name__ == "__main__":
    main()
