#!/usr/bin/env node
// The command `k3s`: runs the built program with the pinned Node, whatever Node the machine has.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fs.realpathSync(fileURLToPath(import.meta.url))), '..');
const main = path.join(root, 'dist', 'core', 'cli', 'main.js');
const pinned = path.join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
const major = Number(process.versions.node.split('.', 1)[0]);

if (!fs.existsSync(main)) {
  process.stderr.write('error: k3s is not built yet: run "npm run setup" in its directory first\n');
  process.exit(1);
}
if (major < 24 && !fs.existsSync(pinned)) {
  process.stderr.write(
    `error: k3s needs Node 24 or newer, this is ${process.versions.node}: run "npm run setup", which brings one\n`,
  );
  process.exit(1);
}
const node = fs.existsSync(pinned) ? pinned : process.execPath;
const { nodeEnvironment, nodeFlags } = await import(pathToFileURL(path.join(root, 'dist', 'core', 'cli', 'node-flags.js')).href);
const env = { ...nodeEnvironment, ...process.env };
const words = [...nodeFlags, main, ...process.argv.slice(2)];
// Newer Nodes can become the other program; with an older one this process stays and hands signals on.
if (process.execve) process.execve(node, [node, ...words], env);
const child = spawn(node, words, { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
child.on('error', error => {
  process.stderr.write(`error: ${node} cannot be run: ${error.message}\n`);
  process.exitCode = 1;
});
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9 }[signal] ?? 15);
});
