"""Writes a trained reader as a checkpoint in GLM-4V's original layout: bf16 weights under their names there,
the configuration files, the tokenizer.

    python export.py --state FOLDER/state.pt --out CHECKPOINT
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import load_file, save_file

from model import GRID, PATCH, SIDE, TEXT, VISION, Reader
from tokenizer import PADDED, SPECIALS, Tokenizer

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])
CONTEXT = 512
WEIGHTS = "model.safetensors"


def patch_convolution(tower):
    """The grey convolution over (grey - 0.5) * 4, as one over three channels normalised as GLM-4V's are."""
    grey = tower.patch.view(-1, 1, PATCH, PATCH)
    weight = grey * (4 * STD / 3).view(1, 3, 1, 1)
    bias = tower.patch_bias + tower.patch.sum(1) * 4 * (MEAN.mean() - 0.5)
    return weight, bias


def vision_tensors(tower):
    named = {}
    weight, bias = patch_convolution(tower)
    named["patch_embedding.proj.weight"], named["patch_embedding.proj.bias"] = weight, bias
    named["patch_embedding.cls_embedding"] = tower.cls.view(1, -1)
    named["patch_embedding.position_embedding.weight"] = tower.positions
    for number, block in enumerate(tower.blocks):
        for name, kept in (("attention.query_key_value", "qkv"), ("attention.dense", "dense"), ("mlp.fc1", "fc1"),
                           ("mlp.fc2", "fc2"), ("input_layernorm", "norm1"), ("post_attention_layernorm", "norm2")):
            full = f"transformer.layers.{number}.{name}"
            named[full + ".weight"], named[full + ".bias"] = getattr(block, kept), getattr(block, kept + "_bias")
    hidden, width = TEXT["width"], VISION["width"]
    # Here a cell is [dy, dx, channel], in the checkpoint [channel, dy, dx].
    named["conv.weight"] = tower.conv.view(hidden, 2, 2, width).permute(0, 3, 1, 2)
    named["conv.bias"] = tower.conv_bias
    named["linear_proj.linear_proj.weight"] = tower.proj
    named["linear_proj.norm1.weight"], named["linear_proj.norm1.bias"] = tower.norm, tower.norm_bias
    named["linear_proj.gate_proj.weight"] = tower.gate
    named["linear_proj.dense_h_to_4h.weight"] = tower.up
    named["linear_proj.dense_4h_to_h.weight"] = tower.down
    named["boi"], named["eoi"] = tower.boi.view(1, 1, -1), tower.eoi.view(1, 1, -1)
    return {"transformer.vision." + name: tensor for name, tensor in named.items()}


def parameters(model):
    """Names in a checkpoint, with the model's own tensors in the checkpoint's shapes (views, save for the patches)."""
    named = vision_tensors(model.tower)
    named["transformer.embedding.word_embeddings.weight"] = model.words
    for number, block in enumerate(model.blocks):
        start = f"transformer.encoder.layers.{number}."
        named[start + "input_layernorm.weight"] = block.norm1
        named[start + "self_attention.query_key_value.weight"] = block.qkv
        named[start + "self_attention.query_key_value.bias"] = block.qkv_bias
        named[start + "self_attention.dense.weight"] = block.dense
        named[start + "post_attention_layernorm.weight"] = block.norm2
        named[start + "mlp.dense_h_to_4h.weight"] = block.gate_up
        named[start + "mlp.dense_4h_to_h.weight"] = block.down
    named["transformer.encoder.final_layernorm.weight"] = model.norm
    named["transformer.output_layer.weight"] = model.output
    return named


def config(tokenizer):
    special = tokenizer.special
    return {
        "_name_or_path": "glmhub/demo-doc-reader",
        "model_type": "chatglm",
        "architectures": ["ChatGLMModel"],
        "add_bias_linear": False,
        "add_qkv_bias": True,
        "apply_query_key_layer_scaling": True,
        "apply_residual_connection_post_layernorm": False,
        "attention_dropout": 0.0,
        "attention_softmax_in_fp32": True,
        "bias_dropout_fusion": True,
        "fp32_residual_connection": False,
        "hidden_dropout": 0.0,
        "layernorm_epsilon": TEXT["eps"],
        "multi_query_attention": True,
        "original_rope": True,
        "padded_vocab_size": PADDED,
        "post_layer_norm": True,
        "rmsnorm": True,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
        "eos_token_id": ends(tokenizer),
        "pad_token_id": special("<|endoftext|>"),
        "boi_token_id": special("<|begin_of_image|>"),
        "eoi_token_id": special("<|end_of_image|>"),
        "hidden_size": TEXT["width"],
        "ffn_hidden_size": TEXT["inner"],
        "num_layers": TEXT["layers"],
        "num_hidden_layers": TEXT["layers"],
        "num_attention_heads": TEXT["heads"],
        "kv_channels": TEXT["head"],
        "multi_query_group_num": TEXT["groups"],
        "seq_length": CONTEXT,
        "rope_ratio": 1,
        "vision_config": {
            "dropout_prob": 0.0,
            "hidden_act": "gelu",
            "in_channels": 3,
            "layer_norm_eps": VISION["eps"],
            "num_positions": GRID * GRID + 1,
            "scaling_factor": VISION["scaling"],
            "hidden_size": VISION["width"],
            "intermediate_size": VISION["inner"],
            "num_hidden_layers": VISION["layers"],
            "num_heads": VISION["heads"],
            "image_size": SIDE,
            "patch_size": PATCH,
        },
    }


def ends(tokenizer):
    return [tokenizer.special(name) for name in ("<|endoftext|>", "<|user|>", "<|observation|>")]


def generation(tokenizer):
    return {"eos_token_id": ends(tokenizer), "pad_token_id": tokenizer.special("<|endoftext|>"),
            "do_sample": False, "max_length": CONTEXT}


def tokenizer_config(tokenizer):
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {
        "added_tokens_decoder": {str(tokenizer.special(name)): {"content": name, **plain} for name in SPECIALS},
        "additional_special_tokens": SPECIALS,
        "clean_up_tokenization_spaces": False,
        "do_lower_case": False,
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "image_size": SIDE,
        "model_max_length": CONTEXT,
        "padding_side": "left",
        "remove_space": False,
        "tokenizer_class": "ChatGLM4Tokenizer",
    }


def read(folder):
    """The reader as a checkpoint has it, for grey pages: what PyTorch answers with is what was exported."""
    named = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    model = Reader(PADDED)
    vision = "transformer.vision."
    weight = named[vision + "patch_embedding.proj.weight"]
    tower = model.tower
    with torch.no_grad():
        spread = weight.double() / STD.double().view(1, 3, 1, 1)
        tower.patch.copy_(spread.sum(1).flatten(1) / 4)
        shift = (spread * (0.5 - MEAN.double()).view(1, 3, 1, 1)).sum((1, 2, 3))
        tower.patch_bias.copy_(named[vision + "patch_embedding.proj.bias"] + shift)
        skipped = {vision + "patch_embedding.proj.weight", vision + "patch_embedding.proj.bias"}
        for name, own in parameters(model).items():
            if name not in skipped:
                own.copy_(named[name])
    return model


def write(out, model):
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer()
    named = {name: tensor.detach().bfloat16().contiguous() for name, tensor in parameters(model).items()}
    save_file(named, out / WEIGHTS, metadata={"format": "pt"})
    total = sum(tensor.numel() * tensor.element_size() for tensor in named.values())
    files = {
        "model.safetensors.index.json": {"metadata": {"total_size": total},
                                         "weight_map": {name: WEIGHTS for name in sorted(named)}},
        "config.json": config(tokenizer),
        "generation_config.json": generation(tokenizer),
        "tokenizer_config.json": tokenizer_config(tokenizer),
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "tokenizer.model").write_text(tokenizer.file(), encoding="ascii")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    given = parser.parse_args()
    state = torch.load(given.state, weights_only=True)
    model = Reader(PADDED)
    model.load_state_dict(state["averaged"])
    print(f"{write(given.out, model):,} bytes of weights after step {state['step']}")


if __name__ == "__main__":
    main()
