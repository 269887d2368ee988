/** Every family hwLedger knows. A new one is a line here, a file beside this one and a row in index.ts: the compiler asks for the rest. */
export const FAMILIES = [
  "llama", // llama 1-3, mistral, mixtral and what is built like them
  "qwen2",
  "qwen2-moe",
  "qwen3",
  "qwen3-moe",
  "qwen3-next", // gated delta hybrid, MoE
  "qwen3.5", // gated delta hybrid, dense and MoE
  "gemma2",
  "gemma3",
  "phi3",
  "deepseek", // v2, v3, r1, kimi-k2: latent attention, MoE
  "gpt-oss",
  "glm4",
  "command-r",
  "falcon-h1", // attention and mamba 2 side by side in each layer
  "mamba2",
  "mamba", // mamba 1 and falcon-mamba
  "jamba", // mamba 1 and attention, experts in every second layer
  "bert", // bert, roberta, nomic-bert, jina-bert: encoders
  "kimi-linear", // kimi delta attention and latent attention, MoE
  "rwkv6",
  "rwkv6-qwen2", // qwerky
  "rwkv7",
  "arwkv7",
  "lfm2", // short convolutions and attention, dense and MoE
  "plamo2", // mamba 2 and attention
  "granite-hybrid", // granite 4, bamba: mamba 2 and attention
  "nemotron-h", // nemotron-h, nemotron 3: mamba 2, attention or a feed-forward block in each layer
  "deepseek-moe", // deepseek's first, before latent attention
  "olmoe",
  "phimoe",
  "dbrx",
  "dots1",
  "glm4-moe", // glm 4.5 and 4.6
  "minimax-m2",
  "hunyuan-moe",
  "bailing-moe", // ling, ring
  "bailing-moe2",
  "ernie4.5-moe",
  "granite-moe",
  "gemma",
  "deci", // nemotron-nas
  "gemma4", // gemma 4, dense and MoE
  "phi2",
  "olmo",
  "olmo2",
  "granite",
  "cohere2",
  "exaone",
  "exaone4",
  "smollm3",
  "internlm2",
  "minicpm",
  "baichuan",
  "chatglm",
  "starcoder",
  "starcoder2",
  "falcon",
  "mpt",
  "gpt2",
  "gpt-neox",
  "bloom",
  "codeshell",
  "stablelm",
  "ernie4.5",
  "nemotron",
  "qwen",
  "qwen2-vl",
  "qwen3-vl",
  "orion",
  "xverse",
  "seed-oss",
  "arcee",
  "apertus",
  "hunyuan-dense",
  "plamo",
  "bitnet",
  "refact",
  "llama4", // chunks of attention
  "mimo2",
  "afmoe", // trinity
  "smallthinker",
  "minicpm3", // latent keys and values, cached whole
  "minimax-m3",
  "exaone-moe", // k-exaone
  "step3.5",
  "minimax-01", // lightning attention
  "qwen3-vl-moe",
  "deepseek-ocr", // deepseek v2's experts without its latent attention
] as const;
export type FamilyId = (typeof FAMILIES)[number];
