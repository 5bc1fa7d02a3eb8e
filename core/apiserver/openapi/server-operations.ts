import type { ApiOperation, ApiPath } from './operations.js';
import { groupTitle, groupVersionTitle, metaTypes, objectMedia } from './operations.js';

/** Paths that are no resource's: lists of versions, groups and resources, the version, the issuer. By the document they belong to. */
export function serverPaths(
  groupVersions: readonly { readonly group: string; readonly version: string }[],
): Map<string, ApiPath> {
  const paths = new Map<string, ApiPath>();
  const add = (key: string, operation: ApiOperation): void =>
    void paths.set(key, { path: `/${key}/`, parameters: [], operations: { get: operation } });
  const document = (id: string, tag: string, description: string, type: string): ApiOperation => ({
    id,
    tag,
    description,
    parameters: [],
    consumes: objectMedia,
    produces: objectMedia,
    answers: { 200: { type: `${metaTypes}.${type}` } },
  });
  add('api', document('getCoreAPIVersions', 'core', 'get available API versions', 'APIVersions'));
  add('apis', document('getAPIVersions', 'apis', 'get available API versions', 'APIGroupList'));
  for (const { group, version } of groupVersions) {
    const { tag } = groupTitle(group);
    const resources = `get${groupVersionTitle(group, version)}APIResources`;
    const key = group ? `apis/${group}/${version}` : `api/${version}`;
    add(key, document(resources, `${tag}_${version}`, 'get available resources', 'APIResourceList'));
    if (group)
      add(`apis/${group}`, document(`get${groupTitle(group).title}APIGroup`, tag, 'get information of a group', 'APIGroup'));
  }
  add('version', {
    ...document('getCodeVersion', 'version', 'get the version information for this server', ''),
    consumes: ['application/json'],
    produces: ['application/json'],
    answers: { 200: { type: 'io.k8s.apimachinery.pkg.version.Info' } },
  });
  const issuer = (id: string, tag: string, description: string, media: string): ApiOperation => ({
    id,
    tag,
    description,
    parameters: [],
    consumes: [],
    produces: [media],
    answers: { 200: 'text' },
  });
  add(
    '.well-known/openid-configuration',
    issuer(
      'getServiceAccountIssuerOpenIDConfiguration',
      'WellKnown',
      'OpenID configuration of the issuer of service account tokens',
      'application/json',
    ),
  );
  add(
    'openid/v1/jwks',
    issuer(
      'getServiceAccountIssuerOpenIDKeyset',
      'openid',
      'public keys of the issuer of service account tokens',
      'application/jwk-set+json',
    ),
  );
  return paths;
}
