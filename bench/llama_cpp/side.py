"""llama.cpp's side: side.py FILE THREADS. Answers each line of standard input with seconds; bench/engine asks."""

import sys
import time
from ctypes import c_int32

from llama_cpp import llama_cpp as api


class Model:
    def __init__(self, path, threads):
        api.llama_backend_init()
        self.model = api.llama_model_load_from_file(path.encode(), api.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {path}")
        options = api.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = 4096, 2048, 512
        options.n_threads = options.n_threads_batch = threads
        self.context = api.llama_init_from_model(self.model, options)
        self.memory = api.llama_get_memory(self.context)
        self.held = 0

    def take_in(self, count):
        """Lets the model read that many tokens and gives the logits after the last."""
        tokens = (api.llama_token * count)(*(at % 100 for at in range(count)))
        if api.llama_decode(self.context, api.llama_batch_get_one(tokens, c_int32(count))) != 0:
            sys.exit("llama.cpp refused a batch")
        api.llama_get_logits_ith(self.context, -1)[0]
        self.held += count

    def shorten(self, rows):
        api.llama_memory_seq_rm(self.memory, 0, rows, -1)
        self.held = rows

    def measure(self, part, first, tokens=1):
        if part == "prefill":
            self.shorten(0)
            start = time.perf_counter()
            self.take_in(first)
            return time.perf_counter() - start
        if self.held < first:
            self.shorten(0)
            self.take_in(first)
        self.shorten(first)
        start = time.perf_counter()
        for _ in range(tokens):
            self.take_in(1)
        return time.perf_counter() - start


model = Model(sys.argv[1], int(sys.argv[2]))
for line in sys.stdin:
    name, *numbers = line.split()
    print(model.measure(name, *map(int, numbers)), flush=True)
