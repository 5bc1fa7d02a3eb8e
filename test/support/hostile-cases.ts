export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
}

export const maps = '/api/v1/namespaces/default/configmaps';
export const json = 'application/json';
export const yaml = 'application/yaml';
export const protobuf = 'application/vnd.kubernetes.protobuf';
const unrecognized = 'the object provided is unrecognized (must be of type ConfigMap): ';

export function map(more: object): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', ...more });
}

export function post(body: string | Buffer, type = json, path = maps): Asked {
  return { method: 'POST', path, body, headers: { 'content-type': type } };
}

export function patch(body: string, type: string, query = ''): Asked {
  return { method: 'PATCH', path: `${maps}/honest${query}`, body, headers: { 'content-type': `application/${type}` } };
}

function put(body: string): Asked {
  return { method: 'PUT', path: `${maps}/absent`, body, headers: { 'content-type': json } };
}

function remove(body: string, type = json, query = ''): Asked {
  return { method: 'DELETE', path: `${maps}/honest${query}`, body, headers: { 'content-type': type } };
}

export function get(query: string, path = maps): Asked {
  return { path: `${path}?${query}` };
}

/** Nine names, each nine times the one before. */
function aliasBomb(): string {
  const lines = [`a: &a [${Array(9).fill('x').join(',')}]`];
  for (const [index, name] of [...'bcdefghi'].entries()) {
    lines.push(`${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`);
  }
  return lines.join('\n');
}

/** A request and what upstream's v1.36.3 server answers to it; the message holds at least this. */
export type Row = readonly [what: string, asked: Asked, code: number, reason: string, message: string];

export const bodies: readonly Row[] = [
  [
    'nothing',
    post(''),
    400,
    'BadRequest',
    `${unrecognized}couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`,
  ],
  [
    'half an object',
    post('{"kind":'),
    400,
    'BadRequest',
    `${unrecognized}couldn't get version/kind; json parse error: unexpected end of JSON input ({"kind":)`,
  ],
  [
    'no JSON',
    post('hello'),
    400,
    'BadRequest',
    `${unrecognized}couldn't get version/kind; json parse error: invalid character 'h' looking for beginning of value (68656c6c6f)`,
  ],
  ['two objects', post(map({}) + map({})), 400, 'BadRequest', 'invalid character'],
  ['broken YAML', post('a: [b', yaml), 400, 'BadRequest', `${unrecognized}yaml: line 1: `],
  ['YAML that is a word', post('hello', yaml), 400, 'BadRequest', 'json: cannot unmarshal string into Go value of type struct'],
  [
    'no protobuf',
    post('xxxx', protobuf),
    400,
    'BadRequest',
    `${unrecognized}provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (78787878)`,
  ],
  [
    'half a protobuf',
    post(Buffer.from('6b387300ffffff', 'hex'), protobuf),
    400,
    'BadRequest',
    `${unrecognized}unexpected EOF (6b387300ffffff)`,
  ],
  ['no bytes of protobuf', post('', protobuf), 400, 'BadRequest', `${unrecognized}empty data (<empty>)`],
  [
    'an envelope alone',
    post(Buffer.from('6b387300', 'hex'), protobuf),
    400,
    'BadRequest',
    `${unrecognized}empty body (6b387300)`,
  ],
  [
    'a kind of nowhere',
    post('{"apiVersion":"v1","kind":"Nothing"}'),
    400,
    'BadRequest',
    'Nothing in version "v1" cannot be handled as a ConfigMap: no kind "Nothing" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
  ],
  [
    'another kind',
    post('{"apiVersion":"v1","kind":"Secret"}'),
    400,
    'BadRequest',
    'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion',
  ],
  [
    'a number as data',
    post(map({ data: 5 })),
    400,
    'BadRequest',
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string',
  ],
  ['an array as metadata', post(map({ metadata: [] })), 400, 'BadRequest', 'cannot unmarshal array into Go struct field'],
  [
    'another namespace',
    post(map({ metadata: { name: 'a', namespace: 'b' } })),
    400,
    'BadRequest',
    'the namespace of the provided object does not match the namespace sent on the request',
  ],
  [
    'a way up as its name',
    post(map({ metadata: { name: '../x' } })),
    422,
    'Invalid',
    'ConfigMap "../x" is invalid: metadata.name: Invalid value',
  ],
  [
    'a version',
    post(map({ metadata: { name: 'a', resourceVersion: '5' } })),
    500,
    '',
    'resourceVersion should not be set on objects to be created',
  ],
  [
    '2 MB',
    post(map({ metadata: { name: 'a' }, data: { a: 'x'.repeat(2e6) } })),
    422,
    'Invalid',
    'ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes',
  ],
  [
    '10 MB',
    post(map({ data: { a: 'x'.repeat(1e7) } })),
    413,
    'RequestEntityTooLarge',
    'Request entity too large: limit is 3145728',
  ],
  ['10,001 levels of JSON', post('{"a":'.repeat(10_001) + '1' + '}'.repeat(10_001)), 400, 'BadRequest', 'exceeded max depth'],
  ['500,000 levels of JSON', post('{"a":'.repeat(500_000)), 400, 'BadRequest', 'exceeded max depth'],
  ['10,001 levels of YAML', post(`a: ${'['.repeat(10_001)}`, yaml), 400, 'BadRequest', unrecognized],
  [
    'YAML aliases of aliases',
    post(aliasBomb(), yaml),
    400,
    'BadRequest',
    `${unrecognized}yaml: document contains excessive aliasing`,
  ],
  [
    'bytes that are no UTF-8 in its name',
    post(Buffer.concat([Buffer.from('{"metadata":{"name":"a'), Buffer.from([0xff]), Buffer.from('"}}')])),
    422,
    'Invalid',
    'metadata.name',
  ],
  [
    'XML',
    post('<a/>', 'text/xml'),
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  ],
  [
    'what it is not called, by PUT',
    put(map({ metadata: { name: 'b' } })),
    400,
    'BadRequest',
    'the name of the object (b) does not match the name on the URL (absent)',
  ],
  [
    'no name, by PUT',
    put(map({ metadata: {} })),
    400,
    'BadRequest',
    'the name of the object (absent based on URL) was undeterminable: name must be provided',
  ],
  [
    'another namespace, by PUT',
    put(map({ metadata: { name: 'absent', namespace: 'b' } })),
    400,
    'BadRequest',
    'the namespace of the provided object does not match the namespace sent on the request',
  ],
  [
    'half of the options to delete',
    remove('{"kind":'),
    400,
    'BadRequest',
    "couldn't get version/kind; json parse error: unexpected end of JSON input",
  ],
  [
    'a pod as options to delete',
    remove('{"kind":"Pod","apiVersion":"v1"}'),
    400,
    'BadRequest',
    'no kind "Pod" is registered for version "v1"',
  ],
  ['text as options to delete', remove('x', 'text/plain'), 415, 'UnsupportedMediaType', 'accepted media types include'],
  [
    'an unknown policy of deletion',
    remove('', json, '?propagationPolicy=x'),
    422,
    'Invalid',
    'propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil"',
  ],
];

export const patches: readonly Row[] = [
  ['of no type', { ...patch('{}', 'json'), headers: {} }, 415, 'UnsupportedMediaType', '415: Unsupported Media Type'],
  [
    'of 100,000 operations',
    patch(JSON.stringify(Array(70_000).fill({ op: 'test', path: '/a' })), 'json-patch+json'),
    413,
    'RequestEntityTooLarge',
    'The allowed maximum operations in a JSON patch is 10000, got 70000',
  ],
  [
    'that doubles what is there',
    patch(
      JSON.stringify([
        { op: 'add', path: '/data', value: { a: 'x'.repeat(100_000) } },
        ...Array.from({ length: 60 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/c${i}` })),
      ]),
      'json-patch+json',
    ),
    422,
    'Invalid',
    'the server rejected our request due to an error in our request',
  ],
  ['of an unknown operation', patch('[{"op":"x","path":"/a"}]', 'json-patch+json'), 422, 'Invalid', ''],
  ['that is no list', patch('{}', 'json-patch+json'), 400, 'BadRequest', 'error decoding patch: '],
  [
    'that is no object',
    patch('[]', 'merge-patch+json'),
    400,
    'BadRequest',
    'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  ],
  ['that is null', patch('null', 'merge-patch+json'), 400, 'BadRequest', 'Invalid JSON Patch'],
  ['that is cut off', patch('{"a":', 'strategic-merge-patch+json'), 400, 'BadRequest', 'unexpected end of JSON input'],
  [
    'that makes another kind',
    patch('{"kind":"Secret"}', 'merge-patch+json'),
    422,
    'Invalid',
    'converting (v1.Secret) to (core.ConfigMap): unknown conversion',
  ],
  [
    'that makes another type',
    patch('{"data":5}', 'merge-patch+json'),
    422,
    'Invalid',
    'cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string',
  ],
  [
    'that takes the name away',
    patch('{"metadata":null}', 'merge-patch+json'),
    400,
    'BadRequest',
    'the name of the object (honest based on URL) was undeterminable: name must be provided',
  ],
  ['that deletes all', patch('{"$patch":"delete"}', 'strategic-merge-patch+json'), 400, 'BadRequest', 'name must be provided'],
  [
    'that gives another uid',
    patch('{"metadata":{"uid":"x"}}', 'merge-patch+json'),
    422,
    'Invalid',
    'metadata.uid: Invalid value: "x": field is immutable',
  ],
  [
    'at a version that is none',
    patch('{"metadata":{"resourceVersion":"x"}}', 'merge-patch+json'),
    500,
    '',
    'strconv.ParseUint: parsing "x": invalid syntax',
  ],
  [
    'as deep as may be',
    patch(`${'{"data":'.repeat(9000)}1${'}'.repeat(9000)}`, 'merge-patch+json'),
    400,
    'BadRequest',
    'error decoding patch: json: exceeded max depth',
  ],
  ['deeper than may be', patch('{"a":'.repeat(400_000), 'merge-patch+json'), 400, 'BadRequest', 'error decoding patch: '],
  [
    'applied by nobody',
    patch('{}', 'apply-patch+yaml'),
    422,
    'Invalid',
    'fieldManager: Required value: is required for apply patch',
  ],
  [
    'applied to another kind',
    patch('{"apiVersion":"v1","kind":"Secret"}', 'apply-patch+yaml', '?fieldManager=a'),
    400,
    'BadRequest',
    'invalid object type: /v1, Kind=Secret',
  ],
  ['applied empty', patch('', 'apply-patch+yaml', '?fieldManager=a'), 400, 'BadRequest', 'invalid object type: /, Kind='],
  [
    'applied as a list',
    patch('[]', 'apply-patch+yaml', '?fieldManager=a'),
    400,
    'BadRequest',
    'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}',
  ],
  [
    'applied in broken YAML',
    patch('a: [', 'apply-patch+yaml', '?fieldManager=a'),
    400,
    'BadRequest',
    'error decoding YAML: error converting YAML to JSON: yaml: ',
  ],
];

const future = '99999999';
const forms = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
const streams = 'application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch';
export const parameters: readonly Row[] = [
  [
    'dryRun',
    post(map({}), json, `${maps}?dryRun=x`),
    422,
    'Invalid',
    'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value',
  ],
  [
    'fieldValidation',
    post(map({}), json, `${maps}?fieldValidation=x`),
    422,
    'Invalid',
    'fieldValidation: Unsupported value: "x"',
  ],
  [
    'fieldManager',
    post(map({}), json, `${maps}?fieldManager=a%01`),
    422,
    'Invalid',
    'fieldManager: Invalid value: "a\\x01": invalid character U+0001 (at position 1)',
  ],
  ['limit', get('limit=x'), 400, 'BadRequest', 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['timeoutSeconds', get('timeoutSeconds=x'), 400, 'BadRequest', 'strconv.ParseInt: parsing "x": invalid syntax'],
  [
    'continue',
    get('continue=x'),
    400,
    'BadRequest',
    'invalid continue token: continue key is not valid: illegal base64 data at input byte 0',
  ],
  [
    'continue of no JSON',
    get('continue=eyJ2Ijoi'),
    400,
    'BadRequest',
    'invalid continue token: continue key is not valid: unexpected end of JSON input',
  ],
  [
    'continue of another version',
    get('continue=eyJ2IjoiYiJ9'),
    400,
    'BadRequest',
    'invalid continue token: continue key is not valid: server does not recognize this encoded version b',
  ],
  [
    'resourceVersion of a list',
    get('resourceVersion=-1'),
    400,
    'BadRequest',
    'invalid resource version: resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax',
  ],
  [
    'resourceVersion of a get',
    get('resourceVersion=x', `${maps}/honest`),
    500,
    '',
    'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
  ],
  [
    'a get from the future',
    get(`resourceVersion=${future}`, `${maps}/honest`),
    504,
    'Timeout',
    `Timeout: Too large resource version: ${future}, current: `,
  ],
  [
    'a list from the future',
    get(`resourceVersion=${future}`),
    504,
    'Timeout',
    `Timeout: Too large resource version: ${future}, current: `,
  ],
  [
    'resourceVersionMatch',
    get('resourceVersionMatch=x&resourceVersion=1'),
    422,
    'Invalid',
    'resourceVersionMatch: Unsupported value: "x"',
  ],
  ['labelSelector', get('labelSelector=a%20b%20c'), 400, 'BadRequest', 'unable to parse requirement: '],
  [
    'fieldSelector',
    get('fieldSelector=spec.x%3Da'),
    400,
    'BadRequest',
    '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  [
    'a namespace by `name`',
    get('fieldSelector=name%3Ddefault', '/api/v1/namespaces'),
    400,
    'BadRequest',
    'field label not supported: name',
  ],
  [
    'a volume by `name`',
    get('fieldSelector=name%3Dx', '/api/v1/persistentvolumes'),
    400,
    'BadRequest',
    '"name" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  [
    'a claim by `name`',
    get('fieldSelector=name%3Dx', '/api/v1/persistentvolumeclaims'),
    400,
    'BadRequest',
    '"name" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  [
    'initial events of a list',
    get('sendInitialEvents=true'),
    422,
    'Invalid',
    'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
  ],
  [
    'a watch from nowhere',
    get('watch=1&resourceVersion=x'),
    500,
    '',
    'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
  ],
  [
    'a watch that matches',
    get('watch=1&resourceVersionMatch=NotOlderThan'),
    422,
    'Invalid',
    'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
  ],
  [
    'initial events of any version',
    get('watch=1&sendInitialEvents=true'),
    422,
    'Invalid',
    'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
  ],
  [
    'a watch that goes on',
    get('watch=1&continue=x'),
    422,
    'Invalid',
    'resourceVersionMatch is forbidden when continue is provided',
  ],
  ['a watch of a field', get('watch=1&fieldSelector=a%3Db'), 400, 'BadRequest', '"a" is not a known field selector'],
  ['a watch in YAML', { path: `${maps}?watch=1`, headers: { accept: yaml } }, 406, 'NotAcceptable', ''],
  [
    'a list in HTML',
    { headers: { accept: 'text/html' } },
    406,
    'NotAcceptable',
    `406: Not Acceptable\n\nAvailable representations: ${forms}, ${streams}`,
  ],
  [
    'an object in HTML',
    { path: `${maps}/honest`, headers: { accept: 'text/html' } },
    406,
    'NotAcceptable',
    `406: Not Acceptable\n\nAvailable representations: ${forms}`,
  ],
  [
    'a new object in HTML',
    { ...post(map({ metadata: { name: 'a' } })), headers: { 'content-type': json, accept: 'text/html' } },
    406,
    'NotAcceptable',
    `Available representations: ${forms}`,
  ],
  [
    'a list of another kind',
    { headers: { accept: 'application/json;as=Foo;v=v1;g=meta.k8s.io' } },
    406,
    'NotAcceptable',
    `only the following media types are accepted: ${forms}`,
  ],
  ['a table in protobuf', { headers: { accept: `${protobuf};as=Table;v=v1;g=meta.k8s.io` } }, 406, 'NotAcceptable', ''],
  [
    'rows of a table',
    { path: `${maps}?includeObject=x`, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } },
    400,
    'BadRequest',
    "Unable to convert to Table as requested: includeObject: Invalid value: \"x\": must be 'Metadata', 'Object', 'None', or empty",
  ],
  [
    'an unknown method',
    { method: 'TRACE' },
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  ],
  [
    'a method that /version has not',
    { method: 'DELETE', path: '/version' },
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  ],
  [
    'a method that discovery has not',
    { method: 'PUT', path: '/api/v1' },
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  ],
  ['a way up', { path: `${maps}/%2e%2e` }, 400, 'BadRequest', `Name parameter invalid: "..": may not be '..'`],
  ['an unknown resource', { path: '/api/v1/nothing' }, 404, 'NotFound', 'the server could not find the requested resource'],
  [
    'an unknown subresource',
    { path: `${maps}/honest/nothing` },
    404,
    'NotFound',
    'the server could not find the requested resource',
  ],
];
