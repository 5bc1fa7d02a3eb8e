/** The functions of a test runner that a contract suite needs: Jest's, Vitest's, node:test's ... */
export interface TestRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}

/** A contract suite that knows what it tests. */
export type Suite = (runner: TestRunner) => void;

export interface SuiteCase {
  /** With the names of the groups around it: `writes: a stale update conflicts`. */
  readonly name: string;
  /** Without them. */
  readonly title: string;
  readonly body: () => Promise<void>;
}

/** A suite's cases as functions, in their order. */
export function casesOf(suite: Suite): SuiteCase[] {
  const cases: SuiteCase[] = [];
  const groups: string[] = [];
  const describe = (name: string, body: () => void): void => {
    groups.push(name);
    body();
    groups.pop();
  };
  suite({ describe, it: (title, body) => cases.push({ name: [...groups, title].join(': '), title, body }) });
  return cases;
}
