import type { ConformanceTest } from './conformance-list.js';

export type Outcome = 'passed' | 'failed' | 'skipped';

/** How a test ended, or a part of the suite's setup (its name is in brackets then). */
export interface Result {
  readonly name: string;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** The failing assertion, or the reason of a skip. */
  readonly message: string;
  /** Package, file and line of upstream's source. */
  readonly location: string;
}

/** The score of an area. */
export interface Score {
  readonly area: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Chosen, but neither passed, failed nor skipped: the run was cut short. */
  readonly notRun: number;
  /** How many the list has. */
  readonly listed: number;
}

/** One line of what suite/results_test.go writes; undefined when it is none. */
export function parseResult(line: string): Result | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, state, seconds, message, location } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof state !== 'string') return undefined;
  return {
    name,
    // Ginkgo also knows panicked, timedout, aborted and interrupted.
    outcome: state === 'passed' || state === 'skipped' ? state : 'failed',
    seconds: typeof seconds === 'number' ? seconds : 0,
    message: typeof message === 'string' && message !== '' ? message : state,
    location: typeof location === 'string' ? location : '',
  };
}

/** Cuts a stream of text into lines as it arrives. */
export class Lines {
  #rest = '';

  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    return lines.filter(line => line !== '');
  }
}

/** One score for each area that was chosen, sorted. A test that ran twice counts by its last result. */
export function scoresOf(
  chosen: readonly ConformanceTest[],
  results: readonly Result[],
  list: readonly ConformanceTest[],
): Score[] {
  const byName = new Map(results.map(result => [result.name, result]));
  const areas = [...new Set(chosen.map(test => test.area))].sort();
  return areas.map(area => {
    const outcomes = chosen.filter(test => test.area === area).map(test => byName.get(test.name)?.outcome);
    const count = (outcome: Outcome | undefined): number => outcomes.filter(other => other === outcome).length;
    return {
      area,
      passed: count('passed'),
      failed: count('failed'),
      skipped: count('skipped'),
      notRun: count(undefined),
      listed: list.filter(test => test.area === area).length,
    };
  });
}

export function totalOf(scores: readonly Score[]): Score {
  const sum = (key: 'passed' | 'failed' | 'skipped' | 'notRun' | 'listed'): number =>
    scores.reduce((total, score) => total + score[key], 0);
  return {
    area: 'all of these',
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    notRun: sum('notRun'),
    listed: sum('listed'),
  };
}

/**
 * What an assertion says, on one line: gomega prints whole objects after its sentences, which tell little and differ from run to run.
 */
export function assertionOf(result: Result, most = 300): string {
  const lines = result.message.split('\n').map(line => line.replace(/<[^<>]+ \| 0x[0-9a-f]+[^<>]*>:?/g, '').trim());
  const end = lines.findIndex(line => /^(\{|metadata:|ErrStatus:.*)$/.test(line));
  const text = (end > 0 ? lines.slice(0, end) : lines).filter(Boolean).join(' ');
  return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}
