"""Checkpoints as numpy reads them, and their values in few bits: in glmhub's files, by ggml and by the gguf package."""

import ctypes
import json
import shutil
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.constants import GGMLQuantizationType as Kind
from gguf.quants import dequantize, quantize

BLOCK = 256
KINDS = {"q4_k": Kind.Q4_K, "q5_k": Kind.Q5_K, "q6_k": Kind.Q6_K, "q8_0": Kind.Q8_0}
TEXTS = ("config.json", "generation_config.json", "tokenizer.model", "tokenizer_config.json")
WIDE = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}

# What stands in a name, and what such matrices are called here. The first that fits counts.
PARTS = (
    ("word_embeddings", "embedding"),
    ("output_layer", "output"),
    ("vision.transformer.layers|query_key_value", "tower queries, keys, values"),
    ("vision.transformer.layers|attention.dense", "tower attention output"),
    ("vision.transformer.layers|mlp.fc1", "tower up"),
    ("vision.transformer.layers|mlp.fc2", "tower down"),
    ("transformer.vision", "adapter"),
    ("query_key_value", "queries, keys, values"),
    ("self_attention.dense", "attention output"),
    ("mlp.dense_h_to_4h", "gate and up"),
    ("mlp.dense_4h_to_h", "down"),
)


def part_of(name):
    return next(part for marks, part in PARTS if all(mark in name for mark in marks.split("|")))


def tensors(folder):
    """The tensors of a folder of safetensors in f32, by name."""
    found = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        if path.name == "expected.safetensors":
            continue
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        for name, about in header.items():
            first, end = about["data_offsets"]
            values = np.frombuffer(data[start + first : start + end], WIDE[about["dtype"]])
            if about["dtype"] == "BF16":
                values = (values.astype("<u4") << 16).view("<f4")
            found[name] = values.astype("<f4").reshape(about["shape"])
    return found


def write_folder(source, values, folder):
    """A copy of a checkpoint with these values in f32."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TEXTS:
        if (Path(source) / name).exists():
            shutil.copy(Path(source) / name, folder / name)
    header, at = {}, 0
    for name, tensor in values.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    header = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for tensor in values.values():
            file.write(np.ascontiguousarray(tensor).tobytes())
    return folder


def filled_up(values):
    """Rows, each filled up with zeros to whole blocks, as the engine's files have them."""
    rows = values.reshape(values.shape[0], -1)
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, -rows.shape[1] % BLOCK))))


def restored(rows, shape):
    """The values of rows that were filled up."""
    return rows[:, : int(np.prod(shape[1:]))].reshape(shape)


class Ggml:
    """What llama.cpp quantises with where no importance of values is given."""

    def __init__(self, library):
        self.call = ctypes.CDLL(str(library)).ggml_quantize_chunk
        self.call.restype = ctypes.c_size_t
        whole, place = ctypes.c_int64, ctypes.c_void_p
        self.call.argtypes = (ctypes.c_int, place, place, whole, whole, whole, place)

    def quantise(self, kind, rows):
        values, bytes_ = BLOCK, {"q4_k": 144, "q5_k": 176, "q6_k": 210, "q8_0": 8 * 34}[kind]
        out = np.zeros((rows.shape[0], rows.shape[1] // values * bytes_), np.uint8)
        written = self.call(int(KINDS[kind]), rows.ctypes.data, out.ctypes.data, 0, *rows.shape, None)
        assert written == out.nbytes, (written, out.nbytes)
        return out


class Gguf:
    """The package's own quantisation, which has no K types."""

    def quantise(self, kind, rows):
        return quantize(rows, KINDS[kind]) if kind == "q8_0" else None


def spread(kind, bytes_):
    return dequantize(bytes_, KINDS[kind])


def matrices(file):
    """A file's tensors that are kept in few bits: name, type and rows of bytes."""
    names = {kind: name for name, kind in KINDS.items()}
    for tensor in GGUFReader(file).tensors:
        if tensor.tensor_type in names:
            yield tensor.name, names[tensor.tensor_type], tensor.data


def requantised(file, exact, other, to):
    """A copy of a file of glmhub's whose matrices were quantised by another one."""
    shutil.copy(file, to)
    data = np.memmap(to, np.uint8, "r+")
    kinds = {name: kind for name, kind, _ in matrices(file)}
    for tensor in GGUFReader(file).tensors:
        if tensor.name in kinds:
            bytes_ = other.quantise(kinds[tensor.name], filled_up(exact[tensor.name])).reshape(-1)
            assert bytes_.nbytes == tensor.n_bytes
            data[tensor.data_offset : tensor.data_offset + tensor.n_bytes] = bytes_
    data.flush()
    return to
