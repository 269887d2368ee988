import type { Runtime } from "../runtime.ts";
import { mlxDifference } from "./difference.ts";
import { MLX_VERSIONS } from "./modules.ts";
import { planMlx } from "./plan.ts";
import { MLX_WEIGHTS } from "./weights.ts";

export const MLX: Runtime = {
  id: "mlx",
  versions: MLX_VERSIONS,
  difference: mlxDifference,
  ...MLX_WEIGHTS,
  kvOffered: ["q8", "q4"],
  plan: planMlx,
};
