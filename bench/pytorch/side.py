"""PyTorch's side: side.py THREADS. Answers each line with the seconds of one tower block in bf16; bench/engine asks."""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

ROWS, WIDTH, HEADS, INNER = 6401, 1792, 16, 15360


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.dense = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)

    def forward(self, x):
        heads = self.qkv(x).view(ROWS, 3, HEADS, WIDTH // HEADS).permute(1, 2, 0, 3).unsqueeze(1)
        attended = functional.scaled_dot_product_attention(*heads)
        x = x + self.attention_norm(self.dense(attended.squeeze(0).transpose(0, 1).reshape(ROWS, WIDTH)))
        return x + self.mlp_norm(self.fc2(functional.gelu(self.fc1(x))))


torch.set_num_threads(int(sys.argv[1]))
block = Block().to(torch.bfloat16)
rows = torch.randn(ROWS, WIDTH, dtype=torch.bfloat16)
with torch.inference_mode():
    for _ in sys.stdin:
        start = time.perf_counter()
        block(rows)
        print(time.perf_counter() - start, flush=True)
