"""Reads files of the engine with the package gguf, and compares them with what the engine says that they hold."""

import json
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

seen = set()
for given in json.load(sys.stdin):
    reader = GGUFReader(given["file"])
    text = {key: reader.fields[key].contents() for key in given["texts"]}
    assert text == given["texts"], (given["file"], text)
    assert reader.fields["GGUF.version"].contents() == 3
    assert reader.fields["glmhub.sources"].contents() == given["sources"]
    assert reader.fields[f"{text['general.architecture']}.block_count"].contents() == given["layers"]
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert sorted(tensors) == [told["name"] for told in given["tensors"]], given["file"]
    exact, at = np.fromfile(given["values"], "<f4"), 0
    for told in given["tensors"]:
        tensor, name = tensors[told["name"]], (given["file"], told["name"])
        assert tensor.tensor_type.name.lower() == told["type"], name
        # The package has dimensions innermost first.
        assert tensor.shape.tolist() == told["shape"][::-1], name
        values = dequantize(tensor.data, tensor.tensor_type).reshape(-1)
        # The same to the last bit, but that a zero of the package's may have a sign.
        assert np.array_equal(values, exact[at : at + values.size]), name
        at += values.size
        seen.add(told["type"])
    assert at == exact.size, given["file"]
print(*sorted(seen))
