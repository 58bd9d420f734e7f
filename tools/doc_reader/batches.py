"""Batches to learn from: pages with what stands where, and several questions about each page."""

import random

import numpy as np

import domain
import pages
from model import CELLS, GRID, SIDE

CHARACTERS = domain.page_characters()
CLASS = {character: index + 1 for index, character in enumerate(CHARACTERS)}  # 0: nothing
INDEXES = 12
IMAGE_AT = 4  # [gMASK] <sop> <|user|> \n
PREFIX = IMAGE_AT + CELLS * CELLS + 2


def labels_of(page):
    """What each patch and each cell shows, in the model's square.

    patch: the class of the character it lies in. cell: the first and second value character whose centre
    lies in it, the role of their line (0: none), and the first one's place in the value.
    Also a map from (role, place) to the cell.
    """
    height, width = page.pixels.shape
    patch = np.zeros((GRID, GRID), dtype=np.int64)
    cell = np.zeros((4, CELLS, CELLS), dtype=np.int64)
    where = {}
    patches_x, patches_y, step = GRID / width, GRID / height, SIDE / CELLS
    for line in page.lines:
        for character, x0, x1, y0, y1, index in line.boxes:
            left, right = round(x0 * patches_x), round(x1 * patches_x)
            top, bottom = round(y0 * patches_y), round(y1 * patches_y)
            patch[top:bottom, left:right] = CLASS[character]
            if index < 0:
                continue
            x = min(int((x0 + x1) / 2 * SIDE / width / step), CELLS - 1)
            y = min(int((y0 + y1) / 2 * SIDE / height / step), CELLS - 1)
            where[line.role, index] = y * CELLS + x
            if cell[0, y, x] == 0:
                cell[0, y, x] = CLASS[character]
                cell[2, y, x] = domain.ROLES.index(line.role) + 1
                cell[3, y, x] = index + 1
            else:
                cell[1, y, x] = CLASS[character]
    return patch.reshape(-1), cell.reshape(4, -1), where


def questions(page, chance, count):
    """Roles to ask about: what is printed, digits more often, and about a fifth that is not there."""
    printed = [line.role for line in page.lines]
    absent = [role for role in domain.FIELDS if role not in page.values]
    strong = {"number", "date", "price", "total"}
    printed.sort(key=lambda role: chance.random() ** (2 if role in strong else 1), reverse=True)
    return printed[:count - 1] + [chance.choice(absent)]


def block(tokenizer, page, role, where, chance):
    """Ids of one question with its answer; targets and cells to look at for each id (-1: none)."""
    question = list(tokenizer.encode(domain.question_for(role, chance)))
    value = page.values.get(role, domain.ABSENT)
    answer = [tokenizer.ranks[character.encode()] for character in value]
    start, end = tokenizer.encode("\n")[0], tokenizer.special("<|user|>")
    ids = question + [tokenizer.special("<|assistant|>"), start, *answer]
    targets = [-1] * len(question) + [start, *answer, end]
    looks = [-1] * (len(question) + 1) + [where.get((role, i), -1) for i in range(len(answer))] + [-1]
    return ids, targets, looks


def batch(tokenizer, first_seed, count, asked):
    images = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    patch = np.zeros((count, GRID * GRID), dtype=np.int64)
    cell = np.zeros((count, 4, CELLS * CELLS), dtype=np.int64)
    rows = []
    for i in range(count):
        chance = random.Random(first_seed + i)
        page = pages.draw_page(chance)
        images[i] = pages.shrink(page.pixels, SIDE)
        patch[i], cell[i], where = labels_of(page)
        rows.append([block(tokenizer, page, role, where, chance) for role in questions(page, chance, asked)])
    length = PREFIX + max(sum(len(ids) for ids, _, _ in row) for row in rows)
    ids = np.zeros((count, length), dtype=np.int64)
    group = np.full((count, length), -1, dtype=np.int64)
    places = np.zeros((count, length), dtype=np.int64)
    targets = np.full((count, length), -1, dtype=np.int64)
    looks = np.full((count, length), -1, dtype=np.int64)
    prefix = prefix_ids(tokenizer)
    ids[:, :PREFIX], group[:, :PREFIX] = prefix, 0
    places[:, :PREFIX] = prefix_places()
    for i, row in enumerate(rows):
        at = PREFIX
        for number, (some, goals, cells) in enumerate(row):
            part = slice(at, at + len(some))
            ids[i, part], targets[i, part], looks[i, part] = some, goals, cells
            group[i, part], places[i, part] = number + 1, IMAGE_AT + 3 + np.arange(len(some))
            at += len(some)
    return dict(images=images, patch=patch, cell=cell, ids=ids, group=group, places=places, targets=targets,
                looks=looks)


def prefix_ids(tokenizer):
    special = tokenizer.special
    return [special("[gMASK]"), special("<sop>"), special("<|user|>"), tokenizer.encode("\n")[0],
            special("<|begin_of_image|>"), *[special("<|endoftext|>")] * (CELLS * CELLS),
            special("<|end_of_image|>")]


def prefix_places():
    """The whole image takes three steps: its begin, all of its rows, its end."""
    return [*range(IMAGE_AT + 1), *[IMAGE_AT + 1] * (CELLS * CELLS), IMAGE_AT + 2]
