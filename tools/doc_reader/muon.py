"""Muon for the matrices inside the blocks, AdamW for everything else.

Muon makes each step of a matrix orthogonal (five Newton-Schulz rounds), which learns in fewer steps.
"""

import torch


def orthogonal(g):
    """Singular values near 1, for a stack [n, rows, columns]."""
    x = g.bfloat16()
    flip = x.shape[-2] > x.shape[-1]
    x = x.mT if flip else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if flip else x).float()


class Muon:
    def __init__(self, model, extra):
        self.inside, others = [], []
        for name, parameter in model.named_parameters():
            matrix = parameter.dim() == 2 and not any(
                part in name for part in ("words", "output", "positions", "tower.patch"))
            if matrix:
                self.inside.append((name, parameter))
            else:
                others.append(parameter)
        self.momentum = {name: torch.zeros_like(p) for name, p in self.inside}
        others += list(extra.parameters())
        self.adam = torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.01, fused=True)
        self.all = [p for _, p in self.inside] + others

    def parts(self, name, tensor):
        """Fused matrices are made orthogonal in their parts."""
        return tensor.split(256) if name.endswith(("qkv", "gate_up")) else [tensor]

    @torch.no_grad()
    def step(self, muon_rate, adam_rate):
        torch.nn.utils.clip_grad_norm_([p for p in self.all if p.grad is not None], 2.0)
        shapes = {}
        for name, parameter in self.inside:
            if parameter.grad is None:
                continue
            kept = self.momentum[name].lerp_(parameter.grad, 0.05)
            nudge = parameter.grad.lerp(kept, 0.95)
            parameter.mul_(1 - muon_rate * 0.02)
            for piece, part in zip(self.parts(name, parameter), self.parts(name, nudge)):
                shapes.setdefault(tuple(part.shape), []).append((piece, part))
        for shape, pairs in shapes.items():
            made = orthogonal(torch.stack([part for _, part in pairs]))
            for (piece, _), one in zip(pairs, made):
                piece.add_(one, alpha=-muon_rate * max(1, shape[0] / shape[1]) ** 0.5)
        for group in self.adam.param_groups:
            group["lr"] = adam_rate
        self.adam.step()
        for parameter in self.all:
            parameter.grad = None

    def state_dict(self):
        return {"momentum": self.momentum, "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        for name, kept in state["momentum"].items():
            self.momentum[name].copy_(kept)
        self.adam.load_state_dict(state["adam"])
