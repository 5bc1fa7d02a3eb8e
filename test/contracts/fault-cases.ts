import type { SuiteCase } from '../../core/testing/test-runner.js';

/** The titles of those among the cases that fail, in the suite's order. One after the other: all are on one network. */
export async function brokenBy(cases: readonly SuiteCase[], among: readonly string[]): Promise<string[]> {
  const broken: string[] = [];
  for (const { title, body } of cases) {
    if (among.includes(title)) await body().catch(() => broken.push(title));
  }
  return broken;
}
