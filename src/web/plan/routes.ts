/** The Plan page and its API. A fragment and its page are made by the same functions; `HX-Request` decides which goes out. */
import { Elysia } from "elysia";
import { AppError } from "../../errors.ts";
import { plan } from "../../math/plan.ts";
import { parseRequest } from "../../request.ts";
import { bodyText } from "../body.ts";
import { errorBox, errorJson, reported, statusOf } from "../errors.ts";
import { type Html, html } from "../html.ts";
import { askedAnswer } from "./asked.ts";
import { batchResponse } from "./batch.ts";
import type { PlanDeps } from "./deps.ts";
import { type FormValues, formOf } from "./fields.ts";
import { parseJson } from "./json.ts";
import { hereOf, loadPage } from "./load.ts";
import { openApi } from "./openapi.ts";
import { requestOfForm } from "./request.ts";
import { type Found, foundFragment } from "./search-view.ts";
import { planMain, planPage, searchPage, startPage } from "./view.ts";

const MOST_HITS = 12;

/** @param report told of errors that no one caused */
export function planRoutes(deps: PlanDeps, version: string, report: (error: unknown) => void) {
  return new Elysia({ name: "plan" })
    .get("/", () => redirect("/plan"))
    .get("/plan", async ({ request }) => {
      const form = formOf(new URL(request.url).searchParams);
      if (form.model === undefined) return page(startPage(form, await deps.modelsOnDisk(), await hereOf(deps)), 200);
      const { page: shown, status } = await loadPage(form, deps);
      return page(isFragment(request) ? planMain(shown) : planPage(shown), status);
    })
    .get("/plan/search", async ({ request }) => {
      const form = formOf(new URL(request.url).searchParams);
      const found = await find(form.model ?? "", deps);
      return page(isFragment(request) ? foundFragment(found, form) : searchPage(found, form, await hereOf(deps)), 200);
    })
    .get("/plan/alive", () => new Response(null, { status: 204 }))
    .post(
      "/plan/ask",
      async ({ request }) => {
        const form = formOf(new URLSearchParams(await bodyText(request)));
        const { fragment, status } = await ask(form, deps, report);
        if (isFragment(request)) return page(fragment, status);
        const { page: shown } = await loadPage(form, deps);
        return page(planPage({ ...shown, asked: fragment }), status);
      },
      { parse: "none" },
    )
    .post("/api/plan", async ({ request }) => await answer(await bodyText(request), deps, report), { parse: "none" })
    .post(
      "/api/plan/batch",
      ({ request }) =>
        batchResponse(request.body, async (value) => plan((await deps.open(parseRequest(value))).input), report),
      { parse: "none" },
    )
    .get("/api/openapi.json", () => Response.json(openApi(version)));
}

function isFragment(request: Request): boolean {
  return request.headers.get("hx-request") === "true";
}

function page(markup: Html, status: number): Response {
  return new Response(markup.toString(), {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", vary: "HX-Request" },
  });
}

function redirect(to: string): Response {
  return new Response(null, { status: 302, headers: { location: to } });
}

async function answer(text: string, deps: PlanDeps, report: (error: unknown) => void): Promise<Response> {
  try {
    const asked = parseRequest(parseJson(text));
    const result = asked.askEngine ? await deps.ask(asked) : plan((await deps.open(asked)).input);
    if (result.error === undefined) return Response.json(result);
    throw new AppError("usage", result.error.message, { hint: result.error.hint });
  } catch (error) {
    const known = reported(error, report);
    return Response.json(errorJson(known), { status: statusOf(known) });
  }
}

async function find(asked: string, deps: PlanDeps): Promise<Found> {
  const words = asked.toLowerCase();
  const disk = (await deps.modelsOnDisk())
    .filter((model) => `${model.label} ${model.name} ${model.ref}`.toLowerCase().includes(words))
    .slice(0, MOST_HITS);
  // Two letters would match half the hub, and a path names no repository.
  if (asked.length < 3 || /^[./~]|\.gguf$/.test(asked)) return { asked, disk, hub: [], hubProblem: null };
  try {
    return { asked, disk, hub: (await deps.search(asked)).slice(0, MOST_HITS), hubProblem: null };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { asked, disk, hub: [], hubProblem: `${error.message}.` };
  }
}

async function ask(
  form: FormValues,
  deps: PlanDeps,
  report: (error: unknown) => void,
): Promise<{ readonly fragment: Html; readonly status: number }> {
  const checked = requestOfForm(form);
  if (checked.status === "wrong") {
    return { fragment: html`<p class="fielderr">${Object.values(checked.errors).join(" ")}</p>`, status: 422 };
  }
  try {
    return { fragment: askedAnswer(await deps.ask(checked.request)), status: 200 };
  } catch (error) {
    const known = reported(error, report);
    return { fragment: errorBox(known), status: statusOf(known) };
  }
}
