/** What llama.cpp did otherwise at other builds, as far as memory goes. */

/** b10488, of which v0.5.0 is the release: the build that the rest of this folder describes. */
const NEWEST_BUILD = 10_488;
const NEWEST_VERSION = "v0.5.0";

/** The first build with GGUF models and k-quants in one file format (GGUF came at b1046). */
const OLDEST_BUILD = 1046;

/** Builds at which an answer changed, newest first. @source the pull requests named at each rule below */
const TURNS = [9460, 7832, 7467, 6975, 6325, 5913, 5554, 5429, 5137, 2980, 2781, 2540] as const;

export interface LlamaCppRules {
  /** As it was asked for: "v0.5.0", "b5121". */
  readonly version: string;
  readonly build: number;
  /** Cells that a cache is padded to: 256 since b6975 (#16812); before, 256 with flash attention and 32 without; none before b2781. */
  readonly padding: number;
  readonly paddingWithoutFlashAttention: number;
  /** Caches of windowed layers are short since b5429 (#13194): window + n_batch cells at first, window + n_ubatch since b5554 (#13833). */
  readonly windows: "as long as all others" | "n_batch" | "n_ubatch";
  /** A cache of its own for each sequence since b5913 (#14363); before, all sequences share one of n_ctx cells. */
  readonly streams: boolean;
  /** MLA: whole keys and values of every head before b5137 (#12801); the latent row twice, as K and as V, before b7832 (#19067). */
  readonly latent: "whole heads" | "K and V" | "K";
  /** The output layer is offloaded first since b7467 (#18148), and only after all others before. */
  readonly outputFirst: boolean;
  /** llama-server asks for one row of logits a sequence since b9460; before, every front for a whole step. */
  readonly fewOutputs: boolean;
  /** Flash attention wherever the back-end has it, since b6325 (#15434); before, only when asked for. */
  readonly flashAttention: boolean;
  /** Rows of the buffer of logits: one a sequence since b2540 (#6122), n_batch before. */
  readonly logits: "n_batch" | "n_seq_max";
}

/** Builds that the picker offers: the newest, and the last one before each change. Any other build is known too. */
export const LLAMA_CPP_VERSIONS: readonly string[] = [NEWEST_VERSION, ...TURNS.map((build) => `b${build - 1}`)];

export const NEWEST_RULES: LlamaCppRules = rulesAt(NEWEST_BUILD, NEWEST_VERSION);

const known = new Map<string, LlamaCppRules>([[NEWEST_VERSION, NEWEST_RULES]]);

/** null: hwLedger does not know the rules of this version. A build newer than the newest known is not known. */
export function rulesOf(version: string | null): LlamaCppRules | null {
  if (version === null) return NEWEST_RULES;
  const kept = known.get(version);
  if (kept !== undefined) return kept;
  const digits = /^b([1-9]\d{3,4})$/.exec(version)?.[1];
  const build = digits === undefined ? 0 : Number(digits);
  if (build < OLDEST_BUILD || build > NEWEST_BUILD) return null;
  const rules = rulesAt(build, version);
  known.set(version, rules);
  return rules;
}

/**
 * The rules at a build. Numbers of builds count commits of the main branch.
 * @source ggml-org/llama.cpp pull requests as named above; loads of 27 older builds in tests/math/runtime/llama-cpp/older-builds.jsonl
 */
function rulesAt(build: number, version: string): LlamaCppRules {
  return {
    version,
    build,
    padding: build >= 2781 ? 256 : 1,
    paddingWithoutFlashAttention: build >= 6975 ? 256 : build >= 2980 ? 32 : build >= 2781 ? 256 : 1,
    windows: build >= 5554 ? "n_ubatch" : build >= 5429 ? "n_batch" : "as long as all others",
    streams: build >= 5913,
    latent: build >= 7832 ? "K" : build >= 5137 ? "K and V" : "whole heads",
    outputFirst: build >= 7467,
    fewOutputs: build >= 9460,
    flashAttention: build >= 6325,
    logits: build >= 2540 ? "n_seq_max" : "n_batch",
  };
}
