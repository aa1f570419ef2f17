"""A peer as a process: reads a JSON list of texts a line, answers {"seconds": s, "count": n} a line.

    python peer.py sentence-transformers|onnxruntime|onnxruntime-plain|onnxruntime-int8|wordllama --model DIR --threads N [--exported DIR]

The seconds are those of the embedding alone, tokenizer included. Models and libraries load before the first line is read.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")


class SentenceTransformers:
    def __init__(self, model: Path, threads: int):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.model = SentenceTransformer(str(model), device="cpu").float().eval()

    def embed(self, texts: list[str]):
        return self.model.encode(texts, batch_size=32, convert_to_numpy=True, show_progress_bar=False)


class OnnxRuntime:
    def __init__(self, model: Path, threads: int, graph: Path):
        import numpy
        import onnxruntime
        from tokenizers import Tokenizer

        self.numpy = numpy
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.enable_truncation(json.loads((model / "sentence_bert_config.json").read_text())["max_seq_length"])
        pad = json.loads((model / "config.json").read_text())["pad_token_id"]
        self.tokenizer.enable_padding(pad_id=pad, pad_token=self.tokenizer.id_to_token(pad))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads may spin inside a run, where it helps, but not after it, where it would slow the other peers.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def embed(self, texts: list[str]):
        encoded = self.tokenizer.encode_batch(texts)
        ids = self.numpy.array([one.ids for one in encoded], dtype=self.numpy.int64)
        mask = self.numpy.array([one.attention_mask for one in encoded], dtype=self.numpy.int64)
        return self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


class WordLlama:
    def __init__(self, model: Path, threads: int):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
        from wordllama.inference import WordLlamaInference

        del threads  # numpy's gather and sum use one; the tokenizer's threads come from the environment.
        tokenizer = Tokenizer.from_file(str(model / "l2_supercat_tokenizer_config.json"))
        self.model = WordLlamaInference(load_file(model / "l2_supercat_256.safetensors")["embedding.weight"], tokenizer)

    def embed(self, texts: list[str]):
        return self.model.embed(texts, norm=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--exported", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    match given.name:
        case "sentence-transformers":
            peer = SentenceTransformers(given.model, given.threads)
        case "onnxruntime" | "onnxruntime-plain" | "onnxruntime-int8":
            graph = {"onnxruntime": "f32", "onnxruntime-plain": "plain", "onnxruntime-int8": "int8"}[given.name]
            peer = OnnxRuntime(given.model, given.threads, given.exported / f"{graph}.onnx")
        case "wordllama":
            peer = WordLlama(given.model, given.threads)
        case other:
            parser.error(f"unknown peer {other!r}")
    for line in sys.stdin:
        texts = json.loads(line)
        started = time.perf_counter()
        vectors = peer.embed(texts)
        seconds = time.perf_counter() - started
        assert len(vectors) == len(texts)
        print(json.dumps({"seconds": seconds, "count": len(texts)}), flush=True)


if __name__ == "__main__":
    main()
