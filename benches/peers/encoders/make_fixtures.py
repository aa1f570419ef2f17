"""Writes the reference vectors and the tiny models that the encoder tests read.

    python make_fixtures.py references MODELS ../../../router-plugins/tests/fixtures/encoders
    python make_fixtures.py tiny ../../../router-plugins/tests/fixtures/encoders

`MODELS` is a folder that holds `all-MiniLM-L6-v2/`, `all-mpnet-base-v2/` and `wordllama/`. See README.md.
"""

import hashlib
import json
import os
import platform
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from texts import TEXTS

SEED = 20_240
STANDARD_DEVIATION = 0.3


def versions(*modules) -> dict[str, str]:
    return {"python": platform.python_version()} | {module.__name__: module.__version__ for module in modules}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def f32(values) -> list:
    """Nested lists of numbers, each the shortest decimal of nine significant digits that gives the same f32."""
    if numpy.ndim(values) > 1:
        return [f32(row) for row in values]
    return [float(f"{float(value):.9g}") for value in numpy.asarray(values, dtype=numpy.float32)]


def write(path: Path, header: dict, texts: list[dict]) -> None:
    """JSON with a line for each field of the header and for each text, so that a change shows as a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    rows = ",\n".join(json.dumps(text, ensure_ascii=False, separators=(",", ":")) for text in texts)
    path.write_text("{\n" + "\n".join(lines) + '\n"texts": [\n' + rows + "\n]\n}\n", encoding="utf-8")
    print(f"{path}: {len(texts)} texts, {path.stat().st_size} bytes")


def plain_tokenizer(folder: Path, name: str = "tokenizer.json") -> Tokenizer:
    """The tokenizer as the file says, without its truncation and padding: the models' files carry a length of 128."""
    tokenizer = Tokenizer.from_file(str(folder / name))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def sequence_ids(model: SentenceTransformer, text: str) -> list[int]:
    return model.preprocess([text])["input_ids"][0].tolist()


def encoder_references(folder: Path, output: Path, all_texts: bool) -> None:
    """Vectors of sentence-transformers in f32, a text at a time; float64 beside it says how good f32 can be."""
    model = SentenceTransformer(str(folder), device="cpu").float().eval()
    limit = model.max_seq_length
    raw = plain_tokenizer(folder)
    cut = plain_tokenizer(folder)
    cut.enable_truncation(limit)
    kept = [(purpose, text) for important, purpose, text in TEXTS if all_texts or important]
    single = [model.encode(text, convert_to_numpy=True) for _, text in kept]
    batched = model.encode([text for _, text in kept], convert_to_numpy=True, batch_size=len(kept))
    model.double()
    exact = [model.encode(text, convert_to_numpy=True) for _, text in kept]
    texts = []
    for (purpose, text), vector in zip(kept, single):
        ids = sequence_ids(model, text)
        assert ids == cut.encode(text).ids, f"{folder.name}: two tokenizers disagree about {purpose!r}"
        truncated = len(raw.encode(text).ids) > limit
        texts.append({"purpose": purpose, "text": text, "truncated": truncated, "token_ids": ids, "vector": f32(vector)})
    difference = max(float(numpy.abs(a - b).max()) for a, b in zip(single, exact))
    padded = max(float(numpy.abs(a - b).max()) for a, b in zip(single, batched))
    print(f"{folder.name}: largest difference f32 - float64 {difference:.2e}, single - one padded batch {padded:.2e}")
    header = {
        "model": folder.name,
        "source": "sentence-transformers in f32 on a CPU, one text at a time",
        "model_sha256": sha256(folder / "model.safetensors"),
        "tokenizer_sha256": sha256(folder / "tokenizer.json"),
        "versions": versions(torch, transformers, sentence_transformers, tokenizers, numpy),
        "max_sequence_length": limit,
        "largest_difference_from_float64": float(f"{difference:.2g}"),
    }
    write(output, header, texts)


def wordllama_references(folder: Path, output: Path) -> None:
    """Vectors of wordllama's own inference: the mean of the token rows, not normalized."""
    import importlib.metadata

    from safetensors.numpy import load_file
    from wordllama.inference import WordLlamaInference

    weights = folder / "l2_supercat_256.safetensors"
    tokenizer_path = folder / "l2_supercat_tokenizer_config.json"
    model = WordLlamaInference(load_file(weights)["embedding.weight"], Tokenizer.from_file(str(tokenizer_path)))
    raw = plain_tokenizer(folder, tokenizer_path.name)
    texts = []
    for _, purpose, text in TEXTS:
        ids = raw.encode(text, add_special_tokens=False).ids
        texts.append({"purpose": purpose, "text": text, "truncated": False, "token_ids": ids, "vector": f32(model.embed(text)[0])})
    header = {
        "model": "wordllama l2_supercat_256",
        "source": "wordllama's embed(text): special tokens are not added, the mean is not normalized, no text is cut",
        "model_sha256": sha256(weights),
        "tokenizer_sha256": sha256(tokenizer_path),
        "versions": versions(tokenizers, numpy) | {"wordllama": importlib.metadata.version("wordllama")},
        "max_sequence_length": None,
    }
    write(output, header, texts)


def tiny_tokenizer(special: dict[str, int], unknown: str, start: str, end: str, pad: str, mask: str) -> Tokenizer:
    """A lowercasing WordPiece tokenizer of letters, digits, punctuation and a few words and endings."""
    from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = "the and of to in is it for on with as how what why write prove route model prompt answer code sum egg sky blue".split()
    endings = ["##s", "##er", "##ing", "##ed", "##ly", "##tion", "##ment", "##ness"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", *words, *endings, "é", "天", "空"]
    pieces = list(dict.fromkeys(pieces))
    pieces.extend(f"unused{i}" for i in range(200 - len(pieces)))
    tokenizer = Tokenizer(models.WordPiece(vocab={piece: i for i, piece in enumerate(pieces)}, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair=f"{start} $A {end} $B:1 {end}:1", special_tokens=[(start, special[start]), (end, special[end])]
    )
    tokenizer.add_special_tokens([AddedToken(name, lstrip=name == mask == "<mask>", normalized=False) for name in special])
    # Both as the hub's files have them, and both must be overridden by who reads the model.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16, pad_id=special[pad], pad_token=pad)
    return tokenizer


POOLINGS = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_length": "pooling_mode_mean_sqrt_len_tokens",
}


def pooling_config(width: int, pooling: str) -> dict:
    return {"word_embedding_dimension": width} | {key: name == pooling for name, key in POOLINGS.items()}


def write_tiny(folder: Path, model, tokenizer: Tokenizer, tokenizer_config: dict, limit: int) -> None:
    """A model directory in the hub layout of sentence-transformers 2."""
    from safetensors.torch import save_file

    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            noise = torch.randn(value.shape, generator=generator) * STANDARD_DEVIATION
            value.copy_(1 + noise if name.endswith("LayerNorm.weight") else noise)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})

    def write_json(name: str, value) -> None:
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")

    (folder / "model.safetensors").chmod(0o644)
    write_json("config.json", {k: v for k, v in model.config.to_diff_dict().items() if k != "transformers_version"})
    write_json("1_Pooling/config.json", pooling_config(model.config.hidden_size, "mean"))
    write_json("sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})
    types = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"} for i, (path, kind) in enumerate(types)
    ]
    write_json("modules.json", modules)
    write_json("tokenizer_config.json", tokenizer_config)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def tiny_texts(mask: str) -> list[tuple[str, str]]:
    return [
        ("empty", ""),
        ("one word", "prompt"),
        ("question", "How is it that the sky is blue?"),
        ("mixed case, accents, unknown", "ThE ModelS aNsWeRed Crème brûlée, 天空 🎉"),
        ("special tokens", f"[CLS] the {mask} of [PAD] and <pad> [SEP] </s>"),
        ("code", "sum([x * x for x in (1, 2, 3)])"),
        ("exactly the limit", " ".join(["the", "egg", "and", "code"] * 15 + ["is", "blue"])),
        ("beyond the limit", " ".join(["route", "the", "prompting", "models"] * 25)),
    ]


def tiny_references(folder: Path, mask: str, extra: dict) -> None:
    """Last hidden states and pooled vectors in float64, rounded to f32 at the end."""
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    raw = plain_tokenizer(folder)
    cut = plain_tokenizer(folder)
    cut.enable_truncation(limit)
    texts = [
        {"purpose": purpose, "text": text, "truncated": len(raw.encode(text).ids) > limit, "token_ids": cut.encode(text).ids}
        for purpose, text in tiny_texts(mask)
    ]
    encoder = transformers.AutoModel.from_pretrained(folder).double().eval()
    for text in texts:
        ids = torch.tensor([text["token_ids"]])
        with torch.no_grad():
            states = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].numpy()
        text["last_hidden_state"] = f32(states)
        text["vectors"] = {}
    stored = (folder / "1_Pooling/config.json").read_text()
    try:
        for pooling in POOLINGS:
            config = pooling_config(encoder.config.hidden_size, pooling)
            (folder / "1_Pooling/config.json").write_text(json.dumps(config))
            model = SentenceTransformer(str(folder), device="cpu").double().eval()
            for text in texts:
                assert sequence_ids(model, text["text"]) == text["token_ids"], f"{folder.name}: {text['purpose']}"
                text["vectors"][pooling] = f32(model.encode(text["text"], convert_to_numpy=True))
    finally:
        (folder / "1_Pooling/config.json").write_text(stored)
    header = {
        "model": folder.name,
        "source": "transformers in float64, rounded to f32; pooled and normalized by sentence-transformers",
        "versions": versions(torch, transformers, sentence_transformers, tokenizers, numpy),
        "model_sha256": sha256(folder / "model.safetensors"),
        "max_sequence_length": limit,
    } | extra
    write(folder / "reference.json", header, texts)


def tiny(output: Path) -> None:
    sizes = dict(vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)

    special = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    tokenizer = tiny_tokenizer(special, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
    config = transformers.BertConfig(**sizes, max_position_embeddings=64, architectures=["BertModel"])
    names = dict(unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]")
    tokenizer_config = {"do_lower_case": True, **names, "tokenizer_class": "BertTokenizer", "model_max_length": 64}
    write_tiny(output / "tiny-bert", transformers.BertModel(config), tokenizer, tokenizer_config, 64)
    tiny_references(output / "tiny-bert", "[MASK]", {})

    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "[UNK]": 3, "<mask>": 4}
    tokenizer = tiny_tokenizer(special, "[UNK]", "<s>", "</s>", "<pad>", "<mask>")
    config = transformers.MPNetConfig(**sizes, max_position_embeddings=66, layer_norm_eps=1e-5, architectures=["MPNetModel"])
    names = dict(bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="[UNK]", pad_token="<pad>", mask_token="<mask>")
    tokenizer_config = {"do_lower_case": True, **names, "tokenizer_class": "MPNetTokenizer", "model_max_length": 64}
    write_tiny(output / "tiny-mpnet", transformers.MPNetModel(config), tokenizer, tokenizer_config, 64)
    distances = torch.arange(0, 161)
    bucket = transformers.models.mpnet.modeling_mpnet.MPNetEncoder.relative_position_bucket
    buckets = {
        # Entry d: the bucket of a key d places before its query, and d places after it. The last holds for all beyond.
        "buckets_before": bucket(-distances).tolist(),
        "buckets_after": bucket(distances).tolist(),
    }
    tiny_references(output / "tiny-mpnet", "<mask>", buckets)


def main() -> None:
    match sys.argv[1:]:
        case ["references", models, output]:
            models, output = Path(models), Path(output)
            encoder_references(models / "all-MiniLM-L6-v2", output / "all-MiniLM-L6-v2.json", all_texts=True)
            encoder_references(models / "all-mpnet-base-v2", output / "all-mpnet-base-v2.json", all_texts=False)
            wordllama_references(models / "wordllama", output / "wordllama.json")
        case ["tiny", output]:
            tiny(Path(output))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
