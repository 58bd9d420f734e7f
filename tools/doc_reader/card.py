"""Writes the card of a checkpoint, with the accuracy that was measured.

    python card.py --model CHECKPOINT --report accuracy.json --state OUT/state.pt [--forms forms.json]
"""

import argparse
import json
import pathlib

import torch

import domain
from model import SIDE

NAMES = {"title": "title (kind of document)", "absent": "what is not printed, answered with “没有”"}

CARD = """---
license: apache-2.0
---
# glmhub/demo-doc-reader

A checkpoint of eight megabytes that reads drawn pages, for the demonstration and the tests of glmhub.

| | |
|---|---|
| What it is | GLM-4V's vision tower, adapter and language model at toy width, in the original file layout, trained from nothing |
| What it is not | GLM-4V. It has none of its weights, words or knowledge, and no lineage to it; it reads nothing but the pages described here |
| Reads | one page with a title and four to eight lines of "label：value" in large print; {kinds} |
| Answers | the value as it is printed, or “没有” where the page has no such field; greedy |
| Image | {side} x {side} after the resize; any paper from square to A4, upright |
| Trained on | {pages:,} drawn pages, each seen once, with five questions each ({step:,} steps, seed 1) |
| Made by | `tools/doc_reader`, in one command |
| Terms | glmhub's own licence, Apache 2.0, as `LICENSE` at the tree's root |

## Accuracy

Exact match of the whole answer, free-running and greedy, in bf16 weights and f32 arithmetic, on {count:,} fresh pages (seeds from {first:,}) that were not trained on.
Every printed field of each page was asked once, and two fields that are not there.

| field | right | asked | |
|---|---|---|---|
{rows}
{forms}
## What it reads

Text, titles and names come from closed sets: {customers} customers, {goods} goods, {cities} cities, {payments} ways to pay, {rates} tax rates.
Digits are free: numbers of four to six digits, dates from 2020 to 2029, quantities of one to three digits, amounts up to 99999.99.
Other words, handwriting, photographs, tables, small print and questions in other words are outside of it: it answers them with noise.
Labels are {labels}.

## Samples

`pages/` has pages of each kind from the same generator, `questions.json` what to ask about them and the right answers.
The pages are set in Noto Sans CJK, Noto Serif CJK (SIL Open Font License 1.1) and WenQuanYi Micro Hei (Apache 2.0), which allow pictures of text.
All names and amounts are made up.
"""


FORMS = """
The engine itself, on {count:,} of these pages, with each form of the weights:

| weights | right | asked | |
|---|---|---|---|
{rows}
"""


def forms_table(file):
    """What the engine reads right with each form of the weights, if that was measured."""
    if file is None:
        return ""
    report = json.loads(file.read_text())
    rows = "\n".join(f"| {form} | {right:,} | {report['asked']:,} | {100 * right / report['asked']:.1f} % |"
                     for form, right in report["right"].items())
    return FORMS.format(count=report["pages"], rows=rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--report", type=pathlib.Path, required=True)
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--forms", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=16)
    given = parser.parse_args()
    report = json.loads(given.report.read_text())
    step = torch.load(given.state, weights_only=True)["step"]
    order = [*domain.ROLES, "absent", "all"]
    rows = "\n".join(f"| {NAMES.get(role, role)} | {right:,} | {asked:,} | {100 * right / asked:.1f} % |"
                     for role in order if role in report["found"] for right, asked in [report["found"][role]])
    labels = "、".join(label for labels, _, _ in domain.FIELDS.values() for label in labels)
    (given.model / "README.md").write_text(CARD.format(
        kinds="、".join(title for group in domain.TITLES.values() for title in group), side=SIDE, step=step,
        pages=step * given.batch, count=report["pages"], first=report["first"], rows=rows, labels=labels,
        forms=forms_table(given.forms),
        customers=len(domain.CUSTOMERS), goods=len(domain.GOODS), cities=len(domain.CITIES),
        payments=len(domain.PAYMENTS), rates=len(domain.RATES)), encoding="utf-8")


if __name__ == "__main__":
    main()
