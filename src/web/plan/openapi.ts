/** GET /api/openapi.json: the HTTP part of the contract, made of the same schema that checks a request. */
import { z } from "zod";
import { planRequestSchema } from "../../request.ts";
import { REQUEST_FIELDS } from "../../request-fields.ts";

const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";

export function openApi(version: string): object {
  const request = z.toJSONSchema(planRequestSchema, { target: "draft-2020-12", io: "input" }) as {
    properties?: Record<string, Record<string, unknown>>;
  };
  for (const { field, help } of REQUEST_FIELDS) {
    const property = request.properties?.[field];
    if (property !== undefined) property.description = help;
  }
  const answers = {
    "200": {
      description: "the plan: fits, does not fit, or unknown",
      content: { [JSON_TYPE]: { schema: ref("PlanResult") } },
    },
    default: { description: "what was wrong, and what to do", content: { [JSON_TYPE]: { schema: ref("Error") } } },
  };
  return {
    openapi: "3.1.0",
    info: {
      title: "hwLedger",
      version,
      description: "Memory of a language model on an engine and a device, before the download. Sizes are bytes.",
    },
    servers: [{ url: "/" }],
    paths: {
      "/api/plan": {
        post: {
          operationId: "plan",
          summary: "Plan one model",
          requestBody: body(JSON_TYPE, ref("PlanRequest")),
          responses: answers,
        },
      },
      "/api/compare": {
        post: {
          operationId: "compare",
          summary: "Plan one model on every engine, best first; `device` may name several, with commas",
          requestBody: body(JSON_TYPE, ref("PlanRequest")),
          responses: {
            ...answers,
            "200": {
              description:
                "a row for each engine and device: a plan without layers, and what the engine does otherwise",
              content: { [JSON_TYPE]: { schema: COMPARISON } },
            },
          },
        },
      },
      "/api/plan/batch": {
        post: {
          operationId: "planBatch",
          summary: "Plan many: one JSON request a line, one result a line, in order",
          requestBody: body(LINES_TYPE, { type: "string" }),
          responses: {
            "200": { description: "one result a line", content: { [LINES_TYPE]: { schema: { type: "string" } } } },
          },
        },
      },
    },
    components: { schemas: { PlanRequest: request, PlanResult: RESULT, Error: ERROR } },
  };
}

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

function body(type: string, schema: object): object {
  return { required: true, content: { [type]: { schema } } };
}

const BYTES = { type: ["integer", "null"], description: "bytes; null: not known" };

const RESULT = {
  type: "object",
  required: ["schema", "status", "memory", "limits", "warnings"],
  properties: {
    schema: { const: "hwledger.plan/1" },
    status: { enum: ["fits", "does_not_fit", "unknown", "error"] },
    tight: { type: "boolean", description: "the range crosses the limit, or little is left" },
    model: { type: "object" },
    engine: { type: "object" },
    options: { type: "object", description: "every option as it was resolved" },
    devices: { type: "array", items: { type: "object" } },
    memory: {
      type: "object",
      properties: {
        total_bytes: BYTES,
        weights_bytes: BYTES,
        kv_cache_bytes: BYTES,
        state_bytes: BYTES,
        compute_bytes: BYTES,
        output_bytes: BYTES,
        overhead_bytes: BYTES,
        reserved_bytes: BYTES,
        low_bytes: BYTES,
        high_bytes: BYTES,
        by_device: { type: "array", items: { type: "object" } },
        by_layer: { type: "array", items: { type: "object" } },
        outside_layers: { type: "array", items: { type: "object" } },
        asked: { type: ["object", "null"] },
      },
    },
    limits: {
      type: "object",
      properties: {
        max_context: { type: ["integer", "null"] },
        max_sequences: { type: ["integer", "null"] },
        gpu_layers: { type: ["integer", "null"] },
        cpu_moe_layers: { type: ["integer", "null"] },
        tensor_split: { type: ["array", "null"], items: { type: "integer" } },
        best_weights: { type: ["string", "null"] },
      },
    },
    command: { type: ["string", "null"] },
    explanation: { type: "array", items: { type: "string" } },
    warnings: { type: "array", items: { type: "string" } },
  },
};

const COMPARISON = {
  type: "object",
  required: ["schema", "model", "rows"],
  properties: {
    schema: { const: "hwledger.compare/1" },
    model: { type: ["object", "null"] },
    rows: { type: "array", items: { type: "object" } },
  },
};

const ERROR = {
  type: "object",
  required: ["schema", "code", "message", "hint"],
  properties: {
    schema: { const: "hwledger.error/1" },
    code: { type: "string" },
    message: { type: "string" },
    hint: { type: ["string", "null"] },
  },
};
