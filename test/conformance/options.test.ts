import { describe, expect, it } from '@jest/globals';
import { areasOf, focusOf, needsNoContainers, readConformanceList } from './conformance-list.js';
import { OptionsError, chooseTests, parseOptions } from './options.js';

const list = readConformanceList();
const choose = (...words: string[]) => chooseTests(parseOptions(words, {}), list);

describe('the list', () => {
  it('has all tests of the release, each once', () => {
    expect(list).toHaveLength(446);
    expect(new Set(list.map(test => test.name)).size).toBe(446);
    expect(list.every(test => test.name.startsWith(`[${test.sig}] `) && test.name.includes('[Conformance]'))).toBe(true);
    expect(list.filter(test => test.serial)).toHaveLength(29);
    expect(areasOf(list)).toContain('field-validation');
  });

  it('is matched by name, and no name by the end of another', () => {
    for (const test of list) {
      const focus = new RegExp(focusOf([test]));
      expect(list.filter(other => focus.test(`Kubernetes e2e suite ${other.name}`))).toEqual([test]);
    }
    expect(focusOf(list).length).toBeLessThan(128 * 1024);
  });
});

describe('the choice of tests', () => {
  it('is by area, by expression, or all', () => {
    const areas = choose('--area', 'watch', '--area', 'lease').map(test => test.area);
    expect(areas.sort()).toEqual(['lease', ...Array(5).fill('watch')]);
    expect(choose('--focus', 'Lease lease API').map(test => test.area)).toEqual(['lease']);
    expect(choose('--all')).toHaveLength(446);
  });

  it('tells whether containers are needed', () => {
    expect(needsNoContainers(choose('--area', 'watch'))).toBe(true);
    expect(needsNoContainers(choose('--area', 'watch', '--area', 'probes'))).toBe(false);
  });

  it.each([
    [['--area', 'wathc'], '--area wathc: no such area'],
    [['--focus', 'no such test'], '--focus no such test: no test of the list has such a name'],
    [['--focus', '('], '--focus (: Invalid regular expression'],
    [['--all', '--area', 'watch'], '--area, --focus and --all exclude each other'],
    [[], 'say what to run'],
    [['--all', '--parallel', '0'], '--parallel 0: a whole number from 1 to 64'],
    [['--all', '--simulated', '--real'], '--simulated, --real and the variable KUBECONFIG exclude each other'],
    [['--bad'], "Unknown option '--bad'"],
    [['watch'], "Unexpected argument 'watch'"],
  ])('refuses %j in one line', (words, problem) => {
    let message = '';
    try {
      choose(...words);
    } catch (error) {
      expect(error).toBeInstanceOf(OptionsError);
      message = (error as Error).message;
    }
    expect(message).toContain(problem);
    expect(message).not.toContain('\n');
  });

  it('takes the cluster of KUBECONFIG', () => {
    expect(parseOptions(['--all'], { KUBECONFIG: '/k' }).cluster).toBe('given');
    expect(parseOptions(['--all'], {}).cluster).toBeUndefined();
    expect(() => parseOptions(['--all', '--real'], { KUBECONFIG: '/k' })).toThrow(OptionsError);
  });
});
