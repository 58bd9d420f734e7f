"""Draws pages: what is printed on them is decided here, and where every character stands is remembered.

A page is grey while it is drawn. Glyphs are rendered once for each font and size, and put on the page
with numpy; the resize to the model's square is Pillow's, as the engine's is.
"""

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import domain

NOTO = "/usr/share/fonts/opentype/noto/"
# Noto CJK (SIL Open Font License 1.1) and WenQuanYi Micro Hei (Apache 2.0, or GPL 3 with font exception).
FONTS = [
    (NOTO + "NotoSansCJK-Regular.ttc", 2),
    (NOTO + "NotoSansCJK-Bold.ttc", 2),
    (NOTO + "NotoSerifCJK-Bold.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
]
# width / height of the paper: A4, 4:5, square.
SHAPES = [(1.0, 1.414), (1.0, 1.25), (1.0, 1.0)]
HALF_WIDTH = 0.56
NARROW = set("0123456789.-")
_glyphs = {}


def advance(character):
    return HALF_WIDTH if character in NARROW else 1.0


def glyph(font, size, character):
    """The grey mask of a character, 0 to 255, in a box of its advance by 1.25 ems."""
    key = (font, size, character)
    if key not in _glyphs:
        path, index = FONTS[font]
        face = ImageFont.truetype(path, size, index=index)
        width, height = round(advance(character) * size), round(1.25 * size)
        box = Image.new("L", (width, height), 0)
        draw = ImageDraw.Draw(box)
        if character in NARROW or character == "%":
            left = (width - draw.textlength(character, font=face)) / 2
        else:
            left = 0
        draw.text((left, 0.94 * size), character, font=face, fill=255, anchor="ls")
        _glyphs[key] = np.array(box)
    return _glyphs[key]


class Line:
    """A printed line: its role, where its value begins among the characters, its characters with boxes."""

    def __init__(self, role, label, value):
        self.role, self.label, self.value = role, label, value
        self.boxes = []  # (character, x0, x1, y0, y1, index in the value or -1), in page pixels


class Page:
    """What a page says (`lines`), its kind and its grey pixels."""

    def __init__(self, kind, lines, pixels):
        self.kind, self.lines, self.pixels = kind, lines, pixels
        self.values = {line.role: line.value for line in lines}


def content(chance):
    """Kind and lines of a page: a title and some of the kind's fields, mostly in their usual order."""
    kind = chance.choice(list(domain.KINDS))
    roles = list(domain.KINDS[kind])
    count = chance.randint(4, min(8, len(roles)))
    kept = set(chance.sample(roles, count))
    roles = [role for role in roles if role in kept]
    if chance.random() < 0.5:
        chance.shuffle(roles)
    lines = [Line("title", "", chance.choice(domain.TITLES[kind]))]
    for role in roles:
        labels, value, _ = domain.FIELDS[role]
        lines.append(Line(role, chance.choice(labels), value(chance)))
    return kind, lines


def put(ink, font, size, character, x, y):
    mask = glyph(font, size, character)
    x0, y0 = round(x), round(y)
    height, width = mask.shape
    area = ink[y0:y0 + height, x0:x0 + width]
    np.maximum(area, mask[:area.shape[0], :area.shape[1]], out=area)


def draw_text(ink, line, text, font, size, x, y, index):
    for character in text:
        width = advance(character) * size
        put(ink, font, size, character, x, y)
        line.boxes.append((character, x, x + width, y, y + 1.25 * size, index))
        x += width
        index += index >= 0
    return x


def ornaments(ink, chance, edges):
    """Rules between lines and a frame: they say nothing, as on real forms."""
    height, width = ink.shape
    strength = round(255 * chance.uniform(0.3, 1.0))
    if chance.random() < 0.3:
        for y in edges:
            ink[int(y):int(y) + chance.randint(1, 2), 20:width - 20] = strength
    elif chance.random() < 0.3:
        y = int(edges[0])
        ink[y:y + 3, 20:width - 20] = strength
    if chance.random() < 0.3:
        inset = chance.randint(4, 10)
        for area in (ink[inset:inset + 2, inset:-inset], ink[-inset - 2:-inset, inset:-inset],
                     ink[inset:-inset, inset:inset + 2], ink[inset:-inset, -inset - 2:-inset]):
            area[:] = strength


def draw_page(chance):
    """A page with everything on it decided by `chance`."""
    kind, lines = content(chance)
    shape = chance.choice(SHAPES)
    most_rows = 8 if shape[1] < 1.2 else 9
    lines = lines[:most_rows]
    width = chance.choice([520, 560, 600])
    height = round(width * shape[1])
    font = chance.randrange(len(FONTS))
    size = round(width * chance.choice([0.086, 0.09, 0.094, 0.098]))
    ink = np.zeros((height, width), dtype=np.uint8)
    # The pitch of the lines: at least their height, at most what the page can hold.
    least = 1.25 * size
    room = height - 0.4 * size
    pitch = min(chance.uniform(least, least * 1.7), room / len(lines))
    y = chance.uniform(0.15 * size, max(0.16 * size, room - pitch * len(lines)))
    margin = chance.uniform(0.25, 0.9) * size
    tab = chance.uniform(3.0, 4.0) * size if chance.random() < 0.4 else None
    gap = chance.choice([0.0, 0.25, 0.5]) * size
    edges = []
    for line in lines:
        if line.role == "title":
            text_width = len(line.value) * size
            x = (width - text_width) / 2 if chance.random() < 0.7 else margin
            draw_text(ink, line, line.value, font, size, x, y, 0)
        else:
            x = draw_text(ink, line, line.label + "：", font, size, margin, y, -1) + gap
            value_width = sum(map(advance, line.value)) * size
            x = max(x, min(margin + tab, width - 4 - value_width)) if tab else x
            draw_text(ink, line, line.value, font, size, x, y, 0)
        y += pitch
        edges.append(y - (pitch - least) / 2)
    ornaments(ink, chance, edges[:-1])
    paper, black = chance.uniform(225, 255), chance.uniform(0, 80)
    shades = np.round(paper + (black - paper) * np.arange(256) / 255).astype(np.uint8)
    return Page(kind, lines, shades[ink])


def shrink(pixels, side):
    return np.asarray(Image.fromarray(pixels, "L").resize((side, side), Image.BICUBIC))


def page_of(seed):
    """The page of a seed: the same for everybody, everywhere."""
    return draw_page(random.Random(seed))


def examine(seed):
    """A fresh page and what is asked about it, as (role or "absent", question, truth): every printed field and two absent ones."""
    chance = random.Random(seed)
    page = draw_page(chance)
    absent = [role for role in domain.FIELDS if role not in page.values]
    roles = [line.role for line in page.lines] + chance.sample(absent, 2)
    return page, [(role if role in page.values else "absent", domain.question_for(role, chance),
                   page.values.get(role, domain.ABSENT)) for role in roles]
