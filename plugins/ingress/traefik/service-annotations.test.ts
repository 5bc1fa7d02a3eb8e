import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../core/plugin-api/index.js';
import { ingressService } from './entries.js';
import { readServiceAnnotations } from './service-annotations.js';

const prefix = 'traefik.ingress.kubernetes.io/service.';
const cookie = `${prefix}sticky.cookie`;

const service = (annotations: Record<string, string>): Service =>
  ({
    metadata: { namespace: 'default', name: 'web', annotations },
    spec: { ports: [{ name: 'http', port: 80 }] },
  }) as unknown as Service;

describe("Traefik's annotations of Services", () => {
  it('ask for a sticky cookie', () => {
    expect(readServiceAnnotations(service({ [cookie]: 'true' }))).toEqual({
      sticky: { name: expect.stringMatching(/^_[0-9a-f]{5}$/), attributes: ['Path=/'] },
      problems: [],
    });
    const all = {
      [cookie]: 'true',
      [`${cookie}.name`]: 'shop',
      [`${cookie}.secure`]: 'true',
      [`${cookie}.httponly`]: 'true',
      [`${cookie}.samesite`]: 'none',
      [`${cookie}.maxage`]: '42',
      [`${cookie}.path`]: '/foo',
      [`${cookie}.domain`]: 'foo.com',
    };
    const sticky = {
      name: 'shop',
      attributes: ['Path=/foo', 'Domain=foo.com', 'Max-Age=42', 'HttpOnly', 'Secure', 'SameSite=None'],
    };
    expect(readServiceAnnotations(service(all))).toEqual({ sticky, problems: [] });
    expect(ingressService(service(all)).sticky).toEqual(sticky);
  });

  it('may say what is so anyway', () => {
    const annotations = { [`${prefix}passhostheader`]: 'true', [`${prefix}nativelb`]: 'false', [cookie]: 'false', other: 'x' };
    expect(readServiceAnnotations(service(annotations))).toEqual({ problems: [] });
  });

  it.each([
    [{ [`${prefix}serverstransport`]: 'x@kubernetescrd' }, `the annotation ${prefix}serverstransport is not built`],
    [{ [`${prefix}passhostheader`]: 'false' }, `the annotation ${prefix}passhostheader is not built`],
    [{ [`${cookie}.partitioned`]: 'true' }, `the annotation ${cookie}.partitioned is not built`],
    [{ [`${prefix}serversscheme`]: 'ftp' }, `the annotation ${prefix}serversscheme must be one of http, https, h2c, not "ftp"`],
    [{ [cookie]: 'true', [`${cookie}.maxage`]: 'x' }, `${cookie}.maxage must be a whole number, not "x"`],
    [{ [cookie]: 'true', [`${cookie}.samesite`]: 'x' }, `${cookie}.samesite must be none, lax or strict, not "x"`],
    [
      { [cookie]: 'true', [`${cookie}.name`]: 'a b' },
      `${cookie}: a name, path or domain has a character that no cookie may have`,
    ],
    [
      { [cookie]: 'true', [`${cookie}.path`]: '/;x' },
      `${cookie}: a name, path or domain has a character that no cookie may have`,
    ],
    [
      { [cookie]: 'true', [`${cookie}.path`]: '/\r\nx: y' },
      `${cookie}: a name, path or domain has a character that no cookie may have`,
    ],
  ])('are named where they are not served: %j', (annotations, problem) => {
    expect(readServiceAnnotations(service(annotations as unknown as Record<string, string>)).problems).toEqual([problem]);
  });
});
