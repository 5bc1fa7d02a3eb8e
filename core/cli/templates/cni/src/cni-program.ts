/**
 * The CNI plugin: the container runtime runs it for each pod, with its wish in the environment and the configuration as input.
 * It imports nothing of k3s. Source: the CNI specification 1.0, section 2.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

interface Configuration {
  readonly cniVersion: string;
  readonly bridge: string;
  readonly range: string;
  readonly dataDirectory: string;
}

interface Wish {
  readonly command: string;
  readonly containerId: string;
  /** Path of the pod's network namespace; '' when it is gone. */
  readonly namespace: string;
  readonly link: string;
}

const execute = promisify(execFile);
const supportedVersions = ['0.3.1', '0.4.0', '1.0.0'];

async function answer(wish: Wish, configuration: Configuration): Promise<object | undefined> {
  const { cniVersion } = configuration;
  if (wish.command === 'VERSION') return { cniVersion, supportedVersions };
  if (!supportedVersions.includes(cniVersion)) throw new CniError(1, `CNI version ${cniVersion} is not supported`);
  if (wish.command === 'ADD') return add(wish, configuration);
  if (wish.command === 'DEL') return remove(wish, configuration);
  if (wish.command === 'CHECK') return check(wish);
  throw new CniError(4, `unknown CNI_COMMAND "${wish.command}"`);
}

async function add(wish: Wish, configuration: Configuration): Promise<object> {
  const { bridge } = configuration;
  const { gateway, length, address } = await takeAddress(wish, configuration);
  try {
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
    // Another pod may have made it in the meantime.
    await ip('link', 'add', bridge, 'type', 'bridge').catch(unless(/File exists/));
    const near = linkOf(wish);
    await run(
      'ip',
      ['-batch', '-'],
      [
        `address replace ${gateway}/${length} dev ${bridge}`,
        `link set ${bridge} up`,
        `link add ${near} type veth peer name ${wish.link} netns ${wish.namespace}`,
        `link set ${near} up master ${bridge}`,
        // A pod may reach itself through a Service.
        `link set ${near} type bridge_slave hairpin on`,
      ],
    );
    await run(
      'nsenter',
      [`--net=${wish.namespace}`, 'ip', '-batch', '-'],
      [
        'link set lo up',
        `address add ${address}/${length} dev ${wish.link}`,
        `link set ${wish.link} up`,
        `route add default via ${gateway}`,
      ],
    );
  } catch (error) {
    await remove(wish, configuration);
    throw error;
  }
  return {
    cniVersion: configuration.cniVersion,
    interfaces: [{ name: wish.link, sandbox: wish.namespace }],
    ips: [{ address: `${address}/${length}`, gateway, interface: 0 }],
    routes: [{ dst: '0.0.0.0/0', gw: gateway }],
    dns: {},
  };
}

/** What is gone already is fine. */
async function remove(wish: Wish, { dataDirectory }: Configuration): Promise<undefined> {
  await ip('link', 'delete', linkOf(wish)).catch(unless(/Cannot find device/));
  for (const file of await readdir(dataDirectory).catch(() => [])) {
    const owner = await readFile(join(dataDirectory, file), 'utf8').catch(() => '');
    if (owner === ownerOf(wish)) await rm(join(dataDirectory, file), { force: true });
  }
  return undefined;
}

async function check(wish: Wish): Promise<undefined> {
  await ip('link', 'show', linkOf(wish));
  await run('nsenter', [`--net=${wish.namespace}`, 'ip', 'link', 'show', wish.link]);
  return undefined;
}

/** One file an address, so that programs that run at the same time never take the same. */
async function takeAddress(
  wish: Wish,
  { range, dataDirectory }: Configuration,
): Promise<{ gateway: string; length: string; address: string }> {
  const [network = '', length = ''] = range.split('/');
  const base = network.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const at = (host: number): string => [24, 16, 8, 0].map(shift => Math.floor((base + host) / 2 ** shift) % 256).join('.');
  await mkdir(dataDirectory, { recursive: true });
  const taken = new Set(await readdir(dataDirectory));
  for (let host = 2; host < 2 ** (32 - Number(length)) - 1; host++) {
    const address = at(host);
    if (taken.has(address)) continue;
    try {
      await writeFile(join(dataDirectory, address), ownerOf(wish), { flag: 'wx' });
      return { gateway: at(1), length, address };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  throw new CniError(11, `no address is free in ${range}`);
}

/** The near end of the pod's link. */
function linkOf(wish: Wish): string {
  return `pod${createHash('sha256').update(ownerOf(wish)).digest('hex').slice(0, 10)}`;
}

function ownerOf({ containerId, link }: Wish): string {
  return `${containerId} ${link}`;
}

function ip(...words: readonly string[]): Promise<void> {
  return run('ip', words);
}

/** Rejects with what the tool says. */
async function run(program: string, words: readonly string[], input: readonly string[] = []): Promise<void> {
  const running = execute(program, words);
  // A tool that ends early does not read; why it ended is told below.
  running.child.stdin!.on('error', () => undefined).end(input.join('\n'));
  await running;
}

function unless(expected: RegExp): (error: Error) => void {
  return error => {
    if (!expected.test(error.message)) throw error;
  };
}

class CniError extends Error {
  /** As the specification numbers them; from 100 on a plugin's own. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const environment = process.env;
try {
  const result = await answer(
    {
      command: environment['CNI_COMMAND'] ?? '',
      containerId: environment['CNI_CONTAINERID'] ?? '',
      namespace: environment['CNI_NETNS'] ?? '',
      link: environment['CNI_IFNAME'] ?? '',
    },
    JSON.parse(await text(process.stdin)) as Configuration,
  );
  if (result) process.stdout.write(JSON.stringify(result));
} catch (error) {
  const { message } = error as Error;
  const code = error instanceof CniError ? error.code : 100;
  process.stdout.write(JSON.stringify({ cniVersion: '1.0.0', code, msg: message.trim() }));
  process.exitCode = 1;
}
