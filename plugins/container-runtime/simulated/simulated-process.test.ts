import { describe, expect, it } from '@jest/globals';
import { planProcess } from './simulated-process.js';

const environment = { hostname: 'web-0', variables: new Map([['NAME', 'world']]) };

describe('planProcess', () => {
  it.each([
    [['true'], 0],
    [['/bin/false'], 1],
    [['exit', '3'], 3],
    [['nginx', '-g', 'daemon off;'], undefined],
    [['sleep', 'infinity'], undefined],
    [['sh', '-c', 'exit 42'], 42],
    [['/bin/bash', '-ec', 'mkdir /x && touch /x/y; exit 2'], 2],
    [['sh', '-c', 'while true; do date; sleep 1; done'], undefined],
    [['sh', '-c', 'false || exit 7'], 7],
    [['sh', '-c', 'true && false'], 1],
    [['sh', '-c', 'false\ntrue'], 0],
    [[], undefined],
  ])('%j ends with %j', (words, exitCode) => {
    expect(planProcess(words, environment).exitCode).toBe(exitCode);
  });

  it('knows what is printed, and when', () => {
    expect(planProcess(['sh', '-c', 'echo "hello $NAME"; sleep 1.5; echo \'$NAME\'; hostname'], environment)).toEqual({
      steps: [
        { type: 'output', text: 'hello world' },
        { type: 'wait', ms: 1500 },
        { type: 'output', text: '$NAME' },
        { type: 'output', text: 'web-0' },
      ],
      exitCode: 0,
    });
    expect(planProcess(['env'], environment).steps).toEqual([{ type: 'output', text: 'NAME=world' }]);
  });
});
