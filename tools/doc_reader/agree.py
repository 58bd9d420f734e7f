"""Asks the engine and PyTorch the same questions of a checkpoint; every greedy answer must be equal.

    python agree.py --model CHECKPOINT --glmhub target/debug/glmhub [--pages 12]
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
from PIL import Image

import domain
import export
import pages
from evaluate import answers
from model import SIDE
from tokenizer import Tokenizer

FIRST = 980_000_000


def engine_answer(binary, model, image, question):
    done = subprocess.run([binary, "ask", "--model", model, "--image", image, "--question", question, "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["text"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, help="what the engine loads, if not the checkpoint itself")
    parser.add_argument("--glmhub", type=pathlib.Path, required=True)
    parser.add_argument("--pages", type=int, default=12)
    given = parser.parse_args()
    torch.set_num_threads(1)
    images, asked, truths, equal, right = [], [], [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.pages):
            chance = random.Random(FIRST + number)
            page = pages.draw_page(chance)
            Image.fromarray(page.pixels, "L").convert("RGB").save(f"{folder}/{number}.png")
            images.append(torch.from_numpy(pages.shrink(page.pixels, SIDE).copy()))
            for role in ["title", *domain.FIELDS]:
                asked.append((number, domain.question_for(role, chance)))
                truths.append(page.values.get(role, domain.ABSENT))
        ours = answers(export.read(given.model), Tokenizer(), torch.stack(images), asked)
        for (number, question), own, truth in zip(asked, ours, truths):
            theirs = engine_answer(given.glmhub, given.weights or given.model, f"{folder}/{number}.png", question)
            equal += own == theirs
            right += theirs == truth
            if own != theirs:
                print(f"page {number}, {question}: PyTorch {own!r}, engine {theirs!r}, printed {truth!r}")
    print(f"{equal} of {len(asked)} answers are equal; the engine has {right} right")
    sys.exit(equal != len(asked) and given.weights is None)


if __name__ == "__main__":
    main()
