import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load as parseYaml } from 'js-yaml';
import { launch } from '../support/command-line.js';
import type { CommandLineProcess } from '../support/command-line.js';

/** A package of a stranger that brings everything that a plugin may bring. It imports `k3s-ts/plugin` and nothing else of ours. */
const source = `
import { AdmissionPlugin, ApiTransport, CodedError, Client, ContainerModule, contractToken, definePlugin, ExposedMetrics, forbidden,
  HttpRoutes, noEffect, Part, PluginOptions, Resources, SharedInformerFactory, Clock, Logger, refused, works } from 'k3s-ts/plugin';

const identity = { name: 'system:serviceaccount:kube-system:shop', groups: ['system:serviceaccounts', 'system:authenticated'] };

class Shop {
  name = 'shop';
  counted = 0;
  constructor(transport, options, clock, logger) {
    Object.assign(this, { transport, options, clock, logger });
  }

  // HTTP routes below /plugins/shop.
  async handle({ method, path, query, caller, body }) {
    if (path === '/broken') throw new Error('a detail for the log');
    if (path === '/nothing') return undefined;
    if (path === '/refused') throw forbidden({ group: '', resource: 'shops', name: 'one' }, 'closed');
    if (method === 'POST') return { status: 201, body: Buffer.from(await body()) };
    return { body: { path, q: query.get('q'), caller: caller.name, greeting: this.options.greeting, counted: this.counted } };
  }

  // Metrics.
  text() {
    return '# TYPE shop_config_maps gauge\\nshop_config_maps{namespace="default"} ' + this.counted + '\\n';
  }

  // Admission.
  handles({ group, resource, operation }) {
    return group === '' && resource === 'configmaps' && operation === 'CREATE';
  }
  mutate({ object, namespace }) {
    if (namespace === 'default') (object.metadata.labels ??= {}).shop = 'seen';
  }
  validate({ object }) {
    if (object.metadata.name === 'forbidden-by-shop') throw forbidden({ group: '', resource: 'configmaps', name: object.metadata.name }, 'not in this shop');
  }

  // A controller, as the account that its own manifests bound to a role.
  async start() {
    const client = new Client(this.transport, identity, 'shop');
    this.informers = new SharedInformerFactory({ client, clock: this.clock, logger: this.logger });
    const isOurs = ({ object }) => object.metadata.namespace === 'default';
    this.informers.informer(Resources.ConfigMaps).addHandler({ added: entry => void (isOurs(entry) && this.counted++) });
    this.informers.start();
  }
  async stop() {
    await this.informers?.stop();
  }
}

const rbac = 'rbac.authorization.k8s.io';
export const plugin = definePlugin({
  id: 'shop',
  slot: 'controllers',
  contract: 1,
  requires: ['apiserver', 'core'],
  provides: ['admission', 'http-routes', 'exposed-metrics'].map(id => contractToken({ id, contract: 1 })),
  options: { greeting: { default: 'hello', format: String }, rules: { default: [], format: Array } },
  flags: {
    'shop-greeting': { option: 'greeting', kind: 'string', summary: 'what it says', environment: 'SHOP_GREETING' },
    'shop-arg': { option: 'rules', kind: 'list', summary: 'flag=value for the shop' },
  },
  arguments: {
    flag: 'shop-arg',
    name: 'the shop',
    table: { colour: noEffect('it is grey'), doors: refused('a building', '1'), size: works('how big', () => undefined) },
  },
  commands: {
    shop: {
      summary: 'prints its words',
      usage: 'WORD ...',
      load: async () => ({
        async run(words) {
          if (words.includes('--help')) throw new Error('k3s answers this');
          if (words[0] === 'fail') throw new CodedError('SHOP', 'closed', { mend: 'come tomorrow' });
          if (words[0] === 'nonsense') return 'yes';
          console.log(words.join('+'));
          return words.length;
        },
      }),
    },
    shelf: {
      summary: 'helps itself',
      ownHelp: true,
      load: async () => ({ run: async words => (console.log(words.join('+')), words.length) }),
    },
    server: { summary: 'stands in the way of nobody', load: async () => ({ run: async () => 0 }) },
  },
  manifests: [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'shop', namespace: 'kube-system' } },
    { apiVersion: rbac + '/v1', kind: 'ClusterRole', metadata: { name: 'shop' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] }] },
    { apiVersion: rbac + '/v1', kind: 'ClusterRoleBinding', metadata: { name: 'shop' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'shop' },
      subjects: [{ kind: 'ServiceAccount', name: 'shop', namespace: 'kube-system' }] },
  ],
  load: async () => ({
    module: new ContainerModule(({ bind }) => {
      // The API server injects what the plugin brings: it must not need the API server to be made, and gets its way to it later.
      bind(Shop).toResolvedValue((options, clock, logger) => new Shop(undefined, options, clock, logger), [PluginOptions, Clock, Logger]);
      for (const token of [AdmissionPlugin, HttpRoutes, ExposedMetrics]) bind(token).toService(Shop);
      bind(Part).toResolvedValue(
        (shop, transport) => {
          shop.transport = transport;
          return { start: () => shop.start(), stop: () => shop.stop() };
        },
        [Shop, ApiTransport],
      );
    }),
  }),
});`;

let dir: string;
let server: CommandLineProcess;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type: string;
}

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } }[];
  readonly users: readonly {
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string };
  }[];
}

/** As the administrator, or as nobody. */
async function ask(method: string, path: string, body = '', anonymous = false): Promise<Answer> {
  const { clusters, users } = parseYaml(await readFile(join(dir, 'k3s.yaml'), 'utf8')) as Kubeconfig;
  const pem = (text: string): Buffer => Buffer.from(text, 'base64');
  const { user } = users[0]!;
  const agent = new Agent({
    ca: pem(clusters[0]!.cluster['certificate-authority-data']),
    ...(!anonymous && { cert: pem(user['client-certificate-data']), key: pem(user['client-key-data']) }),
  });
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const sent = request(new URL(path, clusters[0]!.cluster.server), { method, agent, headers }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        agent.destroy();
        resolve({ status: response.statusCode!, text, type: response.headers['content-type'] ?? '' });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const configMap = (name: string): Promise<Answer> =>
  ask(
    'POST',
    '/api/v1/namespaces/default/configmaps',
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } }),
  );

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'contributions-'));
  const home = join(dir, 'node_modules', 'k3s-plugin-shop');
  await mkdir(home, { recursive: true });
  const manifest = { name: 'k3s-plugin-shop', version: '1.2.3', type: 'module', exports: './index.js', keywords: ['k3s-plugin'] };
  await writeFile(join(home, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(home, 'index.js'), source);
  await writeFile(join(dir, 'config.yaml'), 'plugins: [k3s-plugin-shop]\n');
  const words = ['server', '--preset', 'sandbox', '--data-dir', join(dir, 'data'), '--write-kubeconfig', join(dir, 'k3s.yaml')];
  server = launch(dir, [...words, '--shop-greeting', 'good day', '--shop-arg=colour=red', '--debug'], {
    spawn: { timeout: 60_000 },
  });
  await server.printed('started');
}, 60_000);

afterAll(async () => {
  server.child.kill('SIGTERM');
  const { code } = await server.outcome;
  await rm(dir, { recursive: true, force: true });
  expect(code).toBe(0);
}, 30_000);

describe("a stranger's plugin brings", () => {
  it('routes below its own path, for those whom RBAC lets through, with a flag of its own', async () => {
    const { status, text, type } = await ask('GET', '/plugins/shop/a/b?q=1');
    expect([status, type]).toEqual([200, 'application/json']);
    expect(JSON.parse(text)).toMatchObject({ path: '/a/b', q: '1', caller: 'system:admin', greeting: 'good day' });
    expect(JSON.parse((await ask('GET', '/plugins/shop')).text)).toMatchObject({ path: '/', q: null });
    expect(await ask('POST', '/plugins/shop', 'bytes')).toMatchObject({
      status: 201,
      text: 'bytes',
      type: 'application/octet-stream',
    });
    expect((await ask('GET', '/plugins/shop', '', true)).status).toBe(401);
    expect((await ask('GET', '/plugins/other')).status).toBe(404);
    expect((JSON.parse((await ask('GET', '/')).text) as { paths: string[] }).paths).toContain('/plugins/shop');
  });

  it('answers that are wrong, which stay its own fault', async () => {
    for (const path of ['/plugins/shop/broken', '/plugins/shop/nothing']) {
      const { status, text } = await ask('GET', path);
      expect([status, text]).toEqual([500, expect.not.stringContaining('a detail for the log')]);
      expect(JSON.parse(text)).toMatchObject({ kind: 'Status', message: expect.stringContaining('the plugin shop failed') });
    }
    expect((await ask('GET', '/plugins/shop/refused')).status).toBe(403);
  });

  it('a controller with rights of its own manifests, admission rules and metrics', async () => {
    const made = await configMap('one');
    expect(made.status).toBe(201);
    expect(JSON.parse(made.text)).toMatchObject({ metadata: { labels: { shop: 'seen' } } });
    expect(await configMap('forbidden-by-shop')).toMatchObject({
      status: 403,
      text: expect.stringContaining('not in this shop'),
    });
    const role = await ask('GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/shop');
    expect(JSON.parse(role.text)).toMatchObject({ metadata: { labels: { 'k3s-ts.io/owner': 'shop' } } });
    // The controller counts what it was told of: kube-root-ca.crt and ours, sooner or later.
    let metrics = '';
    for (const deadline = Date.now() + 10_000; !/^shop_config_maps\{namespace="default"\} [1-9]/m.test(metrics);) {
      if (Date.now() > deadline) throw new Error(metrics);
      metrics = (await ask('GET', '/metrics')).text;
    }
    expect(metrics).toContain('# TYPE apiserver_request_total counter');
  });

  it('a table for its arguments', async () => {
    const view = (argument: string) => launch(dir, ['config', 'check', '--preset', 'sandbox', `--shop-arg=${argument}`]).outcome;
    expect((await view('colour=red')).errors).toBe('warning: --shop-arg colour=red has no effect: it is grey\n');
    expect((await view('doors=2')).errors).toMatch(/^error: --shop-arg doors=2 needs a building/);
    expect((await view('siz=2')).errors).toMatch(/the shop has no argument "siz" that is known here \(did you mean "size"\?\)/);
    expect(await view('size=2')).toMatchObject({ code: 0, errors: '' });
  });

  it('commands of its own, named when they fail', async () => {
    for (const words of [
      ['shelf', 'a', '--help', 'b', '--config', join(dir, 'config.yaml')],
      ['--config', join(dir, 'config.yaml'), 'shelf', 'a', '--help', 'b'],
      ['shop', 'a', 'b', '-c', '--config', join(dir, 'config.yaml')],
    ]) {
      const output = words.includes('shop') ? 'a+b+-c\n' : 'a+--help+b\n';
      expect(await launch(dir, words).outcome).toEqual({ code: 3, output, errors: '' });
    }
    const failed = await launch(dir, ['shop', 'fail']).outcome;
    expect([failed.code, failed.errors]).toEqual([
      1,
      'error: k3s shop of plugin shop (k3s-plugin-shop) failed: closed (come tomorrow)\n',
    ]);
    expect((await launch(dir, ['shop', 'nonsense']).outcome).errors).toContain('gave no exit code from 0 to 255');
    const twin = `import { definePlugin } from 'k3s-ts/plugin';
      const commands = { shop: { summary: 'twice', load: async () => ({ run: async () => 0 }) } };
      export const plugin = definePlugin({ id: 'twin', slot: 'controllers', contract: 1, commands, load: async () => ({}) });`;
    await writeFile(join(dir, 'twin.js'), twin);
    const both = ['shop', '--plugin', 'k3s-plugin-shop', '--plugin=./twin.js'];
    expect((await launch(dir, both).outcome).errors).toBe(
      'error: two plugins bring the command "shop": shop (k3s-plugin-shop) and twin (./twin.js) ' +
        '(name only one of them by --plugin or in the configuration)\n',
    );
    expect((await launch(dir, ['shp']).outcome).errors).toBe(
      'error: unknown command "shp" (did you mean "shop"?) (see "k3s --help")\n',
    );
  });

  it('help for its commands and flags, whatever else is broken', async () => {
    const shown = [
      ['shop', '--help'],
      ['shop', 'a', '-h'],
      ['help', 'shop'],
      ['--plugin=k3s-plugin-shop', '--help', 'shop'],
    ].map(words => launch(dir, words).outcome);
    for (const { code, output } of await Promise.all(shown)) {
      expect([code, output]).toEqual([0, expect.stringMatching(/^Usage: k3s shop WORD \.\.\.\n\nprints its words\n/)]);
    }
    const all = await launch(dir, ['--help']).outcome;
    expect(all).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^ {2}shop +prints its words \[shop \(k3s-plugin-shop\)\]$/m),
    });
    expect(all.output.match(/^ {2}server /gm)).toHaveLength(1);
    expect(all.errors).toBe(
      'warning: the command "server" of plugin shop (k3s-plugin-shop) cannot be called: k3s has one of that name\n',
    );
    expect((await launch(dir, ['server', '--help']).outcome).output).toContain('--shop-greeting <value>');
    await writeFile(join(dir, 'broken.js'), 'export const = 3;');
    const broken = ['--plugin', './broken.js', '--plugin', 'k3s-plugin-shop'];
    const warning = 'warning: --plugin ./broken.js cannot be loaded: Unexpected token';
    const helped = [
      ['--help', ...broken],
      ['help', ...broken],
      ['shop', '--help', ...broken],
      ['server', '--help', ...broken],
    ].map(async words => ({ words, ...(await launch(dir, words).outcome) }));
    for (const { words, code, output, errors } of await Promise.all(helped)) {
      expect([words, code, errors]).toEqual([words, 0, expect.stringContaining(warning)]);
      expect(output).toMatch(/prints its words|--shop-greeting/);
    }
    const unknown = await launch(dir, ['shp', ...broken]).outcome;
    expect([unknown.code, unknown.errors.split('\n')]).toEqual([
      1,
      [
        'error: unknown command "shp" (did you mean "shop"?) (see "k3s --help")',
        expect.stringContaining('error: --plugin ./broken.js cannot be loaded'),
        '',
      ],
    ]);
    const noFile = await launch(dir, ['--help', '--config', './none.yaml']).outcome;
    expect([noFile.code, noFile.errors]).toEqual([
      0,
      expect.stringContaining('warning: configuration file ./none.yaml does not exist'),
    ]);
  });
});
