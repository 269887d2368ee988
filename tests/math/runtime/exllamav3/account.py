"""Builds models from config.json with exllamav3's own classes and says what each matrix and each layer's cache takes.

Nothing is computed and no CUDA is needed: every package that exllamav3 imports but is not pure Python is replaced by one
that only knows the sizes of types. Reads lines of JSON {"config", "tokens", "batch", "bits": [null | [k, v], ...]}; prints a line for each:
{"linears": [[key, in, out, packed, is head]], "caches": [{"kv": [[layer, bytes]], "state": [[layer, bytes]]}, ...]}, a cache
for each of the bits, or {"error"}: exllamav3 does not build it.
"""

import importlib.abc
import importlib.machinery
import json
import math
import os
import sys
import tempfile
from unittest.mock import MagicMock

FAKED = ("torch", "numpy", "triton", "safetensors", "flash_attn", "fla", "causal_conv1d", "xformers", "tokenizers",
         "PIL", "rich", "formatron", "kbnf", "marisa_trie", "pydantic", "yaml", "transformers", "typing_extensions",
         "llguidance", "xgrammar", "requests", "ninja", "psutil")


class Faked(MagicMock):
    __path__ = []
    __spec__ = None
    __version__ = "9.9.9"


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in FAKED or name == "exllamav3.ext":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Faked(name=spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())

import typing_extensions

typing_extensions.override = lambda function: function

import numpy
import torch


class Type:
    def __init__(self, size):
        self.itemsize = size


class Tensor:
    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype

    def numel(self):
        return math.prod(self.shape)

    def element_size(self):
        return self.dtype.itemsize


for name, size in {"half": 2, "float16": 2, "bfloat16": 2, "float": 4, "float32": 4, "int": 4, "long": 8}.items():
    setattr(torch, name, Type(size))
torch.empty = torch.zeros = lambda *shape, dtype=None, device=None: Tensor(
    shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape, dtype or torch.float
)
torch.Tensor = Tensor
torch.inference_mode = lambda *a, **k: (a[0] if a else lambda function: function)
numpy.prod = math.prod

from exllamav3.cache import Cache, CacheLayer_fp16, CacheLayer_quant
from exllamav3.model.config import Config
from exllamav3.model.model import Model
from exllamav3.modules import Linear


def account(asked):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(asked["config"], file)
        config = Config.from_directory(folder)
    model = Model.from_config(config)
    return {
        "linears": [
            [m.key, m.in_features, m.out_features, m.qmap is not None, bool(m.caps.get("logits_output"))]
            for m in model if isinstance(m, Linear)
        ],
        "caches": [cache_of(model, bits, asked) for bits in asked["bits"]],
        "tensor_parallel": bool(model.caps.get("supports_tp")),
    }


def cache_of(model, bits, asked):
    kind = {"layer_type": CacheLayer_fp16} if bits is None else \
        {"layer_type": CacheLayer_quant, "k_bits": bits[0], "v_bits": bits[1]}
    cache = Cache(model, max_num_tokens=asked["tokens"], max_batch_size=asked["batch"], **kind)
    cache.detach_from_model()
    return {
        "kv": [[layer, int(of.storage_size())] for (layer, _), of in cache.layers.items()],
        "state": [[layer, int(of.storage_size())] for (layer, _), of in cache.recurrent_layers.items()],
    }


for line in sys.stdin:
    try:
        print(json.dumps(account(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
