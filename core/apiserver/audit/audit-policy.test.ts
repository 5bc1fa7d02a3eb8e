import { describe, expect, it } from '@jest/globals';
import { pathAttributes, resourceAttributes } from '../auth/authorizer.js';
import type { AuditedAttributes } from './audit-policy.js';
import { AuditPolicy } from './audit-policy.js';
import { parsePolicy } from './audit-policy-file.js';

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';
const jane = { name: 'jane', groups: ['people', 'system:authenticated'] };
const asked = (given: Partial<AuditedAttributes> = {}): AuditedAttributes => ({
  ...resourceAttributes({ user: jane, verb: 'get', resource: 'pods', namespace: 'default', name: 'p' }),
  ...given,
});
const path = (url: string): AuditedAttributes => pathAttributes(jane, 'get', url);

async function level(rules: string, attributes: AuditedAttributes): Promise<string> {
  const { policy } = await parsePolicy(`${head}rules:\n- {level: Metadata, ${rules}}\n`);
  return new AuditPolicy(policy).decide(attributes).level;
}

describe('an audit policy', () => {
  it.each([
    ['users: [jane]', asked(), 'Metadata'],
    ['users: [joe]', asked(), 'None'],
    ['users: [jane]', asked({ user: undefined }), 'None'],
    ['userGroups: [others, people]', asked(), 'Metadata'],
    ['userGroups: [others]', asked(), 'None'],
    ['userGroups: [people]', asked({ user: undefined }), 'None'],
    ['verbs: [list, get]', asked(), 'Metadata'],
    ['verbs: [list]', asked(), 'None'],
    ['namespaces: [default]', asked(), 'Metadata'],
    ['namespaces: [other]', asked(), 'None'],
    ['namespaces: [""]', asked({ namespace: '' }), 'Metadata'],
    ['namespaces: [default]', path('/version'), 'None'],
    ['resources: [{group: ""}]', asked(), 'Metadata'],
    ['resources: [{group: apps}]', asked(), 'None'],
    ['resources: [{group: "*", resources: [pods]}]', asked({ group: 'apps' }), 'Metadata'],
    ['resources: [{resources: [pods]}]', asked(), 'Metadata'],
    ['resources: [{resources: [pods]}]', asked({ subresource: 'log' }), 'None'],
    ['resources: [{resources: [pods/log]}]', asked({ subresource: 'log' }), 'Metadata'],
    ['resources: [{resources: [pods/log]}]', asked(), 'None'],
    ['resources: [{resources: ["pods/*"]}]', asked({ subresource: 'log' }), 'Metadata'],
    ['resources: [{resources: ["pods/*"]}]', asked(), 'Metadata'],
    ['resources: [{resources: ["*/log"]}]', asked({ subresource: 'log' }), 'Metadata'],
    ['resources: [{resources: ["*/log"]}]', asked(), 'None'],
    ['resources: [{resources: ["*"]}]', asked({ subresource: 'log' }), 'Metadata'],
    ['resources: [{resources: [pods], resourceNames: [p]}]', asked(), 'Metadata'],
    ['resources: [{resources: [pods], resourceNames: [q]}]', asked(), 'None'],
    ['nonResourceURLs: [/version]', path('/version'), 'Metadata'],
    ['nonResourceURLs: [/version]', path('/version/x'), 'None'],
    ['nonResourceURLs: ["/health*"]', path('/healthz'), 'Metadata'],
    ['nonResourceURLs: ["*"]', path('/healthz'), 'Metadata'],
    ['nonResourceURLs: ["*"]', asked(), 'None'],
  ])('with %s', async (rules, attributes, expected) => {
    expect(await level(rules, attributes)).toBe(expected);
  });

  it('is that of the first rule, whose stages are left out beside those of all', async () => {
    const { policy } = await parsePolicy(
      `${head}omitStages: [Panic]\nomitManagedFields: true\nrules:\n` +
        '- {level: Request, verbs: [get], omitStages: [RequestReceived], omitManagedFields: false}\n- {level: Metadata}\n',
    );
    const all = new AuditPolicy(policy);
    expect(all.decide(asked())).toEqual({
      level: 'Request',
      omitStages: new Set(['Panic', 'RequestReceived']),
      omitManagedFields: false,
    });
    expect(all.decide(asked({ verb: 'list' }))).toEqual({
      level: 'Metadata',
      omitStages: new Set(['Panic']),
      omitManagedFields: true,
    });
  });
});

describe('the file of an audit policy', () => {
  const stages = 'allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic';
  const levels = 'supported values: "None", "Metadata", "Request", "RequestResponse"';
  it.each([
    ['rules: [{level: Metadata}]', `failed decoding: Object 'Kind' is missing in '{"rules":[{"level":"Metadata"}]}'`],
    [
      'apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: Metadata}]',
      'failed decoding: no kind "Policy" is registered for version "audit.k8s.io/v1beta1" in scheme "k8s.io/apiserver/pkg/audit/scheme.go:30"',
    ],
    [`${head}rules: []`, 'loaded illegal policy with 0 rules'],
    [head, 'loaded illegal policy with 0 rules'],
    [`${head}rules: [{}]`, 'rules[0].level: Required value'],
    [`${head}rules: [{level: All}]`, `rules[0].level: Unsupported value: "All": ${levels}`],
    [
      `${head}omitStages: [Never]\nrules: [{level: None, omitStages: [Late]}]`,
      `[omitStages[0]: Invalid value: "Never": ${stages}, rules[0].omitStages[0]: Invalid value: "Late": ${stages}]`,
    ],
    [
      `${head}rules: [{level: None, nonResourceURLs: [x]}]`,
      `rules[0].nonResourceURLs[0]: Invalid value: "x": non-resource URL rules must begin with a '/' character`,
    ],
    [
      `${head}rules: [{level: None, nonResourceURLs: [/x*/y]}]`,
      `rules[0].nonResourceURLs[0]: Invalid value: "/x*/y": non-resource URL wildcards '*' must be the final character of the rule`,
    ],
    [
      `${head}rules: [{level: None, nonResourceURLs: [/x], namespaces: [a]}]`,
      'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
    [
      `${head}rules: [{level: None, resources: [{group: apps/v1}]}]`,
      /^rules\[0\]\.resources\.group: Invalid value: "apps\/v1": a lowercase RFC 1123 subdomain must consist of/,
    ],
    [
      `${head}rules: [{level: None, resources: [{resourceNames: [a]}]}]`,
      'rules[0].resources.resourceNames: Invalid value: ["a"]: using resourceNames requires at least one resource',
    ],
    ['rules: [', /^failed decoding: /],
    ['[]', 'failed decoding: "[]" is not a Policy'],
    [`${head}rules: 7`, /^failed decoding: json: cannot unmarshal number/],
  ])('that says %j is refused', async (text, message) => {
    await expect(parsePolicy(text)).rejects.toThrow(typeof message === 'string' ? new Error(message) : message);
  });

  it('may have fields that nobody knows, which is told', async () => {
    const { warning } = await parsePolicy(`${head}rules: [{level: None, user: jane}]`);
    expect(warning).toBe('strict decoding error: unknown field "rules[0].user"');
  });
});
