"""Free-running greedy answers on pages that were never learned from, and how many are exactly right.

    python evaluate.py --model CHECKPOINT [--pages 1000] [--first 900000000] [--report FILE]
"""

import argparse
import json
import pathlib

import torch
import torch.nn.functional as F

import batches
import pages
from model import SIDE
from tokenizer import SPECIALS, Tokenizer


def read_pages(model, tokenizer, images):
    """Encodes each page once: what every question about it can look at, for each layer."""
    prefix = batches.prefix_ids(tokenizer)
    features = torch.cat([model.tower(part)[1] for part in images.split(16)])
    x = model.embed(torch.tensor([prefix] * len(images)), batches.IMAGE_AT, features)
    places = torch.tensor([batches.prefix_places()] * len(images))
    hidden = ~torch.ones(len(prefix), len(prefix), dtype=torch.bool).tril()[None, None]
    return model.decode(x, places, hidden)[2]


def write_answers(model, tokenizer, past, rows, most):
    """Greedy ids for rows of one length; `past` are the keys and values of each row's page."""
    ids, place = torch.tensor(rows), batches.IMAGE_AT + 3
    known, end = len(tokenizer.tokens) + len(SPECIALS), tokenizer.special("<|user|>")
    written, going = [[] for _ in rows], torch.ones(len(rows), dtype=torch.bool)
    for _ in range(most):
        length, before = ids.shape[1], past[0][0].shape[2]
        hidden = torch.ones(length, before + length, dtype=torch.bool).triu(before + 1)[None, None]
        places = torch.arange(place, place + length).expand(len(rows), -1)
        x, _, past = model.decode(F.embedding(ids, model.words), places, hidden, past)
        following = F.linear(x[:, -1], model.output)[:, :known].argmax(-1)
        going &= following != end
        if not going.any():
            break
        for row in going.nonzero().flatten().tolist():
            written[row].append(following[row].item())
        ids, place = following[:, None], place + length
    return written


@torch.no_grad()
def answers(model, tokenizer, images, asked, most=16):
    """Greedy answers in f32, each fed back as it is written. `asked` is a list of (image, question)."""
    past = read_pages(model, tokenizer, images)
    rows = [[*tokenizer.encode(question), tokenizer.special("<|assistant|>")] for _, question in asked]
    found = [""] * len(rows)
    # Rows that are as long as each other are answered together, so nothing is padded.
    for length in sorted({len(row) for row in rows}):
        chosen = [i for i, row in enumerate(rows) if len(row) == length]
        for start in range(0, len(chosen), 64):
            some = chosen[start:start + 64]
            pages_of = torch.tensor([asked[i][0] for i in some])
            own = [(keys[pages_of], values[pages_of]) for keys, values in past]
            for i, ids in zip(some, write_answers(model, tokenizer, own, [rows[i] for i in some], most)):
                found[i] = tokenizer.decode(ids).removeprefix("\n")
    return found


def measure(model, tokenizer, first_seed, count):
    """Exact matches by role: [right, asked], every printed field and two absent ones of each page."""
    images, asked, truths = [], [], []
    for seed in range(first_seed, first_seed + count):
        page, questions = pages.examine(seed)
        images.append(torch.from_numpy(pages.shrink(page.pixels, SIDE).copy()))
        for role, question, truth in questions:
            asked.append((len(images) - 1, question))
            truths.append((role, truth))
    given = answers(model, tokenizer, torch.stack(images), asked)
    found = {}
    for (role, truth), answer in zip(truths, given):
        counts = found.setdefault(role, [0, 0])
        counts[0] += answer == truth
        counts[1] += 1
    found["all"] = [sum(counts[0] for counts in found.values()), len(truths)]
    return found


def main():
    import export

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--first", type=int, default=900_000_000, help="seed of the first page")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=pathlib.Path, help="where the counts are written as JSON")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model, tokenizer, found = export.read(given.model), Tokenizer(), {}
    for first in range(given.first, given.first + given.pages, 50):
        for role, (right, asked) in measure(model, tokenizer, first, min(50, given.first + given.pages - first)).items():
            counts = found.setdefault(role, [0, 0])
            counts[0] += right
            counts[1] += asked
        print(first + 50 - given.first, found["all"], flush=True)
    for role, (right, asked) in found.items():
        print(f"{role:10} {right:6} of {asked:6}  {100 * right / asked:6.2f} %")
    if given.report:
        given.report.write_text(json.dumps({"pages": given.pages, "first": given.first, "found": found}) + "\n")


if __name__ == "__main__":
    main()
