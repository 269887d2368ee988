/**
 * `plan --requests FILE|-`: one request a line in, one answer a line out, in order. Memory stays constant whatever the
 * number of lines: input is taken piece by piece, output leaves in pieces, and only the latest models are kept.
 */
import { stat } from "node:fs/promises";
import type { Config } from "../config.ts";
import { AppError } from "../errors.ts";
import type { PlanResult } from "../math/result.ts";
import { type PlanRequest, parseRequest } from "../request.ts";
import { EXIT } from "./command.ts";
import { writeAll } from "./output.ts";
import { createCommandPlanner, type Planner } from "./planner.ts";
import { errorObject } from "./print-error.ts";
import { readLines } from "./read-lines.ts";

/** Answers leave together once there are this many characters of them. */
const FLUSH_AT = 64 * 1024;

/** @returns done when every line has its answer, whatever the answers are */
export async function runRequests(from: string, summary: boolean, config: Config): Promise<number> {
  const planner = createCommandPlanner(config);
  const input = from === "-" ? Bun.stdin.stream() : await openInput(from);
  let waiting = "";
  for await (const lines of readLines(input)) {
    for (const line of lines) {
      if (line.text.trim() === "" && !line.tooLong) continue;
      const answered = answerLine({ planner, summary, config }, line);
      waiting += typeof answered === "string" ? answered : await answered;
      if (waiting.length >= FLUSH_AT) {
        writeAll(1, waiting);
        waiting = "";
      }
    }
    // Between pieces of input, so that a program that waits for its answer gets it.
    if (waiting !== "") {
      writeAll(1, waiting);
      waiting = "";
    }
  }
  return EXIT.done;
}

async function openInput(path: string): Promise<ReadableStream<Uint8Array>> {
  const found = await stat(path).catch(() => null);
  if (found === null) {
    throw new AppError("not_found", `Cannot read requests from "${path}": there is no such file`, {
      hint: "name a file of JSON lines, or - for standard input",
    });
  }
  if (found.isDirectory()) {
    throw new AppError("usage", `Cannot read requests from "${path}": it is a folder`, {
      hint: "name a file of JSON lines",
    });
  }
  return Bun.file(path).stream();
}

interface Line {
  readonly text: string;
  readonly tooLong: boolean;
  readonly number: number;
}

interface Answering {
  readonly planner: Planner;
  readonly summary: boolean;
  readonly config: Config;
}

/** A string at once where nothing has to be opened: no promise for each of a million lines. */
function answerLine({ planner, summary, config }: Answering, line: Line): string | Promise<string> {
  try {
    const request = readRequest(line);
    const result = request.askEngine ? ask(planner, request, summary, config) : planner.plan(request, summary);
    if (result instanceof Promise) return result.then(print, (error: unknown) => errorLine(line, error));
    return print(result);
  } catch (error) {
    return errorLine(line, error);
  }
}

async function ask(planner: Planner, request: PlanRequest, summary: boolean, config: Config): Promise<PlanResult> {
  const { planAndAsk } = await import("./ask-engine.ts");
  return await planAndAsk(planner, request, summary, config);
}

function readRequest(line: Line): PlanRequest {
  if (line.tooLong) {
    throw new AppError("usage", `Cannot read line ${line.number}: it is longer than a request can be`, {
      hint: "write one JSON object a line",
    });
  }
  return parseRequest(parseJson(line));
}

function parseJson(line: Line): unknown {
  try {
    return JSON.parse(line.text);
  } catch (cause) {
    throw noJson(line, cause);
  }
}

function noJson({ number }: Line, cause: unknown): AppError {
  return new AppError("usage", `Cannot read line ${number}: it is no JSON`, {
    hint: 'write {"model":"org/name"}',
    cause,
  });
}

function print(result: PlanResult): string {
  return `${JSON.stringify(result)}\n`;
}

function errorLine(line: Line, error: unknown): string {
  return `${JSON.stringify({ schema: "hwledger.plan/1", status: "error", line: line.number, error: errorObject(error) })}\n`;
}
