"""
Counts the parameters of every published config that transformers knows, on torch's meta device: no weights are made.

    python3 -m venv DIR && DIR/bin/pip install torch transformers
    DIR/bin/python scripts/record-parameters.py tests/fixtures/models/configs.jsonl > tests/fixtures/models/parameters.jsonl

A line for each config: `total` (a tied head counts once), `buffers` (elements of the state dict that are no parameters,
by the last part of their name), `head` where the class has none and the files do, `skipped` with the reason where transformers has no such model. Of a model with towers
the language model is counted.
"""

import collections
import json
import re
import sys

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM


def text_of(config):
    """The language model's part, and the dtype that stands beside it."""
    for key in ("text_config", "llm_config", "language_config", "thinker_config"):
        part = config.get(key)
        if isinstance(part, dict) and "hidden_size" in (part.get("text_config") or part):
            return text_of(part)
    return config


# Models that come with another's code.
SAME_AS = {"kimi_k2": "deepseek_v3"}


# For a language model the class for it is taken, whatever the config names; an encoder is what it is published as.
ENCODER = re.compile("^(Bert|Roberta|XLMRoberta|DistilBert|MPNet|ModernBert|NomicBert)")


def holds_null(value):
    return isinstance(value, list) and None in value


def build(config):
    raw = dict(text_of(config))
    # Without a type of its own the part means something inside the whole only.
    raw = raw if "model_type" in raw else dict(config)
    kind = raw.pop("model_type", None)
    if kind is None:
        raise ValueError("names no model_type")
    for key in ("auto_map", "quantization_config", "torch_dtype", "dtype", "_name_or_path", "transformers_version"):
        raw.pop(key, None)
    kind = SAME_AS.get(kind, kind)
    try:
        made = AutoConfig.for_model(kind, **raw)
    except Exception:
        # An infinity in a list is null here (README.md beside the configs).
        made = AutoConfig.for_model(kind, **{key: value for key, value in raw.items() if not holds_null(value)})
    (named,) = (config.get("architectures") or [None])[:1]
    if named is not None and ENCODER.search(named) and hasattr(transformers, named):
        own = getattr(transformers, named)
        with torch.device("meta"):
            return own(made)
    errors = []
    for auto in (AutoModelForCausalLM, AutoModel):
        try:
            # Imported before the device is set: modules make small tensors while they load.
            auto._model_mapping[type(made)]
            with torch.device("meta"):
                return auto.from_config(made, attn_implementation="eager")
        except Exception as error:  # any model's own
            errors.append(f"{type(error).__name__}: {error}")
    raise ValueError(errors[0])


TOWER = re.compile(r"(^|\.)(visual|vision|audio|multi_modal)")


def head_of(model, said):
    """Elements of a head that the class for a language model alone does not have, and its files do."""
    text = model.config.get_text_config()
    headless = not re.search("ForCausalLM|LMHead|ForConditionalGeneration", type(model).__name__)
    tied = getattr(text, "tie_word_embeddings", True) if said is None else said
    return text.vocab_size * text.hidden_size if headless and not tied else 0


def count(model, tied):
    total = sum(p.numel() for name, p in model.named_parameters() if not TOWER.search(name))
    names = dict(model.named_parameters(remove_duplicate=False))
    buffers = collections.Counter()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if name not in names:
            buffers[re.sub(r".*\.", "", name)] += tensor.numel()
    head = head_of(model, tied)
    return {"class": type(model).__name__, "total": total + head, "head": head, "buffers": dict(buffers)}


def main(path):
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"versions": versions}))
    for line in open(path, encoding="utf8"):
        row = json.loads(line)
        answer = {"model": row["model"]}
        try:
            answer |= count(build(row["config"]), row["config"].get("tie_word_embeddings"))
        except Exception as error:
            answer["skipped"] = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        print(json.dumps(answer), flush=True)


transformers.logging.set_verbosity_error()
main(sys.argv[1])
