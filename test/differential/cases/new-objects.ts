import type { Case, Step } from '../replay.js';

const inDefault = (resource: string): string => `/api/v1/namespaces/default/${resource}`;
const post = (path: string, body: object): Step => ({ do: 'request', method: 'POST', path, body });

/** What only the store looks at, after everything else was checked: also in a dry run, which never gets there. */
function versioned(name: string, { at, right, wrong }: { at: string; right: object; wrong: object }): Case {
  const metadata = { name: 'versioned', resourceVersion: '5' };
  const generated = { generateName: 'versioned-', resourceVersion: '5' };
  const dry = `${at}?dryRun=All`;
  return {
    name: `${name} with a version`,
    at,
    steps: [
      post(dry, { ...right, metadata }),
      post(at, { ...right, metadata }),
      post(dry, { ...wrong, metadata }),
      post(at, { ...wrong, metadata }),
      // A generated name is different each time, and stands in messages.
      { do: 'request', method: 'POST', path: dry, body: { ...right, metadata: generated }, bare: true },
      post(at, { ...right, metadata: generated }),
      { do: 'create', body: { ...right, metadata: { name: 'versioned' } } },
      post(dry, { ...right, metadata }),
      post(at, { ...right, metadata }),
    ],
  };
}

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };

export const newObjectCases: readonly Case[] = [
  versioned('ConfigMap', { at: inDefault('configmaps'), right: { data: { a: 'b' } }, wrong: { data: { 'a b': 'c' } } }),
  versioned('Service', {
    at: inDefault('services'),
    right: { spec: { ports: [{ port: 80 }] } },
    wrong: { spec: { ports: [{ port: 0 }] } },
  }),
  versioned('Namespace', { at: '/api/v1/namespaces', right: {}, wrong: { metadata: {}, spec: { finalizers: ['a b'] } } }),
  versioned('Deployment', {
    at: '/apis/apps/v1/namespaces/default/deployments',
    right: { spec: { selector: { matchLabels: { app: 'web' } }, template } },
    wrong: { spec: { selector: { matchLabels: { app: 'other' } }, template } },
  }),
  versioned('ClusterRole', {
    at: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    right: { rules: [] },
    wrong: { rules: [{ verbs: [] }] },
  }),
  {
    name: 'versions that are no number above nought',
    at: inDefault('configmaps'),
    steps: ['0', '00', '007', '-1', 'a', '18446744073709551615', '18446744073709551616', ' 1', '+1'].flatMap(
      (resourceVersion, index): Step[] => [
        post(`${inDefault('configmaps')}?dryRun=All`, { metadata: { name: `odd-${index}`, resourceVersion } }),
        { do: 'create', body: { metadata: { name: `odd-${index}`, resourceVersion } } },
      ],
    ),
  },
  {
    name: 'names that are taken',
    at: inDefault('configmaps'),
    steps: [
      { do: 'create', body: { metadata: { name: 'taken', finalizers: ['example.com/hold'] } } },
      post(inDefault('configmaps'), { metadata: { name: 'taken' } }),
      post(inDefault('configmaps'), { metadata: { name: 'taken', generateName: 'taken-' } }),
      post(`${inDefault('configmaps')}?dryRun=All`, { metadata: { name: 'taken', generateName: 'taken-' } }),
      { do: 'delete' },
      post(inDefault('configmaps'), { metadata: { name: 'taken' } }),
      post(inDefault('configmaps'), { metadata: { name: 'taken', generateName: 'taken-' } }),
      post(`${inDefault('configmaps')}?dryRun=All`, { metadata: { name: 'taken' } }),
      { do: 'update', patch: { metadata: { finalizers: null } } },
    ],
  },
];
