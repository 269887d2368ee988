"""Loads a model with the mistralrs package and answers prompts, and says after each step what lies in memory.

Arguments: the folder of a model, or a GGUF file; then JSON: {"isq": null | "q4k", "requests": [[prompt, tokens], ...]}.
Prints a JSON line each: {"at": "loaded" | "done", "tokens", "blocks", "bytes"}.
With MALLOC_MMAP_THRESHOLD_ set, glibc takes every larger buffer from the system by itself and counts it exactly.
"""

import ctypes
import json
import os
import sys
import time

import mistralrs


class Counters(ctypes.Structure):
    """struct mallinfo2: hblks and hblkhd are buffers taken from the system by themselves."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Counters


def say(at, tokens):
    counters = libc.mallinfo2()
    print(json.dumps({"at": at, "tokens": tokens, "blocks": counters.hblks, "bytes": counters.hblkhd}), flush=True)


def settle(most=None):
    """The engine frees a step's buffers in its own thread: wait until it has, or five seconds."""
    last = None
    for _ in range(100):
        counters = libc.mallinfo2()
        now = (counters.hblks, counters.hblkhd)
        if now == last and (most is None or now[0] <= most):
            return now[0]
        last = now
        time.sleep(0.05)
    return last[0]


path, options = sys.argv[1], json.loads(sys.argv[2])
folder, file = os.path.split(path)
which = (
    mistralrs.Which.GGUF(quantized_model_id=folder, quantized_filename=file)
    if file.endswith(".gguf")
    else mistralrs.Which.Plain(model_id=path)
)
runner = mistralrs.Runner(which=which, in_situ_quant=options["isq"], prefix_cache_n=0)
loaded = settle()
say("loaded", 0)
for length, most in options["requests"]:
    prompt = "".join(chr(97 + (i * 7 + length) % 26) for i in range(length))
    request = mistralrs.ChatCompletionRequest(
        model="default", messages=[{"role": "user", "content": prompt}], max_tokens=most, temperature=0.0
    )
    answer = runner.send_chat_completion_request(request)
    settle(loaded)
    say("done", answer.usage.total_tokens)
