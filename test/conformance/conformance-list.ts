import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The folder of what is no TypeScript: the list and the Go module. */
export const sourceDirectory = join(root, 'test', 'conformance');

/** One test of the list. */
export interface ConformanceTest {
  /** `sig-api-machinery` ... */
  readonly sig: string;
  readonly area: string;
  /** The full text that ginkgo knows it by; unique. */
  readonly name: string;
  /** It must have the cluster for itself. */
  readonly serial: boolean;
}

/** Areas whose tests pass or fail alike whether containers really run: they look at the API server and the controllers only. */
const areasWithoutContainers: ReadonlySet<string> = new Set([
  'authz-subjectreview',
  'certificates-csr',
  'chunking',
  'crd-openapi',
  'discovery',
  'dra-api',
  'endpoints',
  'events',
  'field-validation',
  'flowcontrol',
  'ingress-api',
  'lease',
  'limitrange',
  'mutating-admission-policy',
  'namespace',
  'node-api',
  'podtemplate-api',
  'resourcequota',
  'server-version',
  'servicecidr-ipaddress-api',
  'storage-api',
  'table',
  'validating-admission-policy',
  'watch',
]);

/** Reads the list: tab-separated columns under a line of headings, as README.md says. */
export function readConformanceList(
  text = readFileSync(join(sourceDirectory, 'conformance-1.36.tsv'), 'utf8'),
): ConformanceTest[] {
  const [headings, ...lines] = text.split('\n').filter(line => line !== '');
  const columns = headings!.split('\t');
  const at = (name: string): number => {
    const index = columns.indexOf(name);
    if (index < 0) throw new Error(`the list of tests has no column ${name}`);
    return index;
  };
  const [sig, area, test] = [at('sig'), at('area'), at('test')];
  return lines.map(line => {
    const cells = line.split('\t');
    const name = cells[test]!;
    return { sig: cells[sig]!, area: cells[area]!, name, serial: name.includes('[Serial]') };
  });
}

export function areasOf(tests: readonly ConformanceTest[]): string[] {
  return [...new Set(tests.map(test => test.area))].sort();
}

/** Whether a simulated node is enough. */
export function needsNoContainers(tests: readonly ConformanceTest[]): boolean {
  return tests.every(test => areasWithoutContainers.has(test.area));
}

/**
 * A regular expression for ginkgo that matches these tests and no other. Ginkgo puts the name of the suite and a space before the
 * text that it matches; no test's name ends with another's whole name.
 */
export function focusOf(tests: readonly ConformanceTest[]): string {
  return ` (${tests.map(test => test.name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})$`;
}
