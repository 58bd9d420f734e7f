"""What the engine reads right with each form of the weights, on the pages of evaluate.py.

    python forms.py --glmhub target/debug/glmhub --form bf16=CHECKPOINT --form q8_0=FILE.gguf [--pages 1000] [--report FILE]
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile

from PIL import Image

import pages


def engine_answers(binary, weights, image, questions):
    """The engine's greedy answers to questions about one page."""
    asked = [part for question in questions for part in ("--question", question)]
    done = subprocess.run([binary, "ask", "--model", weights, "--dtype", "bf16", "--image", image, "--json", *asked],
                          check=True, capture_output=True, text=True)
    return [json.loads(line)["text"] for line in done.stdout.splitlines()]


def examined(binary, forms, seed):
    """For each form, which questions about the page of a seed were answered right."""
    page, questions = pages.examine(seed)
    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/page.png"
        Image.fromarray(page.pixels, "L").convert("RGB").save(image)
        asked = [question for _, question, _ in questions]
        given = {form: engine_answers(binary, weights, image, asked) for form, weights in forms.items()}
    return {form: [answer == truth for answer, (_, _, truth) in zip(answers, questions, strict=True)]
            for form, answers in given.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--glmhub", type=pathlib.Path, required=True)
    parser.add_argument("--form", action="append", required=True, metavar="NAME=WEIGHTS")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--first", type=int, default=900_000_000, help="seed of the first page")
    parser.add_argument("--report", type=pathlib.Path, help="where the counts are written as JSON")
    given = parser.parse_args()
    forms = dict(form.split("=", 1) for form in given.form)
    right, asked = dict.fromkeys(forms, 0), 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        seeds = range(given.first, given.first + given.pages)
        for number, found in enumerate(pool.map(lambda seed: examined(given.glmhub, forms, seed), seeds), 1):
            asked += len(next(iter(found.values())))
            for form, answers in found.items():
                right[form] += sum(answers)
            if number % 50 == 0 or number == given.pages:
                print(number, asked, right, flush=True)
    for form, count in right.items():
        print(f"{form:10} {count:6} of {asked:6}  {100 * count / asked:6.2f} %")
    if given.report:
        given.report.write_text(json.dumps({"pages": given.pages, "first": given.first, "asked": asked, "right": right}) + "\n")


if __name__ == "__main__":
    main()
