/**
 * Loads a model on the CPU with node-llama-cpp for real, weights and all, and prints llama.cpp's log. In a process of its own,
 * as native code can abort. Arguments: file, context, n_ubatch, "on" or "off" for flash attention.
 */
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [modelPath = "", contextSize = "2048", batchSize = "512", flash = "on"] = process.argv.slice(2);
const log: string[] = [];
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  progressLogs: false,
  maxThreads: 1,
  logLevel: LlamaLogLevel.info,
  logger: (_level, message) => log.push(message),
});
const model = await llama.loadModel({ modelPath, useMmap: true });
const context = await model.createContext({
  contextSize: Number(contextSize),
  batchSize: Number(batchSize),
  threads: 1,
  flashAttention: flash === "on",
});
// One token through it, so that it is a load that works and not only one that was announced.
await context.getSequence().evaluateWithoutGeneratingNewTokens(model.tokenize("Hello"));
process.stdout.write(log.join("\n"), () => process.exit(0));
