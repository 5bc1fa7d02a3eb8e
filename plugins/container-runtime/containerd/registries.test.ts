import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authSection, hostsFiles, parseRegistries, readRegistries, writeHostsFiles } from './registries.js';

const example = `
mirrors:
  docker.io:
    endpoint:
      - "https://mirror.example:5000"
      - second.example
  registry.example:
    endpoint: ["https://mirror.example:5000/v2"]
    rewrite:
      "^(.*)$": "projects/copies/$1"
  odd.example:
    endpoint: ["https://mirror.example:5000"]
    rewrite:
      "^rancher/(.*)": "other/$1"
  "*":
    endpoint: ["http://10.0.0.1:5000"]
configs:
  "mirror.example:5000":
    auth: { username: someone, password: 1234 }
    tls: { ca_file: /etc/ca.pem, cert_file: /etc/client.pem, key_file: /etc/client.key }
  alone.example:
    tls: { insecure_skip_verify: true }
`;

describe('registries.yaml', () => {
  it('becomes hosts files', () => {
    const { files, warnings } = hostsFiles(parseRegistries(example, 'registries.yaml'));
    expect([...files.keys()].sort()).toEqual([
      '_default',
      'alone.example',
      'docker.io',
      'mirror.example:5000',
      'odd.example',
      'registry.example',
    ]);
    const tls = '  ca = ["/etc/ca.pem"]\n  client = [["/etc/client.pem", "/etc/client.key"]]\n';
    expect(files.get('docker.io')).toBe(
      'server = "https://registry-1.docker.io/v2"\ncapabilities = ["pull", "resolve", "push"]\n\n' +
        `[host."https://mirror.example:5000"]\n  capabilities = ["pull", "resolve"]\n${tls}\n` +
        '[host."https://second.example"]\n  capabilities = ["pull", "resolve"]\n',
    );
    expect(files.get('_default')).toBe('\n[host."http://10.0.0.1:5000"]\n  capabilities = ["pull", "resolve"]\n');
    expect(files.get('alone.example')).toBe(
      'server = "https://alone.example/v2"\ncapabilities = ["pull", "resolve", "push"]\nskip_verify = true\n',
    );
    expect(files.get('registry.example')).toContain(
      '[host."https://mirror.example:5000/v2/projects/copies"]\n  capabilities = ["pull", "resolve"]\n  override_path = true\n',
    );
    expect(files.get('odd.example')).not.toContain('mirror.example');
    expect(warnings).toEqual([expect.stringContaining('the rewrite of mirror "odd.example"')]);
  });

  it('puts credentials into the configuration', () => {
    expect(authSection(parseRegistries(example, 'registries.yaml'))).toBe(
      '\n[plugins."io.containerd.grpc.v1.cri".registry.configs."mirror.example:5000".auth]\n' +
        '  username = "someone"\n  password = "1234"\n',
    );
  });

  it('may be absent or empty, and is refused with the place where it is wrong', async () => {
    expect(parseRegistries('', 'f').mirrors.size).toBe(0);
    expect((await readRegistries('/nowhere/registries.yaml')).configs.size).toBe(0);
    const cases: [string, string][] = [
      ['mirror: {}', 'the file has the unknown key "mirror"'],
      ['- a', 'the file is no mapping'],
      ['mirrors: {a: {endpoint: x}}', 'mirrors."a".endpoint is no list'],
      ['mirrors: {a: {endpoint: ["://"]}}', 'mirrors."a".endpoint: "://" is no URL'],
      ['configs: {a: {auth: {user: x}}}', 'configs."a".auth has the unknown key "user"'],
      ['a: [', 'f: '],
    ];
    for (const [text, problem] of cases) {
      expect(() => parseRegistries(text, 'f')).toThrow(expect.objectContaining({ code: 'REGISTRIES_INVALID' }));
      expect(() => parseRegistries(text, 'f')).toThrow(problem);
    }
  });

  it('leaves nothing of an earlier file behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'registries-'));
    try {
      await writeHostsFiles(directory, new Map([['old.example', 'x']]));
      await writeHostsFiles(directory, new Map([['new.example:5000', 'server = ""\n']]));
      expect(readdirSync(directory)).toEqual(['new.example:5000']);
      expect(readFileSync(join(directory, 'new.example:5000', 'hosts.toml'), 'utf8')).toBe('server = ""\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
