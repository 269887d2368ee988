/** The Compare page and its API: one model on every engine, on one machine or several. */
import { Elysia } from "elysia";
import { devicesOf } from "../../devices-of.ts";
import { AppError } from "../../errors.ts";
import { type ComparedRow, compareEngines, rankRows } from "../../math/compare.ts";
import { compareJson } from "../../math/compare-json.ts";
import { ENGINES } from "../../math/options.ts";
import { type PlanRequest, parseRequest } from "../../request.ts";
import { bodyText } from "../body.ts";
import { errorJson, reported, statusOf } from "../errors.ts";
import type { Html } from "../html.ts";
import type { PlanDeps } from "../plan/deps.ts";
import { formOf } from "../plan/fields.ts";
import { parseJson } from "../plan/json.ts";
import { hereOf } from "../plan/load.ts";
import { requestOfForm } from "../plan/request.ts";
import { type ComparePage, comparePage } from "./view.ts";

/** @param report told of errors that no one caused */
export function compareRoutes(deps: PlanDeps, report: (error: unknown) => void) {
  return new Elysia({ name: "compare" })
    .get("/compare", async ({ request }) => {
      const { shown, status } = await load(new URL(request.url).searchParams, deps);
      return page(comparePage(shown), status);
    })
    .post("/api/compare", async ({ request }) => await answer(await bodyText(request), deps, report), {
      parse: "none",
    });
}

function page(markup: Html, status: number): Response {
  return new Response(markup.toString(), {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  });
}

async function load(
  query: URLSearchParams,
  deps: PlanDeps,
): Promise<{ readonly shown: ComparePage; readonly status: number }> {
  const form = formOf(query);
  const everyWeights = query.get("all") === "1";
  const nothing: ComparePage = {
    form,
    everyWeights,
    errors: {},
    rows: [],
    problem: null,
    here: await hereOf(deps),
    devices: deps.deviceNames(),
  };
  if (form.model === undefined) return { shown: nothing, status: 200 };
  const checked = requestOfForm(form);
  if (checked.status === "wrong") return { shown: { ...nothing, errors: checked.errors }, status: 422 };
  try {
    return { shown: { ...nothing, rows: await compared(checked.request, everyWeights, deps) }, status: 200 };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { shown: { ...nothing, problem: error }, status: statusOf(error) };
  }
}

/** Every weight of every engine on more machines than this is more than a page shows, and than a server should do at once. */
const MOST_WITH_EVERY_WEIGHT = 2;

/** Engine by engine: others are answered in between. @throws {AppError} */
async function compared(request: PlanRequest, everyWeights: boolean, deps: PlanDeps): Promise<readonly ComparedRow[]> {
  const devices = devicesOf(request.device);
  if (everyWeights && devices.length > MOST_WITH_EVERY_WEIGHT) {
    throw new AppError(
      "usage",
      `Cannot show all weights on ${devices.length} devices: ${MOST_WITH_EVERY_WEIGHT} are the most`,
      {
        hint: "name fewer devices, or look at the best of each",
      },
    );
  }
  const rows: ComparedRow[] = [];
  for (const device of devices) {
    const { input } = await deps.open({ ...request, device });
    for (const engine of ENGINES) {
      rows.push(...compareEngines({ ...input, summary: true }, { everyWeights, engines: [engine] }));
      await new Promise((done) => setTimeout(done));
    }
  }
  return rankRows(rows);
}

async function answer(text: string, deps: PlanDeps, report: (error: unknown) => void): Promise<Response> {
  try {
    return Response.json(compareJson(await compared(parseRequest(parseJson(text)), false, deps)));
  } catch (error) {
    const known = reported(error, report);
    return Response.json(errorJson(known), { status: statusOf(known) });
  }
}
