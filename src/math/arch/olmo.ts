/**
 * olmo 1: layer norms without weights, so no norm is in the file.
 * @source llama.cpp src/models/olmo.cpp, conversion/olmo.py OlmoModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const olmo = defineDense({
  id: "olmo",
  modelTypes: ["olmo"],
  architecture: "olmo",
  norms: [],
  outside: (_, ordinary) => ordinary.filter(({ role }) => role !== "norm"),
});
