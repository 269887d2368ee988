"""What mlx-lm itself would hold, without computing anything: MLX arrays are lazy, so a model of any size is built, quantized
and run as a graph, and every array knows its bytes. Reads one question a line from standard input, answers one line each.

Question: {"config": {...}, "formats": ["bf16", "mlx-4bit-g64", ...], "runs": [{"prompt": n, "tokens": n, "step": n, "kv_bits": n|null,
"max_kv_size": n|null, "sequences": n}]}.
Answer: {"module": "llama", "weights": {format: bytes}, "caches": [[[kind, bytes], ...] per run]} or {"refused": "..."}.
With "evaluate": true it is really computed (small models only), and "active" says what MLX's allocator then holds more.
With "list": true the tensors are listed: [path, bytes] for every format.
"""

import copy
import json
import os
import pathlib
import re
import sys
from importlib import metadata

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map_with_path
from mlx_lm import utils
from mlx_lm.convert import mixed_quant_predicate_builder
from mlx_lm.models import cache as caches
from mlx_lm.models import gated_delta


def one_step_for_all(q, k, v, g, beta, state=None, mask=None):
    """gated_delta_ops without its loop over tokens: the same shapes and dtypes, a graph that stays small."""
    heads, width = v.shape[-2:]
    if state is None:
        state = mx.zeros((q.shape[0], heads, width, q.shape[-1]), dtype=mx.float32)
    return mx.zeros(v.shape, q.dtype), state + 0.0


def drop_missing_head(model):
    """gemma 3 makes a head and drops it in sanitize, since its files have none."""
    text = getattr(model, "language_model", model)
    if text.__module__.endswith("gemma3_text") and "lm_head" in text:
        text.tie_word_embeddings = True
        text.pop("lm_head")


def build(config):
    """The model as mlx-lm's load_model makes it, in bfloat16 as its convert leaves it, nothing computed."""
    model_class, arguments = utils._get_classes(config)
    model = model_class(arguments.from_dict(copy.deepcopy(config)))
    model.eval()
    drop_missing_head(model)
    keep = getattr(model, "cast_predicate", lambda _: True)

    def cast(path, value):
        return value.astype(mx.bfloat16) if keep(path) and mx.issubdtype(value.dtype, mx.floating) else value

    model.update(tree_map_with_path(cast, model.parameters()))
    return model


def quantize(model, name):
    """As mlx_lm.convert -q with these bits and this group; "bf16" leaves it as it is."""
    if name == "bf16":
        return
    mode, bits, group, predicate = parse(name, model)
    with open(os.devnull, "w") as nowhere:
        stdout, sys.stdout = sys.stdout, nowhere
        try:
            utils.quantize_model(model, {}, group, bits, mode=mode, quant_predicate=predicate)
        finally:
            sys.stdout = stdout


def parse(name, model):
    """Mode, bits, group and predicate of "mlx-4bit-g64", "mlx-mxfp4" or "mlx-mixed-4-6"."""
    modes = {"mxfp4": ("mxfp4", 4, 32, None), "mxfp8": ("mxfp8", 8, 32, None), "nvfp4": ("nvfp4", 4, 16, None)}
    parts = name.removeprefix("mlx-").split("-")
    if parts[0] in modes:
        return modes[parts[0]]
    if parts[0] == "mixed":
        return "affine", 4, 64, mixed_quant_predicate_builder("_".join(parts), model, 64)
    return "affine", int(parts[0].removesuffix("bit")), int(parts[1].removeprefix("g")), None


def parameter_bytes(model):
    return sum(value.nbytes for _, value in tree_flatten(model.parameters()))


def evaluate_weights(model, result):
    mx.synchronize()
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.eval(model.parameters())
    mx.synchronize()
    result["active"] = {"weights": mx.get_active_memory() - before, "caches": []}


def kinds(entry):
    """[kind, bytes] of one layer's cache; lists of caches are joined by "+"."""
    inner = getattr(entry, "caches", None)
    if inner is None:
        return [type(entry).__name__, entry.nbytes]
    parts = [kinds(part) for part in inner]
    return ["+".join(part[0] for part in parts), sum(part[1] for part in parts)]


# dbrx sorts its tokens by expert on the host: it cannot be run as a graph alone.
NO_GRAPH = ("dbrx",)


def run(model, question, evaluate):
    """generate_step's own calls, without computing: prompt in steps, its last token, then token after token."""
    prompt, tokens, step = question["prompt"], question["tokens"], question["step"]
    bits, start, sequences = question.get("kv_bits"), question.get("kv_start", 0), question.get("sequences", 1)
    cache = caches.make_prompt_cache(model, question.get("max_kv_size"))

    def call(count):
        model(mx.ones((sequences, count), dtype=mx.int32), cache=cache)
        if bits is not None:
            for index, entry in enumerate(cache):
                if hasattr(entry, "to_quantized") and entry.offset >= start:
                    cache[index] = entry.to_quantized(group_size=64, bits=bits)
        if evaluate:
            mx.eval([entry.state for entry in cache])

    done = 0
    while prompt - done > 1:
        count = min(step, prompt - done - 1)
        call(count)
        done += count
    for _ in range(tokens + 1):
        call(1)
    return cache


def answer(question):
    config = question["config"]
    try:
        module = utils._get_classes(config)[0].__module__.rsplit(".", 1)[1]
    except Exception as error:
        return {"refused": str(error)}
    result = {"module": module, "weights": {}, "caches": []}
    try:
        if question.get("list"):
            result["list"] = {}
        for name in question["formats"]:
            model = build(config)
            quantize(model, name)
            if question.get("evaluate"):
                evaluate_weights(model, result)
            result["weights"][name] = parameter_bytes(model)
            if question.get("list"):
                result["list"][name] = [[path, value.nbytes, list(value.shape)] for path, value in tree_flatten(model.parameters())]
    except Exception as error:
        return {"module": module, "refused": f"{type(error).__name__}: {error}"}
    try:
        if module in NO_GRAPH and not question.get("evaluate"):
            raise NotImplementedError(f"{module} computes while its graph is built")
        for one in question["runs"]:
            before = mx.get_active_memory()
            cache = run(model, one, question.get("evaluate", False))
            if question.get("evaluate"):
                result["active"]["caches"].append(mx.get_active_memory() - before)
            result["caches"].append([kinds(entry) for entry in cache])
    except Exception as error:
        result["no_caches"] = f"{type(error).__name__}: {error}"
    return result


def describe_package():
    """Version, files that define a Model, and names that are mapped to another."""
    folder = pathlib.Path(caches.__file__).parent
    modules = [file.stem for file in folder.glob("*.py") if re.search(r"^class Model\(|import Model\b", file.read_text(), re.M)]
    return {"version": metadata.version("mlx-lm"), "modules": modules, "remapped": utils.MODEL_REMAPPING}


if __name__ == "__main__":
    if sys.argv[1:] == ["--package"]:
        print(json.dumps(describe_package()))
        sys.exit()
    mx.set_default_device(mx.cpu)
    gated_delta.gated_delta_ops = one_step_for_all
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(answer(asked)), flush=True)
