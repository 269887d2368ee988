/** POST /api/plan/batch: a JSON request a line in, a result a line out, in order, as they come. */
import { AppError } from "../../errors.ts";
import { errorJson, reported } from "../errors.ts";
import { parseJson } from "./json.ts";

/** A line longer than this is no request. */
const MAX_LINE = 64 * 1024;

export type AnswerLine = (value: unknown) => Promise<object>;

/** A bad line answers with `"status":"error"` and does not stop the rest. */
export function batchResponse(
  body: ReadableStream<Uint8Array> | null,
  answer: AnswerLine,
  report: (error: unknown) => void,
): Response {
  const lines = splitLines(body);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await lines.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(`${JSON.stringify(await answerLine(value, answer, report))}\n`));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
  return new Response(stream, { headers: { "content-type": "application/x-ndjson" } });
}

async function answerLine(
  line: string | AppError,
  answer: AnswerLine,
  report: (error: unknown) => void,
): Promise<object> {
  try {
    if (line instanceof AppError) throw line;
    return await answer(parseJson(line));
  } catch (error) {
    const { code, message, hint } = errorJson(reported(error, report));
    return { schema: "hwledger.plan/1", status: "error", error: { code, message, hint } };
  }
}

async function* splitLines(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string | AppError, undefined> {
  if (body === null) return undefined;
  const decoder = new TextDecoder();
  let rest = "";
  let skipping = false;
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      const line = rest.slice(0, end).trim();
      rest = rest.slice(end + 1);
      if (!skipping && line !== "") yield line;
      skipping = false;
    }
    if (rest.length <= MAX_LINE) continue;
    if (!skipping)
      yield new AppError("usage", `Cannot read a request: the line is longer than ${MAX_LINE} letters`, { hint: null });
    skipping = true;
    rest = "";
  }
  rest += decoder.decode();
  if (!skipping && rest.trim() !== "") yield rest.trim();
  return undefined;
}
