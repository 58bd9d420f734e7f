"""The small vocabulary: 256 bytes, the domain's characters and words, and GLM-4's special tokens."""

import base64
import functools

import regex

import domain

PATTERN = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = [
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
    "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>",
    "<|begin_of_video|>", "<|end_of_video|>",
]
PADDED = 640


def byte_order():
    """The 256 single bytes in the order of GPT-2: the printable first."""
    first = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return first + [byte for byte in range(256) if byte not in first]


class Tokenizer:
    def __init__(self):
        tokens = [bytes([byte]) for byte in byte_order()]
        texts = domain.question_texts() + domain.page_characters()
        wide = sorted({c for text in texts for c in text if len(c.encode()) > 1})
        encoded = [character.encode() for character in wide]
        tokens += sorted({bytes_[:2] for bytes_ in encoded if len(bytes_) == 3})
        tokens += encoded
        words = {piece for text in texts for piece in PATTERN.findall(text) if piece.isascii() and len(piece) > 1}
        tokens += sorted(word.encode() for word in words)
        self.tokens = tokens
        self.ranks = {token: rank for rank, token in enumerate(tokens)}
        assert len(self.ranks) == len(tokens)
        self.specials = {name: len(tokens) + index for index, name in enumerate(SPECIALS)}
        assert len(tokens) + len(SPECIALS) <= PADDED, len(tokens)

    def special(self, name):
        return self.specials[name]

    @functools.lru_cache(maxsize=100_000)
    def encode(self, text):
        ids = []
        for piece in PATTERN.findall(text):
            parts = piece.encode()
            if parts in self.ranks:
                ids.append(self.ranks[parts])
                continue
            parts = [parts[i:i + 1] for i in range(len(parts))]
            while True:
                pairs = [(self.ranks.get(parts[i] + parts[i + 1], 1 << 30), i) for i in range(len(parts) - 1)]
                if not pairs or min(pairs)[0] == 1 << 30:
                    break
                _, at = min(pairs)
                parts[at:at + 2] = [parts[at] + parts[at + 1]]
            ids += [self.ranks[part] for part in parts]
        return tuple(ids)

    def decode(self, ids):
        return b"".join(self.tokens[i] for i in ids if i < len(self.tokens)).decode(errors="replace")

    def file(self):
        return "".join(f"{base64.b64encode(t).decode()} {r}\n" for r, t in enumerate(self.tokens))
