import type Router from '@koa/router';
import { existsSync, readFileSync } from 'node:fs';
import type { OpenApi } from './openapi.js';
import type { DescriptionLookup, TypeDescription } from './schema-builder.js';

const never = 'Thu, 31 Dec 2037 23:55:55 GMT';

/** `/openapi/v3` and its documents; a document asked for by its hash may be kept for ever. */
export function openApiRoutes(router: Router, openApi: () => OpenApi): void {
  router.get('/openapi/v3', context => {
    const { bytes } = openApi().index();
    // What Go makes of bytes that it is not told the type of.
    context.set('Content-Type', 'text/plain; charset=utf-8');
    context.body = bytes;
  });
  router.get('/openapi/v3/*key', context => {
    const document = openApi().document(String(context.params['key']));
    if (!document) {
      context.body = null;
      context.status = 404;
      return;
    }
    const asked = context.query['hash'];
    if (asked !== undefined && asked !== '' && asked !== document.hash) {
      context.redirect(`${context.path}?hash=${document.hash}`);
      context.status = 301;
      return;
    }
    if (asked) {
      context.set('Cache-Control', 'public, immutable');
      context.set('Expires', never);
    }
    context.set('ETag', `"${document.hash}"`);
    context.set('Vary', 'Accept');
    context.type = 'application/json';
    context.body = document.bytes;
  });
}

/** Descriptions that the build took from @kubernetes/client-node; none when it did not. Read when first asked for. */
export function builtDescriptions(): DescriptionLookup {
  let all: Readonly<Record<string, TypeDescription>> | undefined;
  return name => {
    if (!all) {
      const file = new URL('./descriptions.json', import.meta.url);
      all = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, TypeDescription>) : {};
    }
    return all[name];
  };
}
