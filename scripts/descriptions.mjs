// Takes the descriptions of API types and fields out of the dev dependency @kubernetes/client-node (the comments of its generated
// declarations) into dist, for `kubectl explain`. They are built in, never committed.
import fs from 'node:fs';
import path from 'node:path';

const prefixes = {
  'io.k8s.api.core': 'Core',
  'io.k8s.api.events': 'Events',
  'io.k8s.api.discovery': 'Discovery',
  'io.k8s.api.rbac': 'Rbac',
  'io.k8s.api.flowcontrol': 'Flowcontrol',
  'io.k8s.api.authentication': 'Authentication',
  'io.k8s.api.storage': 'Storage',
  'io.k8s.api.resource': 'Resource',
  'io.k8s.api.admissionregistration': 'Admissionregistration',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions': 'Apiextensions',
  'io.k8s.kube-aggregator.pkg.apis.apiregistration': 'Apiregistration',
};

/** The description of the class and of each field of one declaration file. */
function readDeclaration(text) {
  const fields = {};
  const at = text.indexOf('export declare class');
  const head = text.slice(0, at);
  const start = head.lastIndexOf('/**');
  const description = start < 0 || head.slice(start).includes('OpenAPI spec version') ? '' : clean(head.slice(start));
  for (const match of text.slice(at).matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?'([^']+)'\??:/g)) {
    if (match[1]) fields[match[2]] = clean(match[1]);
  }
  return { ...(description ? { description } : {}), ...(Object.keys(fields).length ? { fields } : {}) };
}

function clean(comment) {
  return comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map(line => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .replace(/\*\\\//g, '*/')
    .replace(/\\(['"])/g, '$1')
    .trim();
}

export function writeDescriptions(root) {
  const models = path.join(root, 'node_modules/@kubernetes/client-node/dist/gen/models');
  const target = path.join(root, 'dist/core/apiserver/openapi/descriptions.json');
  if (!fs.existsSync(models)) return;
  const generated = path.join(root, 'core/api/generated');
  const all = {};
  for (const file of fs.readdirSync(generated)) {
    if (!file.endsWith('.json')) continue;
    const { types } = JSON.parse(fs.readFileSync(path.join(generated, file), 'utf8'));
    for (const name of Object.keys(types ?? {})) {
      const parts = name.split('.');
      const kind = parts.pop();
      const version = parts.pop();
      const base = `${version[0].toUpperCase()}${version.slice(1)}${kind}`;
      for (const candidate of [`${prefixes[parts.join('.')] ?? '?'}${base}`, base]) {
        const declaration = path.join(models, `${candidate}.d.ts`);
        if (!fs.existsSync(declaration)) continue;
        const found = readDeclaration(fs.readFileSync(declaration, 'utf8'));
        if (found.description || found.fields) all[name] = found;
        break;
      }
    }
  }
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, JSON.stringify(all));
}
