import { boolType, listType, mapType, objectType, stringType } from '../cel-type.js';
import type { FunctionDeclaration, Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import type { CelValue } from '../values.js';
import { CelError, EntryMap, noSuchOverload, ObjectValue, TextList } from '../values.js';
import type { GoUrl } from './go-url.js';
import { hostnameOf, parseRequestUrl, portOf, queryOf, UrlFailure } from './go-url.js';

/** Kubernetes' `url()`. */

const urlType = objectType('kubernetes.URL');

class UrlValue extends ObjectValue {
  readonly type = urlType;

  constructor(readonly url: GoUrl) {
    super();
  }

  equals(other: CelValue): boolean | CelError {
    return other instanceof UrlValue ? other.url.text === this.url.text : noSuchOverload;
  }

  toString(): string {
    return this.url.text;
  }
}

function read(text: string): GoUrl | CelError {
  try {
    return parseRequestUrl(text);
  } catch (error) {
    if (error instanceof UrlFailure) return new CelError(`URL parse error during conversion from string: ${error.message}`);
    throw error;
  }
}

/** Checked with its fragment, and then without it in its query. */
function toUrl(text: string): CelValue {
  const whole = read(text);
  if (whole instanceof CelError || !text.includes('#')) return whole instanceof CelError ? whole : new UrlValue(whole);
  const url = read(text.slice(0, text.indexOf('#')));
  return url instanceof CelError ? url : new UrlValue({ ...url, text: whole.text });
}

function getter(name: string, id: string, get: (url: GoUrl) => string): FunctionDeclaration {
  return declare(
    name,
    memberOverload(id, [urlType], stringType, (value: UrlValue): CelValue => get(value.url)),
  );
}

function getQuery(value: UrlValue): CelValue {
  return new EntryMap([...queryOf(value.url)].map(([key, values]) => ({ key, value: new TextList(values) })));
}

export const urlsLibrary: Library = {
  functions: [
    declare('url', overload('string_to_url', [stringType], urlType, toUrl)),
    getter('getScheme', 'url_get_scheme', url => url.scheme),
    getter('getHost', 'url_get_host', url => url.host),
    getter('getHostname', 'url_get_hostname', hostnameOf),
    getter('getPort', 'url_get_port', portOf),
    getter('getEscapedPath', 'url_get_escaped_path', url => url.escapedPath),
    declare('getQuery', memberOverload('url_get_query', [urlType], mapType(stringType, listType(stringType)), getQuery)),
    declare(
      'isURL',
      overload('is_url_string', [stringType], boolType, (text: string): CelValue => !(read(text) instanceof CelError)),
    ),
  ],
};

/** `jsonpatch.escapeKey()`, for paths of patches in mutating policies. */
export const jsonPatchLibrary: Library = {
  functions: [
    declare(
      'jsonpatch.escapeKey',
      overload('string_jsonpatch_escapeKey_string', [stringType], stringType, (key: string): CelValue =>
        key.replaceAll('~', '~0').replaceAll('/', '~1'),
      ),
    ),
  ],
};
