import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { podNameLabel, podNamespaceLabel, podUidLabel, terminationFile, terminationPolicy } from './runtime-labels.js';

const fileLimitBytes = 4096;
const logLimitBytes = 2048;
const logLimitLines = 80;

/**
 * The last words of a container that ended on this host: what it wrote to its termination message path, or the end of its log
 * where it asked for that and failed without a word. Source: pkg/kubelet/kuberuntime getTerminationMessage.
 */
export async function withTerminationMessage(state: ContainerState, podLogsDir: string): Promise<ContainerState> {
  if (state.state !== 'exited' || state.message) return state;
  const file = terminationFile(state.annotations);
  let message = file ? await readStart(file) : '';
  if (message === '' && state.exitCode !== 0 && terminationPolicy(state.annotations) === 'FallbackToLogsOnError') {
    const { [podNamespaceLabel]: namespace, [podNameLabel]: name, [podUidLabel]: uid } = state.labels;
    message = await readLogEnd(join(podLogsDir, `${namespace}_${name}_${uid}`, state.name, `${state.attempt}.log`));
  }
  return message === '' ? state : { ...state, message };
}

async function readStart(path: string): Promise<string> {
  return readPart(path, fileLimitBytes, false);
}

async function readLogEnd(path: string): Promise<string> {
  // Records carry a time and flags, so more is read than is shown.
  const text = await readPart(path, logLimitBytes * 4, true);
  const lines = text
    .split('\n')
    .map(line => /^\S+ (?:stdout|stderr) (\S+) (.*)$/s.exec(line))
    .filter(match => match !== null)
    .slice(-logLimitLines)
    .map(match => `${match[2]}${match[1]!.startsWith('P') ? '' : '\n'}`);
  const bytes = Buffer.from(lines.join(''));
  return bytes.subarray(Math.max(0, bytes.length - logLimitBytes)).toString();
}

async function readPart(path: string, limitBytes: number, end: boolean): Promise<string> {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    // The pod's files may be gone before its container.
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, limitBytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await handle.read(buffer, 0, length, end ? size - length : 0);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await handle.close();
  }
}
