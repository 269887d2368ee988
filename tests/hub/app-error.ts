/** For tests of refusals: the AppError that a promise ends with, and nothing else will do. */
import { AppError } from "../../src/errors.ts";

export async function errorOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("an AppError was wanted, and there was none");
}

export function errorIn(run: () => unknown): AppError {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("an AppError was wanted, and there was none");
}
