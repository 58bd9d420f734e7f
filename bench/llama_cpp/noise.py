"""Writes a file for llama.cpp in the shape of GLM-4V 9B's language model, its weights noise: noise.py FILE LAYERS.

The architecture is chatglm, which llama.cpp's converter gives GLM-4 9B, and the types are those of its Q4_K_M: rows of
13,696 are no whole number of blocks of 256, so that Q5_0 and Q8_0 stand in there.
"""

import sys

import gguf
import numpy
from gguf import GGMLQuantizationType as Type

HIDDEN, INNER, HEADS, KEY_HEADS, WIDTH, VOCABULARY = 4096, 13696, 32, 2, 128, 151552
QKV = (HEADS + 2 * KEY_HEADS) * WIDTH
# Bytes of a block, where its scale is, and what the numbers that it multiplies deviate by.
BLOCKS = {
    Type.Q4_K: (256, 144, 0, 32 * 4.6),
    Type.Q5_K: (256, 176, 0, 32 * 9.2),
    Type.Q6_K: (256, 210, 208, 32 * 18.5),
    Type.Q5_0: (32, 22, 0, 9.2),
    Type.Q8_0: (32, 34, 0, 74.0),
}
# All groups of a block count 32 of 63.
GROUPS = bytes([32 | 2 << 6] * 8 + [0] * 4)


def blocks(noise, kind, rows, width):
    values, size, scale_at, deviation = BLOCKS[kind]
    count = rows * width // values
    data = noise.integers(0, 256, (count, size), dtype=numpy.uint8)
    scale = 1 / width**0.5 / deviation

    def put(at, value):
        data[:, at : at + 2] = numpy.frombuffer(numpy.float16(value).tobytes(), dtype=numpy.uint8)

    put(scale_at, scale)
    if kind in (Type.Q4_K, Type.Q5_K):
        put(2, scale * (7.5 if kind == Type.Q4_K else 15.5))
        data[:, 4:16] = numpy.frombuffer(GROUPS, dtype=numpy.uint8)
    if kind == Type.Q6_K:
        data[:, 192:208] = 32
    return data.reshape(rows, -1)


def more_bits(layer, layers):
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def main():
    path, layers = sys.argv[1], int(sys.argv[2])
    noise = numpy.random.default_rng(0)
    file = gguf.GGUFWriter(path, "chatglm")
    file.add_block_count(layers)
    file.add_context_length(8192)
    file.add_embedding_length(HIDDEN)
    file.add_feed_forward_length(INNER)
    file.add_head_count(HEADS)
    file.add_head_count_kv(KEY_HEADS)
    file.add_layer_norm_rms_eps(1.5625e-07)
    file.add_rope_dimension_count(WIDTH // 2)
    file.add_rope_freq_base(10000.0)
    file.add_vocab_size(VOCABULARY)
    file.add_tokenizer_model("none")

    def matrix(name, kind, rows, width):
        file.add_tensor(name, blocks(noise, kind, rows, width), raw_dtype=kind)

    def ones(name, width):
        file.add_tensor(name, numpy.ones(width, dtype=numpy.float32))

    matrix("token_embd.weight", Type.Q4_K, VOCABULARY, HIDDEN)
    matrix("output.weight", Type.Q6_K, VOCABULARY, HIDDEN)
    ones("output_norm.weight", HIDDEN)
    for layer in range(layers):
        at = f"blk.{layer}"
        ones(f"{at}.attn_norm.weight", HIDDEN)
        ones(f"{at}.ffn_norm.weight", HIDDEN)
        matrix(f"{at}.attn_qkv.weight", Type.Q5_K, QKV, HIDDEN)
        file.add_tensor(f"{at}.attn_qkv.bias", numpy.zeros(QKV, dtype=numpy.float32))
        matrix(f"{at}.attn_output.weight", Type.Q4_K, HIDDEN, HEADS * WIDTH)
        matrix(f"{at}.ffn_up.weight", Type.Q4_K, 2 * INNER, HIDDEN)
        matrix(f"{at}.ffn_down.weight", Type.Q8_0 if more_bits(layer, layers) else Type.Q5_0, HIDDEN, INNER)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


main()
