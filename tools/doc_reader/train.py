"""Trains the reader. One command, seeded, resumable; writes a learning curve beside its state.

    python train.py --out FOLDER [--steps 1600]

The tower learns first, with losses that are dropped at export (which character, which field, which place);
then the language model joins. Everything follows the step, so a busy machine changes nothing but the wait.
"""

import argparse
import json
import os
import pathlib
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

import batches
import domain
from evaluate import measure
from model import VISION, Reader
from muon import Muon
from tokenizer import PADDED, Tokenizer

TRAIN_SEEDS, CURVE_SEEDS = 1_000_000, 500_000_000


class Stream(IterableDataset):
    """Batches of pages that never repeat, from a first seed on."""

    def __init__(self, first, size, asked):
        self.first, self.size, self.asked = first, size, asked

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        at, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        tokenizer = Tokenizer()
        while True:
            made = batches.batch(tokenizer, self.first + at * self.size, self.size, self.asked)
            yield {name: torch.from_numpy(array) for name, array in made.items()}
            at += step


class Extra(nn.Module):
    """Heads for the losses that only help to learn; nothing of them is exported."""

    def __init__(self, width):
        super().__init__()
        classes = len(batches.CHARACTERS) + 1
        self.sizes = [classes, classes, len(domain.ROLES) + 1, batches.INDEXES + 1]
        self.patch = nn.Linear(width, classes)
        self.cell = nn.Linear(width, sum(self.sizes))

    def forward(self, seen, rows, data, report):
        weight = torch.ones(self.sizes[0])
        weight[0] = 0.3
        scores = self.patch(seen).float().flatten(0, 1)
        truth = data["patch"].flatten()
        loss = F.cross_entropy(scores, truth, weight)
        if report is not None:
            report["patch"] = accuracy(scores, truth)
        rows = rows * torch.rsqrt(rows.float().square().mean(-1, keepdim=True) + 1e-6).to(rows.dtype)
        parts = self.cell(rows).float().flatten(0, 1).split(self.sizes, -1)
        for name, scores, truth in zip(("first", "second", "role", "place"), parts, data["cell"].unbind(1)):
            truth = truth.flatten()
            some = torch.ones(scores.shape[-1])
            some[0] = 0.3
            loss = loss + F.cross_entropy(scores, truth, some)
            if report is not None:
                report[name] = accuracy(scores, truth)
        return loss


def accuracy(scores, truth):
    """Share that is right among what is not nothing."""
    shown = truth > 0
    return (scores.argmax(-1)[shown] == truth[shown]).float().mean().item()


def answer_loss(model, rows, data, report):
    x = model.embed(data["ids"], batches.IMAGE_AT, rows)
    group = data["group"]
    length = group.shape[1]
    seen = (group[:, None, :] == 0) | (group[:, None, :] == group[:, :, None])
    hidden = ~(seen & torch.ones(length, length, dtype=torch.bool).tril())
    x, looks, _ = model.decode(x, data["places"], hidden[:, None])
    at = data["targets"] >= 0
    scores = F.linear(x[at], model.output).float()
    truth = data["targets"][at]
    loss = F.cross_entropy(scores, truth)
    # The last two layers are led to the cell of the next character.
    which, row = (data["looks"] >= 0).nonzero(as_tuple=True)
    column = batches.IMAGE_AT + 1 + data["looks"][which, row]
    mass = torch.stack([look.mean(1)[which, row, column] for look in looks[1:]]).mean(0)
    led = -(mass + 1e-4).log().mean()
    if report is not None:
        report["answer"] = loss.item()
        report["token"] = (scores.argmax(-1) == truth).float().mean().item()
        report["look"] = mass.mean().item()
    return loss, led


class Learner:
    """What learns and how far it is: the model, its extra heads, the averaged model, the optimiser."""

    def __init__(self, given):
        torch.manual_seed(given.seed)
        self.given, self.tokenizer = given, Tokenizer()
        self.model, self.averaged, self.extra = Reader(PADDED), Reader(PADDED), Extra(VISION["width"])
        self.optimizer = Muon(self.model, self.extra)
        self.step, self.file = 0, given.out / "state.pt"
        if self.file.exists():
            self.load()
        else:
            first = batches.batch(self.tokenizer, TRAIN_SEEDS, 64, given.asked)
            self.model.tower.whiten(torch.from_numpy(first["images"]))
            self.averaged.load_state_dict(self.model.state_dict())

    def load(self):
        state = torch.load(self.file, weights_only=True)
        for name in ("model", "averaged", "extra", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]

    def save(self):
        state = {name: getattr(self, name).state_dict() for name in ("model", "averaged", "extra", "optimizer")}
        new = self.file.with_suffix(".new")
        torch.save({**state, "step": self.step}, new)
        os.replace(new, self.file)

    def share(self):
        return self.step / self.given.steps

    def rate(self):
        """Warm-up, a plateau, and a straight way down over the last 45 % of the steps."""
        return min(1.0, (self.step + 1) / 100) * min(1.0, max(0.02, (1 - self.share()) / 0.45))

    def learn(self, data, report):
        """One step; `report`, if there is one, is filled with accuracies and losses."""
        joined = self.share() >= self.given.alone
        with torch.autocast("cpu", torch.bfloat16):
            seen, rows = self.model.tower(data["images"])
            weight = max(0.3, 1 - 2 * self.share()) if joined else 1.0
            loss = self.extra(seen, rows, data, report) * weight
            if joined:
                told, led = answer_loss(self.model, rows, data, report)
                loss = loss + 2 * told + 0.3 * led
        loss.backward()
        rate = self.rate()
        self.optimizer.step(self.given.muon * rate, self.given.adam * rate)
        self.step += 1
        kept = min(0.998, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.model.parameters()), 1 - kept)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--alone", type=float, default=0.1, help="share of the steps for the tower alone")
    parser.add_argument("--batch", type=int, default=16, help="pages of a step")
    parser.add_argument("--asked", type=int, default=5, help="questions about a page")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--muon", type=float, default=0.015, help="greatest learning rate of the inner matrices")
    parser.add_argument("--adam", type=float, default=2e-3, help="greatest learning rate of the rest")
    parser.add_argument("--curve-pages", type=int, default=20, help="pages for each point of the learning curve")
    return parser.parse_args()


def train(learner, stream, curve):
    given = learner.given

    def note(facts):
        line = json.dumps({"step": learner.step, "pages": learner.step * given.batch, **facts})
        print(time.strftime("%H:%M:%S"), line, flush=True)
        curve.write(line + "\n")
        curve.flush()

    while learner.step < given.steps:
        report = {} if learner.step % 25 == 0 else None
        learner.learn(next(stream), report)
        if report is not None:
            note({name: round(value, 4) for name, value in report.items()})
        if learner.step % 25 == 0 or learner.step == given.steps:
            learner.save()
        if learner.share() >= given.alone and learner.step % 200 == 0 or learner.step == given.steps:
            note({"exact": measure(learner.averaged, learner.tokenizer, CURVE_SEEDS, given.curve_pages)})


def main():
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(given.threads)
    learner = Learner(given)
    # Pages never repeat: a run goes on with the seeds that follow those it has seen.
    first = TRAIN_SEEDS + (given.seed * 100_000 + learner.step) * given.batch
    loader = DataLoader(Stream(first, given.batch, given.asked), batch_size=None, num_workers=1, prefetch_factor=8)
    with open(given.out / "curve.jsonl", "a", encoding="utf-8") as curve:
        train(learner, iter(loader), curve)


if __name__ == "__main__":
    main()
