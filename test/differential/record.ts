import { writeFileSync } from 'node:fs';
import { cases } from './cases/index.js';
import { connect, replay } from './replay.js';
import type { Answer } from './replay.js';

/**
 * Asks upstream's API server (`scripts/schema serve` keeps one running) every case and writes down what it answers:
 * `node dist/test/differential/record.js KUBECONFIG DIRECTORY [GROUP ...]`.
 */
const [kubeconfig = '', directory = '', ...wanted] = process.argv.slice(2);
const server = await connect(kubeconfig);
for (const [group, list] of Object.entries(cases)) {
  if (wanted.length && !wanted.includes(group)) continue;
  const answers: Record<string, Answer[]> = {};
  for (const one of list) answers[one.name] = await replay(server, one);
  const text = JSON.stringify({ recordedFrom: 'kube-apiserver v1.36.3', answers }, undefined, 1);
  writeFileSync(`${directory}/${group}.json`, `${text}\n`);
}
server.agent.destroy();
