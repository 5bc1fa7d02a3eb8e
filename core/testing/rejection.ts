import assert from 'node:assert/strict';
import { errorCode } from '../plugin-api/index.js';

/** Asserts that the promise rejects with the code, and hands out the error. */
export async function rejection(promise: Promise<unknown>, code: string): Promise<Error> {
  const outcome = await promise.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok('error' in outcome, `expected ${code}, but it was resolved`);
  assert.equal(errorCode(outcome.error), code, String(outcome.error));
  return outcome.error as Error;
}
