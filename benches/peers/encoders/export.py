"""Exports an encoder of the hub layout to ONNX, f32 and int8, and says how far each is from sentence-transformers.

    python export.py MODELS/all-MiniLM-L6-v2 exported/all-MiniLM-L6-v2

The graph ends in the sentence vector: mean pooling and normalization are inside, so that onnxruntime does all of the work.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy
import onnx
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

from texts import TEXTS


class SentenceEncoder(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        pooled = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return torch.nn.functional.normalize(pooled, p=2.0, dim=1)


def export(model: Path, output: Path) -> None:
    from peer import OnnxRuntime, SentenceTransformers

    output.mkdir(parents=True, exist_ok=True)
    encoder = transformers.AutoModel.from_pretrained(model, attn_implementation="eager").eval()
    ids = torch.randint(1000, 2000, (2, 12))
    mask = torch.ones_like(ids)
    axes = {0: "batch", 1: "tokens"}
    # The exporter through TorchScript and eager attention: onnxruntime's optimizer knows their pattern and fuses all of it
    # (embedding, attention, bias + GELU, residual + layer norm); of the newer exporter's graph it fuses little.
    with torch.inference_mode():
        torch.onnx.export(
            SentenceEncoder(encoder).eval(), (ids, mask), str(output / "plain.onnx"), input_names=["input_ids", "attention_mask"],
            output_names=["vector"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "vector": {0: "batch"}},
            opset_version=17, dynamo=False,
        )
    fused = optimizer.optimize_model(
        str(output / "plain.onnx"), model_type="bert", num_heads=encoder.config.num_attention_heads,
        hidden_size=encoder.config.hidden_size, optimization_options=FusionOptions("bert"), opt_level=1, use_gpu=False,
    )
    fused.save_model_to_file(str(output / "f32.onnx"))
    quantize_dynamic(
        str(output / "f32.onnx"), str(output / "int8.onnx"), weight_type=QuantType.QInt8, per_channel=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )

    texts = [text for _, _, text in TEXTS]
    reference = SentenceTransformers(model, 1).embed(texts)
    report = {"fused_operators": fused.get_fused_operator_statistics(), "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    for name in ["plain", "f32", "int8"]:
        found = OnnxRuntime(model, 1, output / f"{name}.onnx").embed(texts)
        cosine = (found * reference).sum(axis=1)
        report[name] = {"largest_difference": float(numpy.abs(found - reference).max()), "mean_cosine": float(cosine.mean()), "lowest_cosine": float(cosine.min())}
    (output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    export(Path(sys.argv[1]), Path(sys.argv[2]))
