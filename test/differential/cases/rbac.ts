import type { Case } from '../replay.js';

const base = '/apis/rbac.authorization.k8s.io/v1';
const roles = `${base}/namespaces/default/roles`;
const clusterRoles = `${base}/clusterroles`;
const bindings = `${base}/namespaces/default/rolebindings`;
const clusterBindings = `${base}/clusterrolebindings`;

const named = (name: string): object => ({ metadata: { name } });
const rule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };

export const rbacCases: readonly Case[] = [
  {
    name: 'Role: what is wrong with its rules',
    at: roles,
    steps: [
      {
        do: 'create',
        body: {
          ...named('a/b'),
          rules: [{}, { verbs: ['get'], nonResourceURLs: ['/x'], resources: ['pods'] }, { verbs: [], apiGroups: [''] }, rule],
        },
      },
    ],
  },
  {
    name: 'Role: create, update, table',
    at: roles,
    steps: [
      { do: 'create', body: { ...named('system:role'), rules: [rule] } },
      { do: 'update', patch: { rules: [{ ...rule, verbs: ['list'] }] } },
      { do: 'update', patch: { rules: [{ verbs: ['list'] }] } },
      { do: 'table' },
    ],
  },
  {
    name: 'Role: nobody hands out what they do not hold',
    at: roles,
    steps: [
      {
        do: 'create',
        body: { ...named('editor-rights'), rules: [{ verbs: ['create', 'update'], apiGroups: [''], resources: ['pods'] }] },
      },
      {
        do: 'create',
        at: bindings,
        body: {
          ...named('may-write-roles'),
          // Not `admin` itself, whose rules a controller gathers.
          roleRef: { kind: 'ClusterRole', name: 'system:aggregate-to-admin' },
          subjects: [{ kind: 'User', name: 'jane' }],
        },
      },
      {
        do: 'create',
        at: bindings,
        body: {
          ...named('edits'),
          roleRef: { kind: 'Role', name: 'editor-rights' },
          subjects: [{ kind: 'User', name: 'jane' }],
        },
      },
      {
        do: 'create',
        body: { ...named('fine'), rules: [{ verbs: ['create'], apiGroups: [''], resources: ['pods'] }] },
        as: 'jane',
      },
      { do: 'create', body: { ...named('too-much'), rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] }, as: 'jane' },
      {
        do: 'create',
        at: bindings,
        body: { ...named('too-much'), roleRef: { kind: 'ClusterRole', name: 'cluster-admin' }, subjects: [] },
        as: 'jane',
      },
      {
        do: 'create',
        at: bindings,
        body: { ...named('no-such'), roleRef: { kind: 'Role', name: 'missing' }, subjects: [] },
        as: 'jane',
      },
    ],
  },
  {
    name: 'ClusterRole: aggregation and paths',
    at: clusterRoles,
    steps: [
      { do: 'create', body: { ...named('paths'), rules: [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }] } },
      { do: 'create', body: { ...named('none'), aggregationRule: {} } },
      {
        do: 'create',
        body: {
          ...named('selectors'),
          aggregationRule: {
            clusterRoleSelectors: [
              { matchLabels: { 'a b': 'c' } },
              { matchLabels: { a: 'c d' } },
              { matchExpressions: [{ key: 'a', operator: 'Near' }] },
            ],
          },
        },
      },
      {
        do: 'create',
        body: { ...named('gathers'), aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'RoleBinding: subjects and roleRef',
    at: bindings,
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong'),
          roleRef: { kind: 'Thing', apiGroup: 'apps' },
          subjects: [
            {},
            { kind: 'User', name: 'u', apiGroup: 'x' },
            { kind: 'Group', name: 'g' },
            { kind: 'ServiceAccount', name: 'A_b', apiGroup: 'y' },
            { kind: 'ServiceAccount', name: '' },
          ],
        },
      },
      {
        do: 'create',
        body: {
          ...named('right'),
          roleRef: { kind: 'ClusterRole', name: 'view' },
          subjects: [
            { kind: 'User', name: 'u' },
            { kind: 'User', name: 'v' },
            { kind: 'Group', name: 'g' },
            { kind: 'ServiceAccount', name: 's', namespace: 'n' },
          ],
        },
      },
      { do: 'update', patch: { roleRef: { name: 'edit' } } },
      { do: 'update', patch: { subjects: null } },
      { do: 'table' },
    ],
  },
  {
    name: 'ClusterRoleBinding',
    at: clusterBindings,
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong'),
          roleRef: { kind: 'Role', name: 'a%b' },
          subjects: [{ kind: 'ServiceAccount', name: 's' }],
        },
      },
      { do: 'create', body: named('empty') },
      {
        do: 'create',
        body: { ...named('right'), roleRef: { kind: 'ClusterRole', name: 'view' }, subjects: [{ kind: 'User', name: 'u' }] },
      },
      { do: 'table' },
    ],
  },
];
