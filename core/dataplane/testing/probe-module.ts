import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { HostedModule, HostedModuleContext } from '../module-host.js';

/**
 * A module for tests: serves its entries as JSON on the port that the entry `port` names, and reports that port. Entries `fault`
 * and `crash` make it fail.
 */
export function createModule(context: HostedModuleContext): HostedModule {
  const entries = new Map<string, unknown>();
  let server: Server | undefined;
  let changes = 0;
  return {
    async apply({ set, deleted }) {
      changes += 1;
      for (const [key, value] of set) entries.set(key, value);
      for (const key of deleted) entries.delete(key);
      if (entries.has('fault')) throw new Error(String(entries.get('fault')));
      const port = entries.get('port');
      if (server || typeof port !== 'number') return;
      const fresh = createServer((request, response) => {
        if (request.url === '/crash') setImmediate(() => process.exit(7));
        response.setHeader('connection', 'close');
        response.end(JSON.stringify({ pid: process.pid, changes, entries: Object.fromEntries(entries) }));
      });
      await new Promise<void>((resolve, reject) => {
        fresh.once('error', reject);
        fresh.listen({ port, host: '127.0.0.1', reusePort: true }, resolve);
      });
      server = fresh;
      const address = fresh.address();
      context.report({ port: typeof address === 'object' ? address?.port : undefined });
    },
    async drain() {
      server?.closeIdleConnections();
      await new Promise<void>(resolve => (server ? server.close(() => resolve()) : resolve()));
    },
  };
}
