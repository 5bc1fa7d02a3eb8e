/** A CNI plugin with a fault: the template's, with something changed before or after it. `FAULT PROGRAM` are its arguments. */
import { spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';

const [fault, program] = process.argv.slice(2) as [string, string];
const { CNI_COMMAND: command, CNI_CONTAINERID: containerId = '', CNI_NETNS: namespace = '' } = process.env;
const input = JSON.parse(await text(process.stdin)) as Record<string, unknown>;

function sound(changes: Record<string, unknown> = {}): number {
  const given = JSON.stringify({ ...input, ...changes });
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { input: given });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  return status ?? 1;
}

function ip(...words: string[]): number {
  return spawnSync('ip', words).status ?? 1;
}

const faults: Readonly<Record<string, () => number>> = {
  'another-range': () => sound({ range: '10.99.0.0/24' }),
  'one-address': () => sound({ dataDirectory: `${String(input['dataDirectory'])}/${containerId}` }),
  'no-way-out': () => {
    const code = sound();
    if (command === 'ADD') spawnSync('nsenter', [`--net=${namespace}`, 'ip', 'route', 'delete', 'default']);
    return code;
  },
  'keeps-links': () => (command === 'DEL' ? 0 : sound()),
  'goes-once': () => {
    const before = spawnSync('ip', ['-brief', 'link', 'show', 'type', 'veth']).stdout.toString();
    return command === 'DEL' && before === '' ? 1 : sound();
  },
  'leaves-halves': () => {
    const code = sound();
    if (command === 'ADD' && code !== 0) ip('link', 'add', 'half0', 'type', 'veth', 'peer', 'name', 'half1');
    return code;
  },
  'keeps-addresses': () => sound(command === 'DEL' ? { dataDirectory: '/nowhere' } : {}),
  'old-version': () => {
    if (command !== 'VERSION') return sound();
    process.stdout.write(JSON.stringify({ cniVersion: '0.1.0', supportedVersions: ['0.1.0'] }));
    return 0;
  },
};

process.exitCode = faults[fault] ? faults[fault]() : sound();
