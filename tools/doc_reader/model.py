"""GLM-4V's architecture at toy width, in PyTorch, with parameters under their names in a checkpoint.

It differs from the real one in nothing but sizes. While it learns, pages are grey, so the patch convolution
is kept for one channel; `export.py` spreads it over three.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

GRID, PATCH = 22, 14
SIDE = GRID * PATCH
CELLS = GRID // 2
VISION = dict(width=256, layers=3, heads=8, inner=512, eps=1e-6, scaling=8)
TEXT = dict(width=256, layers=3, heads=4, groups=2, head=64, inner=256, adapter=256, eps=1.5625e-7)
POSITION_WIDTH = 32


def normal(*shape, std):
    return nn.Parameter(torch.randn(*shape) * std)


def zeros(*shape):
    return nn.Parameter(torch.zeros(*shape))


def ones(*shape):
    return nn.Parameter(torch.ones(*shape))


class Attention(torch.autograd.Function):
    """Full attention, image by image: on a processor with AMX four times as fast as PyTorch's fused one,
    because a page's scores stay in the cache. q is scaled already; all are [B, heads, rows, d]."""

    @staticmethod
    def forward(ctx, q, k, v):
        out, kept = torch.empty_like(q), []
        for i in range(q.shape[0]):
            weights = torch.softmax(q[i] @ k[i].transpose(-1, -2), -1)
            out[i] = weights @ v[i]
            kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        return out

    @staticmethod
    def backward(ctx, grad):
        q, k, v, *kept = ctx.saved_tensors
        to_q, to_k, to_v = torch.empty_like(q), torch.empty_like(q), torch.empty_like(q)
        for i, weights in enumerate(kept):
            to_v[i] = weights.transpose(-1, -2) @ grad[i]
            scores = torch._softmax_backward_data(grad[i] @ v[i].transpose(-1, -2), weights, -1, weights.dtype)
            to_q[i] = scores @ k[i]
            to_k[i] = scores.transpose(-1, -2) @ q[i]
        return to_q, to_k, to_v


class VisionBlock(nn.Module):
    """Post-norm on the branch: x + LN(attention(x)), then x + LN(mlp(x))."""

    def __init__(self):
        super().__init__()
        width, inner = VISION["width"], VISION["inner"]
        self.qkv, self.qkv_bias = normal(3 * width, width, std=width**-0.5), zeros(3 * width)
        self.dense, self.dense_bias = normal(width, width, std=width**-0.5), zeros(width)
        self.fc1, self.fc1_bias = normal(inner, width, std=width**-0.5), zeros(inner)
        self.fc2, self.fc2_bias = normal(width, inner, std=inner**-0.5), zeros(width)
        self.norm1, self.norm1_bias = ones(width), zeros(width)
        self.norm2, self.norm2_bias = ones(width), zeros(width)
        with torch.no_grad():
            self.norm1[:POSITION_WIDTH] = self.norm2[:POSITION_WIDTH] = 0

    def forward(self, x):
        count, rows, width = x.shape
        heads = VISION["heads"]
        qkv = F.linear(x, self.qkv, self.qkv_bias).view(count, rows, 3, heads, width // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).contiguous()
        a = Attention.apply(q * (width // heads)**-0.5, k, v).transpose(1, 2).reshape(count, rows, width)
        a = F.linear(a, self.dense, self.dense_bias)
        x = x + F.layer_norm(a, (width,), self.norm1, self.norm1_bias, VISION["eps"])
        m = F.linear(F.gelu(F.linear(x, self.fc1, self.fc1_bias)), self.fc2, self.fc2_bias)
        return x + F.layer_norm(m, (width,), self.norm2, self.norm2_bias, VISION["eps"])


# Where each head of a block looks at first: an offset in patches, or "row" for the whole row.
# The tower begins as a small convolutional network; whatever it wants instead, it learns.
LOOKS = [
    [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)],
    [(-1, 0), (1, 0), (-2, 0), (2, 0), (0, -1), (0, 1), (-3, 0), "row"],
    ["row", "row", "row", "row", (-1, 0), (1, 0), (0, -1), (0, 1)],
]


def frequencies():
    count = POSITION_WIDTH // 4
    return (torch.arange(count) + 0.5) * (0.9 * math.pi / count)


def positions():
    """Sines and cosines of x, then of y, in the first columns of the position table."""
    table = torch.zeros(GRID * GRID + 1, VISION["width"])
    y, x = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    for start, at in ((0, x), (POSITION_WIDTH // 2, y)):
        angle = at.reshape(-1, 1) * frequencies()
        table[1:, start:start + POSITION_WIDTH // 2:2] = angle.cos()
        table[1:, start + 1:start + POSITION_WIDTH // 2:2] = angle.sin()
    return table


def look(block, head, where):
    """Sets the queries and keys of a head so that it begins by looking at `where`."""
    size, width = VISION["width"] // VISION["heads"], VISION["width"]
    half, gain = POSITION_WIDTH // 2, 2.2
    q, k = block.qkv[head * size:(head + 1) * size], block.qkv[width + head * size:width + (head + 1) * size]
    for axis in (0, 1):
        start = axis * half
        if where == "row" and axis == 0:
            q[:half] *= 0.5
            k[:half] *= 0.5
            continue
        offset = 0 if where == "row" else where[axis]
        rows = slice(start, start + half)
        q[rows], k[rows] = 0, 0
        for i, frequency in enumerate(frequencies()):
            c, s, at = math.cos(frequency * offset), math.sin(frequency * offset), start + 2 * i
            q[at, at], q[at, at + 1] = gain * c, -gain * s
            q[at + 1, at], q[at + 1, at + 1] = gain * s, gain * c
            k[at, at] = k[at + 1, at + 1] = gain


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        width, hidden = VISION["width"], TEXT["width"]
        self.patch, self.patch_bias = normal(width, PATCH * PATCH, std=0.05), zeros(width)
        self.cls, self.positions = zeros(width), nn.Parameter(positions())
        self.blocks = nn.ModuleList(VisionBlock() for _ in range(VISION["layers"]))
        self.conv, self.conv_bias = normal(hidden, 4 * width, std=(4 * width)**-0.5), zeros(hidden)
        self.proj = normal(hidden, hidden, std=hidden**-0.5)
        self.norm, self.norm_bias = ones(hidden), zeros(hidden)
        self.gate = normal(TEXT["adapter"], hidden, std=hidden**-0.5)
        self.up = normal(TEXT["adapter"], hidden, std=hidden**-0.5)
        self.down = normal(hidden, TEXT["adapter"], std=4 * TEXT["adapter"]**-0.5)
        self.boi, self.eoi = normal(hidden, std=1.0), normal(hidden, std=1.0)
        with torch.no_grad():
            for block, looks in zip(self.blocks, LOOKS):
                for head, where in enumerate(looks):
                    look(block, head, where)

    def patches(self, grey):
        """[B, SIDE, SIDE] of bytes to [B, GRID * GRID, PATCH * PATCH]."""
        count = grey.shape[0]
        x = grey.view(count, GRID, PATCH, GRID, PATCH).transpose(2, 3).reshape(count, GRID * GRID, -1)
        return (x.float() / 255 - 0.5) * 4

    def whiten(self, grey):
        """Starts the convolution with the principal components of real patches, at equal strength."""
        x = self.patches(grey).reshape(-1, PATCH * PATCH)
        mean = x.mean(0)
        values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
        kept = VISION["width"] - POSITION_WIDTH
        floor = values[-1] * 3e-3
        best = (vectors / (values + floor).sqrt()).T.flip(0)[:kept]
        with torch.no_grad():
            self.patch.zero_()
            self.patch[POSITION_WIDTH:POSITION_WIDTH + len(best)] = best
            rest = kept - len(best)
            if rest > 0:
                mix = torch.randn(rest, 64) / 8
                self.patch[POSITION_WIDTH + len(best):] = mix @ best[:64]
            self.patch_bias.copy_(-self.patch @ mean)

    def forward(self, grey):
        """Gives the last block's patches [B, P, D] and the adapter's rows [B, N, H] before the division."""
        count = grey.shape[0]
        x = F.linear(self.patches(grey).to(torch.bfloat16 if torch.is_autocast_cpu_enabled() else torch.float32),
                     self.patch, self.patch_bias)
        x = torch.cat([self.cls.expand(count, 1, -1).to(x.dtype), x], 1) + self.positions.to(x.dtype)
        for block in self.blocks:
            x = block(x)
        seen = x[:, 1:]
        width = seen.shape[-1]
        cells = seen.reshape(count, CELLS, 2, CELLS, 2, width).transpose(2, 3).reshape(count, CELLS * CELLS, 4 * width)
        h = F.linear(F.linear(cells, self.conv, self.conv_bias), self.proj)
        h = F.gelu(F.layer_norm(h, (h.shape[-1],), self.norm, self.norm_bias, 1e-5))
        return seen, F.linear(F.silu(F.linear(h, self.gate)) * F.linear(h, self.up), self.down)


def rms(x, weight=None):
    x32 = x.float()
    x32 = x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + TEXT["eps"])
    return (x32 if weight is None else x32 * weight).to(x.dtype)


def turn(x, angle):
    """RoPE on the first half of each head, in interleaved pairs. x [B, h, T, d], angle [B, 1, T, d/4]."""
    half = x.shape[-1] // 2
    a, b = x[..., 0:half:2], x[..., 1:half:2]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    turned = torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    return torch.cat([turned, x[..., half:]], -1)


class TextBlock(nn.Module):
    def __init__(self):
        super().__init__()
        width, inner = TEXT["width"], TEXT["inner"]
        rows = (TEXT["heads"] + 2 * TEXT["groups"]) * TEXT["head"]
        self.norm1, self.norm2 = ones(width), ones(width)
        self.qkv, self.qkv_bias = normal(rows, width, std=width**-0.5), zeros(rows)
        self.dense = normal(width, TEXT["heads"] * TEXT["head"], std=0.4 * width**-0.5)
        self.gate_up = normal(2 * inner, width, std=width**-0.5)
        self.down = normal(width, inner, std=0.4 * inner**-0.5)

    def forward(self, x, angle, hidden, past=None):
        """Gives x, where it looked, and the keys and values that later rows need."""
        count, rows, _ = x.shape
        heads, groups, head = TEXT["heads"], TEXT["groups"], TEXT["head"]
        qkv = F.linear(rms(x, self.norm1), self.qkv, self.qkv_bias).view(count, rows, -1, head).transpose(1, 2)
        q, k, v = qkv.split([heads, groups, groups], 1)
        q, k = turn(q, angle), turn(k, angle)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        kept = k, v
        k, v = (part.repeat_interleave(heads // groups, 1) for part in (k, v))
        scores = (q @ k.transpose(-1, -2)).float() * head**-0.5
        weights = scores.masked_fill(hidden, -1e9).softmax(-1)
        a = (weights.to(v.dtype) @ v).transpose(1, 2).reshape(count, rows, -1)
        x = x + F.linear(a, self.dense)
        gate, up = F.linear(rms(x, self.norm2), self.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down), weights, kept


class Reader(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        width = TEXT["width"]
        self.tower = Tower()
        self.words = normal(vocabulary, width, std=0.5)
        self.blocks = nn.ModuleList(TextBlock() for _ in range(TEXT["layers"]))
        self.norm = ones(width)
        self.output = normal(vocabulary, width, std=width**-0.5)

    def embed(self, ids, image_at, features):
        """ids with image placeholders already spread; features [B, N, H] go behind `image_at`."""
        x = F.embedding(ids, self.words).to(features.dtype)
        count = features.shape[0]
        tower = self.tower
        rows = torch.cat([tower.boi.expand(count, 1, -1).to(features.dtype), features,
                          tower.eoi.expand(count, 1, -1).to(features.dtype)], 1) / VISION["scaling"]
        return torch.cat([x[:, :image_at], rows, x[:, image_at + rows.shape[1]:]], 1)

    def decode(self, x, places, hidden, past=None):
        """x [B, T, H], places [B, T], hidden [B, 1, T, all] true where a row must not look.

        Gives the last norm's rows, where each layer looked, and what to hand in as `past` next time.
        """
        head = TEXT["head"]
        powers = torch.arange(0, head // 2, 2) / (head // 2)
        angle = places[:, None, :, None] * (10000.0 ** -powers)
        looks, kept = [], []
        for number, block in enumerate(self.blocks):
            x, weights, keys = block(x, angle, hidden, None if past is None else past[number])
            looks.append(weights)
            kept.append(keys)
        return rms(x, self.norm), looks, kept
