import { AppError } from "../errors.ts";

/** Larger than any request or form of ours. */
const MAX_BODY = 256 * 1024;

/** @throws {AppError} when there is more of it than a form has */
export async function bodyText(request: Request): Promise<string> {
  const tooLong = new AppError("usage", `Cannot read the request: its body is longer than ${MAX_BODY} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY) throw tooLong;
  const text = await request.text();
  if (text.length > MAX_BODY) throw tooLong;
  return text;
}
