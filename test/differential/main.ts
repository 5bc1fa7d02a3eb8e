import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { didYouMean } from '../../core/base/nearest-name.js';
import { MissingError } from '../conformance/go-programs.js';
import { startApiServer } from '../support/api-server.js';
import { cases } from './cases/index.js';
import { compareMutatingPolicies } from './compare-mutating-policies.js';
import { compareMutations } from './compare-mutations.js';
import { compareOpenApi } from './compare-openapi.js';
import { comparePolicies } from './compare-policies.js';
import { compareWebhooks } from './compare-webhooks.js';
import { firstDifference, same } from './difference.js';
import { auditFiles, compareAudit } from './compare-audit.js';
import { buildOracle } from './oracle.js';
import { connect, replay, send } from './replay.js';
import type { Answer, Server } from './replay.js';
import { knownKinds } from './seeds.js';

const usage = `npm run differential -- [GROUP ... | KIND ... | audit | mutating-policies | openapi | policies | webhooks] [--cases | --mutations] [--record] [--limit N]

Asks upstream's API server and ours the same and prints where the answers differ. GROUP is a file of test/differential/cases, KIND a kind
whose objects are changed in one place after another, openapi the documents of the API, policies what is answered
because of them, mutating-policies what they make of objects, webhooks what is told to them, too, audit what is written of requests. --record writes what upstream answers to
the cases.
Exits 0 when nothing differs, 1 when something does, 2 where Go is missing or an option or name is unknown.`;

const optionNames = ['--cases', '--mutations', '--record', '--limit', '--help'];

interface Options {
  readonly wanted: ReadonlySet<string>;
  readonly withAudit: boolean;
  readonly withCases: boolean;
  readonly withMutations: boolean;
  readonly withOpenApi: boolean;
  readonly withMutatingPolicies: boolean;
  readonly withPolicies: boolean;
  readonly withWebhooks: boolean;
  readonly record: boolean;
  readonly limit: number;
}

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const options = read(words);
  if (typeof options === 'string') {
    console.error(options === usage ? usage : `error: ${options}`);
    return options === usage ? 0 : 2;
  }
  try {
    const program = await buildOracle(line => console.error(line));
    let differences = await withServers(program, pair => compareAll(pair, options));
    // Upstream never follows parameters again whose kind the last policy had let go of, and both count: these need servers of their own.
    if (options.withPolicies) differences += await withServers(program, comparePolicies);
    if (options.withMutatingPolicies) differences += await withServers(program, compareMutatingPolicies);
    if (options.withAudit) differences += await withServers(program, compareAudit, true);
    if (options.record) console.log("upstream's answers are recorded; nothing was compared");
    else console.log(differences === 0 ? 'nothing differs' : `${differences} differences`);
    return differences === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof MissingError)) throw error;
    console.error(`error: ${error.message}`);
    return 2;
  }
}

interface Pair {
  readonly upstream: Server;
  readonly ours: Server;
}

async function compareAll({ upstream, ours }: Pair, options: Options): Promise<number> {
  let differences = 0;
  if (options.withCases) differences += await compareCases(upstream, ours, options);
  if (options.withMutations)
    differences += await compareMutations({ upstream, ours, wanted: options.wanted, limit: options.limit });
  if (options.withOpenApi) differences += await compareOpenApi({ upstream, ours });
  if (options.withWebhooks) differences += await compareWebhooks({ upstream, ours });
  return differences;
}

/** Both servers, new and empty, for one piece of work. */
async function withServers(
  program: string,
  work: (pair: Pair, directory: string) => Promise<number>,
  isAudited = false,
): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'differential-'));
  let oracle: ChildProcess | undefined;
  try {
    const kubeconfig = join(directory, 'upstream.yaml');
    const audit = isAudited ? await auditFiles(directory) : undefined;
    oracle = await startOracle(program, kubeconfig, audit?.flags);
    const upstream = await connect(kubeconfig);
    const running = await startApiServer(audit ? { audit: audit.settings } : {});
    const ours = await connect(running.kubeconfig);
    // Upstream's has its controller for this.
    await send(ours, {
      method: 'POST',
      path: '/api/v1/namespaces/default/serviceaccounts',
      body: { metadata: { name: 'default' } },
    });
    try {
      return await work({ upstream, ours }, directory);
    } finally {
      upstream.agent.destroy();
      ours.agent.destroy();
      await running.stop();
    }
  } finally {
    if (oracle) await end(oracle);
    await rm(directory, { recursive: true, force: true });
  }
}

function read(words: readonly string[]): Options | string {
  const wanted = new Set<string>();
  const flags = new Set<string>();
  let limit = 20;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--help') return usage;
    if (word === '--limit') {
      limit = Number(words[++at]);
      if (!Number.isInteger(limit) || limit < 1) return '--limit takes a whole number';
    } else if (optionNames.includes(word)) flags.add(word);
    else if (word.startsWith('-')) return `unknown option ${word}${didYouMean(word, optionNames)}; --help names them`;
    else wanted.add(word);
  }
  const known = ['audit', 'mutating-policies', 'openapi', 'policies', 'webhooks', ...Object.keys(cases), ...knownKinds()];
  for (const name of wanted) {
    if (!known.includes(name)) return `${name} is neither a kind that is compared nor a group of cases${didYouMean(name, known)}`;
  }
  const wantsAudit = wanted.delete('audit');
  const wantsOpenApi = wanted.delete('openapi');
  const wantsMutatingPolicies = wanted.delete('mutating-policies');
  const wantsPolicies = wanted.delete('policies');
  const wantsWebhooks = wanted.delete('webhooks');
  const isNamed = wantsAudit || wantsMutatingPolicies || wantsOpenApi || wantsPolicies || wantsWebhooks;
  const anything = wanted.size === 0 && !isNamed;
  const record = flags.has('--record');
  const all = !flags.has('--cases') && !flags.has('--mutations');
  const withCases = record || flags.has('--cases') || (all && (anything || [...wanted].some(name => name in cases)));
  const withMutations =
    !record && (flags.has('--mutations') || (all && (anything || [...wanted].some(name => !(name in cases)))));
  const withAudit = !record && all && (anything || wantsAudit);
  const withOpenApi = !record && all && (anything || wantsOpenApi);
  const withMutatingPolicies = !record && all && (anything || wantsMutatingPolicies);
  const withPolicies = !record && all && (anything || wantsPolicies);
  const withWebhooks = !record && all && (anything || wantsWebhooks);
  return {
    wanted,
    withAudit,
    withCases,
    withMutations,
    withOpenApi,
    withMutatingPolicies,
    withPolicies,
    withWebhooks,
    record,
    limit,
  };
}

async function compareCases(upstream: Server, ours: Server, { wanted, record }: Options): Promise<number> {
  let differences = 0;
  for (const [group, list] of Object.entries(cases)) {
    if (wanted.size > 0 && !wanted.has(group)) continue;
    const answers: Record<string, Answer[]> = {};
    for (const one of list) {
      const asked = Promise.all([replay(upstream, one), record ? [] : replay(ours, one)]);
      const [expected, given] = await asked;
      answers[one.name] = expected;
      if (record) continue;
      for (const [at, answer] of expected.entries()) {
        if (same(answer, given[at])) continue;
        differences++;
        console.log(`${group}, ${one.name}, step ${at + 1} (${one.steps[at]!.do}):`);
        console.log(firstDifference(answer, given[at]!));
      }
    }
    console.log(`${group}: ${list.length} cases`);
    if (!record) continue;
    const file = fileURLToPath(new URL(`../../../test/differential/recorded/${group}.json`, import.meta.url));
    writeFileSync(file, `${JSON.stringify({ recordedFrom: 'kube-apiserver v1.36.3', answers }, undefined, 1)}\n`);
  }
  return differences;
}

/** Starts upstream's server and resolves when it has written its kubeconfig and has the default service account, which pods need. */
async function startOracle(program: string, kubeconfig: string, flags: readonly string[] = []): Promise<ChildProcess> {
  const controllers = 'serviceaccount-controller,namespace-controller,clusterrole-aggregation-controller';
  const words = ['serve', '-port', String(await freePort()), '-kubeconfig', kubeconfig, '-controllers', controllers];
  if (flags.length > 0) words.push('--', ...flags);
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let listens = false;
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
      listens ||= said.includes('listens on');
    });
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`upstream's API server has ended: ${said}`);
    if (listens && existsSync(kubeconfig)) {
      const server = await connect(kubeconfig);
      const [answer] = await replay(server, {
        name: '',
        at: '/api/v1/namespaces/default/serviceaccounts/default',
        steps: [{ do: 'list' }],
      });
      server.agent.destroy();
      if (answer!.code === 200) return child;
    }
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  await end(child);
  throw new Error(`upstream's API server is not ready: ${said}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
