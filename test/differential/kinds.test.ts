import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import { cases } from './cases/index.js';
import type { Answer, Server } from './replay.js';
import { connect, replay } from './replay.js';

/** What upstream's API server answered, as `record.ts` wrote it down. */
function recorded(group: string): Record<string, Answer[]> {
  const file = new URL(`../../../test/differential/recorded/${group}.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { answers: Record<string, Answer[]> }).answers;
}

let running: RunningApiServer;
let server: Server;

beforeAll(async () => {
  running = await startApiServer();
  server = await connect(running.kubeconfig);
});

afterAll(async () => {
  server.agent.destroy();
  await running.stop();
});

for (const [group, list] of Object.entries(cases)) {
  describe(group, () => {
    const answers = recorded(group);
    it.each(list.map(one => [one.name, one] as const))('%s', async (name, one) => {
      expect(await replay(server, one)).toEqual(answers[name]);
    });
  });
}
