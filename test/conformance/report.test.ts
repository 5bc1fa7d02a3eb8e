import { describe, expect, it } from '@jest/globals';
import type { Report } from './report.js';
import { isSetup, junitReport, markdownReport, plainReport, replaceScore } from './report.js';

const test = (area: string, name: string) => ({ sig: 'sig-x', area, name, serial: false });
const chosen = [test('watch', 'w1'), test('watch', 'w2 <&"|>'), test('lease', 'l1'), test('lease', 'l2')];
const report: Report = {
  chosen,
  list: [...chosen, test('watch', 'w3')],
  results: [
    { name: 'w1', outcome: 'passed', seconds: 1.25, message: 'passed', location: '' },
    { name: 'w2 <&"|>', outcome: 'failed', seconds: 2, message: 'got a | b\u001b[0m', location: 'apimachinery/watch.go:7' },
    { name: 'l1', outcome: 'skipped', seconds: 0, message: 'needs two nodes', location: '' },
    { name: '[BeforeSuite]', outcome: 'failed', seconds: 0, message: 'no nodes', location: '' },
  ],
  date: '2026-01-02 03:04',
  commit: 'abc1234',
  command: 'npm run conformance -- --all',
  suite: "upstream's suite v1.36.3",
  cluster: 'one simulated node',
  minutes: 3,
  standIns: ['registry.k8s.io/pause:3 (ours)'],
};

describe('the plain report', () => {
  it('has a line for each area, a total and the failing assertions', () => {
    const lines = plainReport(report).split('\n');
    expect(lines.slice(0, 4).map(line => line.split(/ {2,}/))).toEqual([
      ['area', 'passed', 'failed', 'skipped', 'not run', 'of'],
      ['lease', '0', '0', '1', '1', '2'],
      ['watch', '1', '1', '0', '0', '3'],
      ['all of these', '1', '1', '1', '1', '5'],
    ]);
    expect(lines.slice(5)).toEqual([
      'Failed:',
      '[BeforeSuite] no nodes',
      'watch: w2 <&"|>',
      '    got a | b\u001b[0m',
      '    at apimachinery/watch.go:7',
      '',
    ]);
  });
});

describe('the page', () => {
  it('says when, what and how, and what stood in', () => {
    const text = markdownReport(report);
    expect(text).toContain('**1 of 4** passed: 2026-01-02 03:04, commit `abc1234`');
    expect(text).toContain('| watch | 1 | 1 | 0 | 0 | 3 |');
    expect(text).toContain('w2 &lt;&"\\|> | got a \\| b');
    expect(text).toContain('Stand-ins: registry.k8s.io/pause:3 (ours).');
  });

  it('gets a new score between its marks', () => {
    const page = 'before\n<!-- score: begin -->\nold\n<!-- score: end -->\nafter\n';
    expect(replaceScore(page, 'new\n')).toBe('before\n<!-- score: begin -->\n\nnew\n\n<!-- score: end -->\nafter\n');
  });

  it('is refused without marks', () => {
    expect(() => replaceScore('nothing', 'new')).toThrow('no place for the score');
  });
});

describe('JUnit', () => {
  it('has every chosen test once, escaped, without control characters', () => {
    const text = junitReport(report);
    expect(text.match(/<testcase /g)).toHaveLength(4);
    expect(text).toContain('tests="4" failures="1" skipped="2"');
    expect(text).toContain('name="w2 &lt;&amp;&quot;|&gt;" classname="watch" time="2.000"><failure message="got a | b[0m">');
    expect(text).toContain('<skipped message="not run">');
    expect(text).not.toContain('\u001b');
  });
});

it('a failure of the setup is told from a test of that kind of name', () => {
  expect(report.results.map(isSetup)).toEqual([false, false, false, true]);
});
