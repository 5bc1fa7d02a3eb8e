import { describe, expect, it } from '@jest/globals';
import { normalizeImageName } from './image-name.js';

describe('normalizeImageName', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  it.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27'],
    ['rancher/k3s', 'docker.io/rancher/k3s:latest'],
    ['localhost/x', 'localhost/x:latest'],
    ['registry:5000/a/b:v1', 'registry:5000/a/b:v1'],
    ['ghcr.io/a/b_c-d', 'ghcr.io/a/b_c-d:latest'],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    [`nginx:1@${digest}`, `docker.io/library/nginx:1@${digest}`],
    ['', undefined],
    ['Nginx', undefined],
    ['a//b', undefined],
    ['a b', undefined],
    ['nginx:', undefined],
  ])('%j is %j', (image, expected) => {
    expect(normalizeImageName(image)).toBe(expected);
  });
});
