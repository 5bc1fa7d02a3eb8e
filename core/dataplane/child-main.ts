import { writeSync, closeSync } from 'node:fs';
import { errorText } from '../base/errors.js';
import { ChildServer } from './child-server.js';

const drainGraceMs = 30_000;
const readyDescriptor = 3;
const maximumFaults = 100;

/** The child's whole program: `node child-entry.js DIRECTORY SOCKET BUILD`. Ends at SIGTERM, after a drain. */
export async function runChild([directory, socket, build]: readonly string[]): Promise<void> {
  if (directory === undefined || socket === undefined || build === undefined) {
    throw new Error('needs a directory, the path of a socket, and the name of the build');
  }
  process.umask(0o077);
  process.title = 'k3s dataplane';
  const logLine = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  const server = new ChildServer({ directory, socket, build, logLine });
  let draining = false;
  process.on('SIGTERM', () => {
    if (draining) return;
    draining = true;
    server.drain(drainGraceMs).then(
      () => process.exit(0),
      (error: unknown) => {
        logLine(errorText(error));
        process.exit(1);
      },
    );
  });
  // A fault at one request must not take everybody's names and routes away, least of all while nobody is there to start us again.
  let faults = 0;
  process.on('uncaughtException', error => {
    logLine(`uncaught: ${error.stack ?? errorText(error)}`);
    if (++faults >= maximumFaults) process.exit(1);
  });
  // Signals of a terminal are for the control process; this one is in a session of its own and outlives it.
  process.on('SIGHUP', () => undefined);
  await server.start();
  writeSync(readyDescriptor, 'ready\n');
  closeSync(readyDescriptor);
}
