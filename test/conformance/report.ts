import type { ConformanceTest } from './conformance-list.js';
import { assertionOf, scoresOf, totalOf } from './results.js';
import type { Result, Score } from './results.js';

/** All that a report tells. */
export interface Report {
  readonly chosen: readonly ConformanceTest[];
  readonly list: readonly ConformanceTest[];
  readonly results: readonly Result[];
  readonly date: string;
  readonly commit: string;
  readonly command: string;
  /** Upstream's suite, and the kind of cluster. */
  readonly suite: string;
  readonly cluster: string;
  readonly minutes: number;
  /** Images that are not upstream's own. */
  readonly standIns: readonly string[];
}

/** A table for the terminal, then each failure with its assertion. */
export function plainReport(report: Report): string {
  const scores = scoresOf(report.chosen, report.results, report.list);
  const rows = [['area', 'passed', 'failed', 'skipped', 'not run', 'of'], ...[...scores, totalOf(scores)].map(cellsOf)];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  const table = rows.map(row =>
    row.map((cell, column) => (column ? cell.padStart(widths[column]!) : cell.padEnd(widths[0]!))).join('  '),
  );
  const failures = failuresOf(report).map(
    ({ area, result }) => `${area}: ${result.name}\n    ${assertionOf(result)}\n    at ${result.location || 'an unknown place'}`,
  );
  const others = report.results.filter(isSetup).map(result => `${result.name} ${assertionOf(result)}`);
  return [...table, ...(failures.length + others.length ? ['', 'Failed:', ...others, ...failures] : []), ''].join('\n');
}

/** The score as a block of Markdown. */
export function markdownReport(report: Report): string {
  const scores = scoresOf(report.chosen, report.results, report.list);
  const total = totalOf(scores);
  const lines = [
    `**${total.passed} of ${report.chosen.length}** passed: ${report.date}, commit \`${report.commit}\`, ${report.suite}, ${report.cluster}, ${report.minutes} minutes.`,
    '',
    '```sh',
    report.command,
    '```',
    '',
    '| area | passed | failed | skipped | not run | of |',
    '| --- | --: | --: | --: | --: | --: |',
    ...[...scores, total].map(score => `| ${cellsOf(score).join(' | ')} |`),
    '',
  ];
  for (const result of report.results.filter(isSetup)) lines.push(`${result.name} ${assertionOf(result)}`, '');
  const failures = failuresOf(report);
  if (failures.length) {
    lines.push('| failing test | assertion | upstream |', '| --- | --- | --- |');
    for (const { result } of failures) {
      lines.push(`| ${[result.name, assertionOf(result), result.location].map(escapeCell).join(' | ')} |`);
    }
    lines.push('');
  }
  if (report.standIns.length) lines.push(`Stand-ins: ${report.standIns.join('; ')}.`, '');
  return lines.join('\n');
}

/** One JUnit file for everything that was chosen. */
export function junitReport(report: Report): string {
  const byName = new Map(report.results.map(result => [result.name, result]));
  const cases = report.chosen.map(test => {
    const result = byName.get(test.name);
    const attributes = `name="${escapeXml(test.name)}" classname="${escapeXml(test.area)}" time="${(result?.seconds ?? 0).toFixed(3)}"`;
    if (result?.outcome === 'passed') return `    <testcase ${attributes}/>`;
    const message = result ? assertionOf(result) : 'not run';
    const kind = result?.outcome === 'failed' ? 'failure' : 'skipped';
    const body = result?.outcome === 'failed' ? escapeXml(`${result.message}\n${result.location}`) : '';
    return `    <testcase ${attributes}><${kind} message="${escapeXml(message)}">${body}</${kind}></testcase>`;
  });
  const total = totalOf(scoresOf(report.chosen, report.results, report.list));
  const attributes = `name="conformance" tests="${report.chosen.length}" failures="${total.failed}" skipped="${total.skipped + total.notRun}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite ${attributes} timestamp="${report.date}">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

const [begin, end] = ['<!-- score: begin -->', '<!-- score: end -->'];

/** The page with the score between its marks replaced. Throws when it has no marks. */
export function replaceScore(page: string, score: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no place for the score: put "${begin}" and "${end}" into it`);
  return `${page.slice(0, from + begin.length)}\n\n${score.trimEnd()}\n\n${page.slice(to)}`;
}

/** A failure of the suite's own setup, not of a test. */
export function isSetup(result: Result): boolean {
  return /^\[\w+\]$/.test(result.name) && result.outcome === 'failed';
}

function failuresOf(report: Report): { area: string; result: Result }[] {
  const areas = new Map(report.chosen.map(test => [test.name, test.area]));
  const last = new Map(report.results.map(result => [result.name, result]));
  return [...last.values()]
    .filter(result => result.outcome === 'failed' && areas.has(result.name))
    .map(result => ({ area: areas.get(result.name)!, result }))
    .sort((a, b) => `${a.area} ${a.result.name}`.localeCompare(`${b.area} ${b.result.name}`));
}

function cellsOf(score: Score): string[] {
  return [score.area, ...[score.passed, score.failed, score.skipped, score.notRun, score.listed].map(String)];
}

function escapeCell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function escapeXml(text: string): string {
  const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // XML 1.0 has no place for control characters, not even escaped.
  return text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, '').replace(/[&<>"]/g, char => escapes[char]!);
}
