"""Draws the sample pages of the checkpoint's folder, with questions and expected answers.

    python samples.py --out CHECKPOINT

The pages' seeds lie apart from those of training and of every measurement.
"""

import argparse
import json
import pathlib
import random

from PIL import Image

import domain
import pages

SAMPLE_SEEDS = 990_000_000
PER_KIND = 2


def chosen():
    """The first pages of each kind, as (name, page, chance)."""
    left = {kind: PER_KIND for kind in domain.KINDS}
    seed = SAMPLE_SEEDS
    while any(left.values()):
        chance = random.Random(seed)
        page = pages.draw_page(chance)
        seed += 1
        if left[page.kind]:
            left[page.kind] -= 1
            yield f"{page.kind}-{PER_KIND - left[page.kind]}.png", page, chance


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    given = parser.parse_args()
    folder = given.out / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for name, page, chance in chosen():
        Image.fromarray(page.pixels, "L").save(folder / name, optimize=True)
        absent = [role for role in domain.FIELDS if role not in page.values]
        for role in [line.role for line in page.lines] + chance.sample(absent, 2):
            listed.append({"page": f"pages/{name}", "field": role if role in page.values else "absent",
                           "question": domain.question_for(role, chance),
                           "answer": page.values.get(role, domain.ABSENT)})
    lines = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in listed)
    (given.out / "questions.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(listed)} questions about {len(list(folder.glob('*.png')))} pages")


if __name__ == "__main__":
    main()
