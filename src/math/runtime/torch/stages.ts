/** Which accelerator holds which layers: pipeline stages in a row, each shared by its tensor-parallel ranks. */

/**
 * Layers of each stage: evenly, what is left over to the stages before the last.
 * @source vLLM v0.33.0 vllm/distributed/utils.py get_pp_indices
 */
export function stageLayers(layers: number, stages: number): number[] {
  const counts = Array.from({ length: stages }, () => Math.floor(layers / stages));
  for (let i = 2; i < (layers % stages) + 2; i++) {
    const at = stages - i;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

/** Stage of each layer. */
export function stageOfLayers(layers: number, stages: number): Int16Array {
  const stage = new Int16Array(layers);
  let next = 0;
  for (const [i, count] of stageLayers(layers, stages).entries()) {
    stage.fill(i, next, next + count);
    next += count;
  }
  return stage;
}
