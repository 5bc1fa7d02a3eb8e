#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// This file runs on whatever Node the machine has: it imports nothing of ours, and no newer names, until the version is right.
const neededMajor = 24;

if (Number(process.versions.node.split('.', 1)[0]) < neededMajor) await runWithPinnedNode();
else {
  nodeModule.enableCompileCache(join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'k3s-ts', 'compiled'));
  const { run } = await import('./run.js');
  // Timers of the clock do not keep the process; a command does until it has ended.
  const keepAlive = setInterval(() => undefined, 2 ** 30);
  try {
    process.exitCode = await run(process.argv);
  } finally {
    clearInterval(keepAlive);
  }
}

async function runWithPinnedNode(): Promise<void> {
  const file = fileURLToPath(import.meta.url);
  const node = join(file, `../../../../node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (!existsSync(node)) {
    process.stderr.write(`error: k3s needs Node ${neededMajor} or newer, this is ${process.versions.node} (npm ci brings one)\n`);
    process.exitCode = 1;
    return;
  }
  const { nodeEnvironment, nodeFlags } = await import('./node-flags.js');
  const child = spawn(node, [...nodeFlags, file, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...nodeEnvironment, ...process.env },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => child.kill(signal));
  child.on('error', error => {
    process.stderr.write(`error: ${node} cannot be run: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGKILL' ? 9 : 15);
  });
}
