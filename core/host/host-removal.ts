import { rm } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import { CodedError } from '../base/errors.js';
import type { Links } from './links.js';
import type { NftFamily, Nftables } from './nftables.js';

/** An entry of the ledger, as far as removal needs it. */
export interface HostThing {
  readonly kind: string;
  readonly name: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** What somebody made on the host and recorded in the ledger, taken away. Something that is gone already is fine. */
export type HostRemovals = Readonly<Record<string, (thing: HostThing) => Promise<void>>>;

/**
 * How to remove, by the ledger's kinds: `nftables-table` (`FAMILY NAME`), `link`, `route` (a range, with `link` in the detail),
 * `file`, `directory`. Pods' links go with their network namespaces; a bridge may be removed with pods still on it.
 */
export function networkRemovals(tools: { readonly nftables: Nftables; readonly links: Links }): HostRemovals {
  const { nftables, links } = tools;
  return {
    'nftables-table': async ({ name }) => {
      const [family, table] = name.split(' ');
      if (!family || !table || !/^[a-z0-9]+$/.test(family) || !/^[a-zA-Z][\w-]*$/.test(table)) throw invalid('table', name);
      await nftables.deleteTable(family as NftFamily, table);
    },
    link: ({ name }) => links.remove(name),
    route: async ({ name, detail }) => {
      const link = detail?.['link'];
      await links.removeRoute(name.includes(':') ? 6 : 4, name, typeof link === 'string' ? link : undefined);
    },
    file: ({ name }) => rm(checkedPath(name), { force: true }),
    directory: ({ name }) => rm(checkedPath(name), { force: true, recursive: true }),
  };
}

/** A ledger that somebody changed must not become the reason that a system folder is emptied. */
function checkedPath(path: string): string {
  const plain = normalize(path).replace(/\/+$/, '');
  if (!isAbsolute(plain) || plain !== path.replace(/\/+$/, '') || plain.split('/').length < 4) throw invalid('path', path);
  return plain;
}

function invalid(what: string, name: string): CodedError {
  return new CodedError('REMOVAL_REFUSED', `the ledger names the ${what} ${JSON.stringify(name)}, which is not removed`, {
    mend: 'remove it by hand if it is yours',
  });
}
