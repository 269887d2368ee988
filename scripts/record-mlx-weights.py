"""
Bytes of every published config's weights as mlx-lm quantises them: modules are made lazily, so no weights exist.

    python3 -m venv DIR && DIR/bin/pip install "mlx[cpu]" mlx-lm
    DIR/bin/python scripts/record-mlx-weights.py tests/fixtures/models/configs.jsonl > tests/fixtures/models/mlx-weights.jsonl

A line for each config: bytes by format, in bfloat16 what is not quantised; `skipped` with the reason where mlx-lm has no
such model.
"""

import importlib.metadata
import json
import sys

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map
from mlx_lm.convert import mixed_quant_predicate_builder
from mlx_lm.utils import _get_classes, quantize_model

FORMATS = {
    "mlx-4bit-g64": {"bits": 4, "group_size": 64},
    "mlx-8bit-g32": {"bits": 8, "group_size": 32},
    "mlx-mxfp4": {"bits": 4, "group_size": 32, "mode": "mxfp4"},
    "mlx-mixed-4-6": {"bits": 4, "group_size": 64, "recipe": "mixed_4_6"},
}


def build(config):
    model_class, args_class = _get_classes(config=config)
    model = model_class(args_class.from_dict(config))
    keep = getattr(model, "cast_predicate", lambda _: True)

    def cast(x):
        return x.astype(mx.bfloat16) if mx.issubdtype(x.dtype, mx.floating) else x

    model.update(tree_map(cast, model.parameters()))
    return model, keep


def size(model):
    return sum(x.nbytes for _, x in tree_flatten(model.parameters()))


def main(path):
    print(json.dumps({"versions": {name: importlib.metadata.version(name) for name in ("mlx", "mlx-lm")}}))
    for line in open(path, encoding="utf8"):
        row = json.loads(line)
        config = {k: v for k, v in row["config"].items() if k != "quantization_config"}
        answer = {"model": row["model"]}
        try:
            answer["bf16"] = size(build(config)[0])
            for name, how in FORMATS.items():
                model, _ = build(config)
                how = dict(how)
                recipe = how.pop("recipe", None)
                if recipe is not None:
                    how["quant_predicate"] = mixed_quant_predicate_builder(recipe, model, how["group_size"])
                sys.stdout, out = sys.stderr, sys.stdout
                try:
                    quantize_model(model, config, **{"mode": "affine", **how})
                finally:
                    sys.stdout = out
                answer[name] = size(model)
                del model
        except Exception as error:
            answer["skipped"] = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        print(json.dumps(answer), flush=True)


main(sys.argv[1])
