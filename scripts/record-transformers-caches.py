"""Records what transformers' caches hold, in bytes of their tensors' storages, for small random models of several kinds.

Needs torch and transformers. Writes tests/fixtures/transformers/caches.json; the tests themselves need neither.
"""

import json
import pathlib

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

OUT = pathlib.Path(__file__).parent.parent / "tests/fixtures/transformers/caches.json"
SEQUENCES, TOKENS = 2, 300

PLAIN = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 128,
    "head_dim": 16,
    "max_position_embeddings": 1024,
}
MODELS = {
    "llama": PLAIN,
    "qwen3": PLAIN,
    "gemma3_text": {**PLAIN, "sliding_window": 64, "num_hidden_layers": 6},
    "gpt_oss": {**PLAIN, "sliding_window": 64, "num_local_experts": 4, "num_experts_per_tok": 2},
    "deepseek_v3": {
        **{k: v for k, v in PLAIN.items() if k != "head_dim"},
        "num_key_value_heads": 4,
        "moe_intermediate_size": 32,
        "kv_lora_rank": 32,
        "q_lora_rank": 24,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 16,
        "v_head_dim": 16,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
    },
    "qwen3_next": {
        **PLAIN,
        "num_hidden_layers": 4,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 32,
    },
    "mamba2": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "vocab_size": 128,
        "num_heads": 8,
        "head_dim": 16,
        "state_size": 16,
        "n_groups": 1,
        "expand": 2,
        "conv_kernel": 4,
    },
}


def storage(tensor: torch.Tensor | None) -> int:
    return tensor.untyped_storage().nbytes() if torch.is_tensor(tensor) else 0


def bytes_of(layer) -> dict[str, int]:
    states = 0
    for name in ("conv_states", "recurrent_states"):
        states += sum(storage(tensor) for tensor in (getattr(layer, name, None) or {}).values())
    return {"kv": storage(getattr(layer, "keys", None)) + storage(getattr(layer, "values", None)), "state": states}


def record(model_type: str, fields: dict) -> dict:
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **fields)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        output = model(torch.ones(SEQUENCES, TOKENS, dtype=torch.long), use_cache=True, logits_to_keep=1)
    written = {**config.to_dict(), **fields, "model_type": model_type}
    unsaid = ("architectures", "time_step_limit", "dtype", "transformers_version")
    plain = (int, str, bool, list, tuple)
    kept = {name: value for name, value in written.items() if isinstance(value, plain) and name not in unsaid}
    return {
        "config": kept,
        "sequences": SEQUENCES,
        "tokens": TOKENS,
        "layers": [bytes_of(layer) for layer in output.cache.layers],
    }


rows = [record(*model) for model in MODELS.items()]
OUT.write_text(json.dumps({"transformers": transformers.__version__, "rows": rows}, indent=1) + "\n")
