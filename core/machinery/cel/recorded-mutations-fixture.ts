/** What upstream's engine answered to expressions of mutations (Kubernetes 1.36.3); see docs/decisions/0009-own-cel-engine.md. */

export interface MutationAnswer {
  /** Issues of the compiler. */
  readonly errors?: string;
  /** What is found when it is planned. */
  readonly program?: string;
  readonly cost?: number;
  readonly error?: string;
  /** Why the result is no apply configuration or JSON patch. */
  readonly fault?: string;
  /** What the result is as one. */
  readonly json?: unknown;
  readonly value?: string;
}

/** `object` of the expressions. */
export const mutatedObject = {
  metadata: { name: 'd', labels: { a: 'b' } },
  spec: { replicas: 2, ratio: 1.5, list: [1, 2], deep: { x: [{ y: null }] } },
};

export const mutationAnswers: readonly (readonly [string, MutationAnswer])[] = [
  ['Object{}', { cost: 40, json: {} }],
  ['Object{spec: Object.spec{replicas: 3}}', { cost: 80, json: { spec: { replicas: 3 } } }],
  [
    'Object{spec: Object.spec{template: Object.spec.template{containers: [Object.spec.template.containers{name: "n", args: ["-g"]}]}}}',
    { cost: 170, json: { spec: { template: { containers: [{ args: ['-g'], name: 'n' }] } } } },
  ],
  [
    'Object{spec: Object.spec{template: Object.spec.template{containers: [Object.spec.template.containers.item{name: "n", args: ["-g"]}]}}}',
    {
      cost: 170,
      fault:
        'type mismatch: unexpected type name "Object.spec.template.containers.item", expected "Object.spec.template.containers", which matches field name path from root Object type',
    },
  ],
  ['Object{metadata: Object.metadata{labels: {"a": "b"}}}', { cost: 80, json: { metadata: { labels: { a: 'b' } } } }],
  [
    'Object{metadata: Object.metadata{labels: Object.metadata.labels{a: "b"}}}',
    { cost: 120, json: { metadata: { labels: { a: 'b' } } } },
  ],
  [
    'Object{spec: Object.metadata{a: 1}}',
    {
      cost: 80,
      fault:
        'type mismatch: unexpected type name "Object.metadata", expected "Object.spec", which matches field name path from root Object type',
    },
  ],
  [
    'Object{spec: Object.spec{a: Object.a{}, b: [Object.b{}], c: {"k": Object.spec.d{}}}}',
    {
      cost: 240,
      fault:
        'type mismatch: unexpected type name "Object.a", expected "Object.spec.a", which matches field name path from root Object type\nunexpected type name "Object.b", expected "Object.spec.b", which matches field name path from root Object type\nunexpected type name "Object.spec.d", expected "Object.spec.c", which matches field name path from root Object type',
    },
  ],
  ['Object{spec: Object.spec{?replicas: optional.none(), ?other: optional.of(1)}}', { cost: 82, json: { spec: { other: 1 } } }],
  ['Object{?existing: optional.none()}', { cost: 41, json: {} }],
  ['Object{?spec: optional.ofNonZeroValue(Object.spec{?replicas: Object{}.?replicas})}', { cost: 122, json: {} }],
  ['Object{}.?existing', { cost: 41, value: 'optional.none()' }],
  ['Object{a: 1}.?a', { cost: 41, value: 'optional.none()' }],
  ['Object{a: 1}.a', { cost: 42, value: '1' }],
  ['Object{a: 1}.b', { cost: 42, value: 'null' }],
  ['Object{a: Object.a{b: 2}}.a', { cost: 82, value: '{"b": 2}' }],
  ['Object{a: Object.a{b: 2}}.a.b', { cost: 83, value: '2' }],
  ['Object{a: Object.a{b: 2}}.a.c', { cost: 83, error: 'no such key: c' }],
  ['has(Object{a: 1}.a)', { cost: 41, value: 'true' }],
  ['has(Object{a: 1}.b)', { cost: 41, value: 'false' }],
  ['has(Object{a: Object.a{b: 2}}.a.b)', { cost: 82, value: 'true' }],
  ['has(dyn(Object{a: 1}).a)', { cost: 42, value: 'false' }],
  ['has(dyn(Object{a: 1}).b)', { cost: 42, value: 'false' }],
  ['dyn(Object{a: 1}).a', { cost: 43, error: 'no such key: a' }],
  ['dyn(Object{a: 1}).b', { cost: 43, error: 'no such key: b' }],
  ["dyn(Object{a: 1})['a']", { cost: 43, error: 'no such key: a' }],
  ['dyn(Object{a: 1}).?a', { cost: 42, value: 'optional.none()' }],
  [
    "Object{a: 1}['a']",
    {
      errors:
        "ERROR: <input>:1:13: found no matching overload for '_[_]' applied to '(Object, string)'\n | Object{a: 1}['a']\n | ............^",
    },
  ],
  ['Object{a: [1,2,3]}.a.sum()', { cost: 45, value: '6' }],
  ['Object{spec: Object.spec{replicas: 3}} == Object{spec: Object.spec{replicas: 1 + 2}}', { cost: 162, value: 'true' }],
  ['Object{a: 1} == Object{a: 1u}', { cost: 81, value: 'false' }],
  ['Object{a: 1} == Object{a: 1.0}', { cost: 81, value: 'false' }],
  ['Object{a: 1} == Object{a: 2}', { cost: 81, value: 'false' }],
  ['Object{a: 1} != Object{a: 2}', { cost: 81, value: 'true' }],
  ['Object{a: {"k": 1}} == Object{a: {"k": 1}}', { cost: 81, value: 'true' }],
  ['Object{a: null} == Object{a: null}', { cost: 81, value: 'true' }],
  [
    'Object{} == Object.a{}',
    {
      errors:
        "ERROR: <input>:1:10: found no matching overload for '_==_' applied to '(Object, Object.a)'\n | Object{} == Object.a{}\n | .........^",
    },
  ],
  ['dyn(Object{}) == dyn(Object.a{})', { cost: 83, value: 'false' }],
  ['dyn(Object{}) == null', { cost: 42, value: 'false' }],
  ['Object{} in [Object{}]', { cost: 91, value: 'true' }],
  ['[Object{a: 1}, Object{a: 2}].map(x, x.a)', { cost: 119, value: '[1, 2]' }],
  ['type(Object{}) == type(Object{a: 1})', { cost: 83, value: 'true' }],
  ['Object', { program: 'reference to undefined type: Object' }],
  ['Object.spec', { program: 'reference to undefined type: Object.spec' }],
  ['type(Object)', { program: 'reference to undefined type: Object' }],
  ['Object{spec: Object.spec{replicas: object.spec.replicas + 1}}', { cost: 84, json: { spec: { replicas: 3 } } }],
  ['Object{spec: Object.spec{list: object.spec.list}}', { cost: 83, json: { spec: { list: [1, 2] } } }],
  ['Object{spec: Object.spec{list: object.spec.list + [3]}}', { cost: 84, json: { spec: { list: [1, 2, 3] } } }],
  ['Object{spec: Object.spec{list: object.spec.list.map(x, x * 2)}}', { cost: 112, json: { spec: { list: [2, 4] } } }],
  [
    'Object{spec: Object.spec{list: object.spec.list.map(x, Object.spec.list{v: x})}}',
    { cost: 190, json: { spec: { list: [{ v: 1 }, { v: 2 }] } } },
  ],
  ['Object{spec: Object.spec{n: 1.5}}', { cost: 80, json: { spec: { n: 1.5 } } }],
  ['Object{spec: Object.spec{n: 2.0}}', { cost: 80, json: { spec: { n: 2 } } }],
  ['Object{spec: Object.spec{n: type(1)}}', { cost: 80, json: { spec: { n: 'int' } } }],
  ['Object{spec: Object.spec{n: optional.of(1)}}', { cost: 81, json: { spec: { n: 1 } } }],
  ['Object{spec: Object.spec{n: optional.none()}}', { cost: 81, json: { spec: { n: null } } }],
  ['Object{spec: Object.spec{n: object.spec.deep}}', { cost: 83, json: { spec: { n: { x: [{ y: null }] } } } }],
  ['Object{spec: Object.spec{n: object.spec.ratio}}', { cost: 83, json: { spec: { n: 1.5 } } }],
  ['Object{spec: Object.spec{n: object.spec.missing}}', { cost: 83, error: 'no such key: missing' }],
  ['Object{spec: Object.spec{n: 1/0}}', { cost: 81, error: 'division by zero' }],
  ['Object{a: 1, a: 2}', { cost: 40, json: { a: 2 } }],
  ['Object.spec.template{}', { cost: 40, json: {} }],
  [
    'Object{metadata: Object.metadata{annotations: {?"x": optional.none(), "y": "z"}}}',
    { cost: 111, json: { metadata: { annotations: { y: 'z' } } } },
  ],
  ['Object{namespace: 1}', { cost: 40, json: { namespace: 1 } }],
  ['Object{if: 1}', { cost: 40, json: { if: 1 } }],
  [
    'Object{spec: Object.spec{containers: [Object.spec.containers{a: 1}] + [Object.spec.containers{a: 2}]}}',
    { cost: 181, json: { spec: { containers: [{ a: 1 }, { a: 2 }] } } },
  ],
  [
    'Object{spec: Object.spec{containers: [Object.spec.containers{a: 1}, Object.spec.other{a: 2}]}}',
    {
      errors:
        "ERROR: <input>:1:86: expected type 'Object.spec.containers' but found 'Object.spec.other'\n | Object{spec: Object.spec{containers: [Object.spec.containers{a: 1}, Object.spec.other{a: 2}]}}\n | .....................................................................................^",
    },
  ],
  [
    'Object{spec: Object.spec{containers: [Object.spec.containers{a: 1}] + [Object.spec.wrong{a: 2}]}}',
    {
      errors:
        "ERROR: <input>:1:69: found no matching overload for '_+_' applied to '(list(Object.spec.containers), list(Object.spec.wrong))'\n | Object{spec: Object.spec{containers: [Object.spec.containers{a: 1}] + [Object.spec.wrong{a: 2}]}}\n | ....................................................................^",
    },
  ],
  [
    'Object{spec: Object.spec{containers: [dyn(Object.spec.containers{a: 1}), dyn(Object.spec.wrong{a: 2})]}}',
    {
      cost: 172,
      fault:
        'type mismatch: unexpected type name "Object.spec.wrong", expected "Object.spec.containers", which matches field name path from root Object type',
    },
  ],
  [
    'Object{spec: Object.spec{c: {"k": Object.spec.c{a: [Object.spec.c.a{}]}}}}',
    { cost: 200, json: { spec: { c: { k: { a: [{}] } } } } },
  ],
  ['true ? Object{a: 1} : Object{a: 2}', { cost: 40, json: { a: 1 } }],
  [
    'true ? Object{a: 1} : Object.b{a: 2}',
    {
      errors:
        "ERROR: <input>:1:6: found no matching overload for '_?_:_' applied to '(bool, Object, Object.b)'\n | true ? Object{a: 1} : Object.b{a: 2}\n | .....^",
    },
  ],
  ['[Object{}].exists(x, has(x.spec))', { cost: 56, value: 'false' }],
  ['{"a": Object{b: 1}}.a.b', { cost: 73, value: '1' }],
  ['[JSONPatch{}]', { cost: 50, json: [{ op: '', path: '' }] }],
  [
    '[JSONPatch{op: "add", path: "/spec/replicas", value: 3}]',
    { cost: 50, json: [{ op: 'add', path: '/spec/replicas', value: 3 }] },
  ],
  ['[JSONPatch{op: "remove", path: "/spec/replicas"}]', { cost: 50, json: [{ op: 'remove', path: '/spec/replicas' }] }],
  [
    '[JSONPatch{op: "move", from: "/spec/a", path: "/spec/b"}]',
    { cost: 50, json: [{ from: '/spec/a', op: 'move', path: '/spec/b' }] },
  ],
  ['[JSONPatch{op: "copy", from: "", path: "/spec/b"}]', { cost: 50, json: [{ op: 'copy', path: '/spec/b' }] }],
  ['[JSONPatch{op: "invalid", path: "", value: 3}]', { cost: 50, json: [{ op: 'invalid', path: '', value: 3 }] }],
  [
    '[JSONPatch{op: 1, path: "/a"}]',
    {
      errors:
        "ERROR: <input>:1:14: expected type of field 'op' is 'string' but provided type is 'int'\n | [JSONPatch{op: 1, path: \"/a\"}]\n | .............^",
    },
  ],
  [
    '[JSONPatch{op: "add", path: 1}]',
    {
      errors:
        "ERROR: <input>:1:27: expected type of field 'path' is 'string' but provided type is 'int'\n | [JSONPatch{op: \"add\", path: 1}]\n | ..........................^",
    },
  ],
  [
    '[JSONPatch{op: "move", from: 1, path: ""}]',
    {
      errors:
        "ERROR: <input>:1:28: expected type of field 'from' is 'string' but provided type is 'int'\n | [JSONPatch{op: \"move\", from: 1, path: \"\"}]\n | ...........................^",
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", valeu: 1}]',
    {
      errors:
        "ERROR: <input>:1:40: expected type of field 'valeu' is '' but provided type is 'int'\n | [JSONPatch{op: \"add\", path: \"/a\", valeu: 1}]\n | .......................................^",
    },
  ],
  ['[JSONPatch{op: dyn(1), path: "/a"}]', { cost: 50, error: "unexpected type int64 for JSONPatchType 'op' field" }],
  ['[JSONPatch{op: "add", path: dyn([1])}]', { cost: 50, error: "unexpected type []ref.Val for JSONPatchType 'path' field" }],
  [
    '[JSONPatch{op: "move", path: "/a", from: dyn(true)}]',
    { cost: 50, error: "unexpected type bool for JSONPatchType 'from' field" },
  ],
  [
    '[JSONPatch{op: null, path: "/a"}]',
    {
      errors:
        "ERROR: <input>:1:14: expected type of field 'op' is 'string' but provided type is 'null'\n | [JSONPatch{op: null, path: \"/a\"}]\n | .............^",
    },
  ],
  [
    '[JSONPatch{op: dyn(null), path: "/a"}]',
    { cost: 50, error: "unexpected type structpb.NullValue for JSONPatchType 'op' field" },
  ],
  ['[JSONPatch{op: dyn(1.5), path: "/a"}]', { cost: 50, error: "unexpected type float64 for JSONPatchType 'op' field" }],
  ['[JSONPatch{op: dyn(1u), path: "/a"}]', { cost: 50, error: "unexpected type uint64 for JSONPatchType 'op' field" }],
  [
    '[JSONPatch{op: dyn({"a": 1}), path: "/a"}]',
    { cost: 50, error: "unexpected type map[ref.Val]ref.Val for JSONPatchType 'op' field" },
  ],
  [
    '[JSONPatch{op: dyn(object.spec), path: "/a"}]',
    { cost: 53, error: "unexpected type map[string]interface {} for JSONPatchType 'op' field" },
  ],
  [
    '[JSONPatch{op: dyn(object.spec.list), path: "/a"}]',
    { cost: 54, error: "unexpected type []interface {} for JSONPatchType 'op' field" },
  ],
  [
    '[JSONPatch{op: dyn(duration(\'1s\')), path: "/a"}]',
    { cost: 50, error: "unexpected type time.Duration for JSONPatchType 'op' field" },
  ],
  [
    '[JSONPatch{op: dyn(Object{}), path: "/a"}]',
    { cost: 91, error: "unexpected type map[string]interface {} for JSONPatchType 'op' field" },
  ],
  [
    '[JSONPatch{op: dyn(JSONPatch{}), path: "/a"}]',
    { cost: 91, error: "unexpected type *mutation.JSONPatchVal for JSONPatchType 'op' field" },
  ],
  ['[JSONPatch{op: dyn(optional.of("add")), path: "/a"}]', { cost: 52, json: [{ op: 'add', path: '/a' }] }],
  [
    '[JSONPatch{op: dyn(optional.none()), path: "/a"}]',
    { cost: 52, error: "unexpected type <nil> for JSONPatchType 'op' field" },
  ],
  ['[JSONPatch{op: "add", path: "/a", value: null}]', { cost: 50, json: [{ op: 'add', path: '/a', value: null }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: 9007199254740991}]',
    { cost: 50, json: [{ op: 'add', path: '/a', value: 9007199254740991 }] },
  ],
  ['[JSONPatch{op: "add", path: "/a", value: 1.5}]', { cost: 50, json: [{ op: 'add', path: '/a', value: 1.5 }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: double(\'NaN\')}]',
    {
      cost: 50,
      fault:
        'JSONPath valueExpression evaluated to a type that could not marshal to JSON: json: error calling MarshalJSON for type *structpb.Value: proto: google.protobuf.Value.number_value: invalid NaN value',
    },
  ],
  ['[JSONPatch{op: "add", path: "/a", value: 3u}]', { cost: 50, json: [{ op: 'add', path: '/a', value: 3 }] }],
  ['[JSONPatch{op: "add", path: "/a", value: "s"}]', { cost: 50, json: [{ op: 'add', path: '/a', value: 's' }] }],
  ['[JSONPatch{op: "add", path: "/a", value: b\'abc\'}]', { cost: 50, json: [{ op: 'add', path: '/a', value: 'YWJj' }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: duration(\'90m\')}]',
    { cost: 50, json: [{ op: 'add', path: '/a', value: '5400s' }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: type(1)}]',
    {
      cost: 50,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: type conversion not supported for 'type'",
    },
  ],
  ['[JSONPatch{op: "add", path: "/a", value: optional.of(1)}]', { cost: 51, json: [{ op: 'add', path: '/a', value: 1 }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: optional.none()}]',
    {
      cost: 51,
      fault: 'JSONPath valueExpression evaluated to a type that could not marshal to JSON: optional.none() dereference',
    },
  ],
  ['[JSONPatch{op: "add", path: "/a", ?value: optional.none()}]', { cost: 51, json: [{ op: 'add', path: '/a' }] }],
  ['[JSONPatch{op: "add", path: "/a", ?value: optional.of(2)}]', { cost: 51, json: [{ op: 'add', path: '/a', value: 2 }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: quantity(\'1Gi\')}]',
    {
      cost: 51,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: type conversion error from 'Quantity' to '*structpb.Value'",
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: url(\'http://a/b\')}]',
    {
      cost: 51,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: type conversion error from 'URL' to '*structpb.Value'",
    },
  ],
  ['[JSONPatch{op: "add", path: "/a", value: [1, 2]}]', { cost: 50, json: [{ op: 'add', path: '/a', value: [1, 2] }] }],
  ['[JSONPatch{op: "add", path: "/a", value: {"a": 1}}]', { cost: 50, json: [{ op: 'add', path: '/a', value: { a: 1 } }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: {"a": {"b": [null]}}}]',
    { cost: 50, json: [{ op: 'add', path: '/a', value: { a: { b: [null] } } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: {1: 1}}]',
    {
      cost: 50,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: unsupported type conversion from 'int' to string",
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: {true: 1}}]',
    {
      cost: 50,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: type conversion error from bool to 'string'",
    },
  ],
  ['[JSONPatch{op: "add", path: "/a", value: {}}]', { cost: 50, json: [{ op: 'add', path: '/a', value: {} }] }],
  ['[JSONPatch{op: "add", path: "/a", value: []}]', { cost: 50, json: [{ op: 'add', path: '/a', value: [] }] }],
  [
    '[JSONPatch{op: "add", path: "/a", value: object.spec.list + [3]}]',
    { cost: 54, json: [{ op: 'add', path: '/a', value: [1, 2, 3] }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: 1}}]',
    { cost: 90, json: [{ op: 'add', path: '/a', value: { a: 1 } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: Object.spec.a{b: [1, 2]}}}]',
    { cost: 130, json: [{ op: 'add', path: '/a', value: { a: { b: [1, 2] } } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: Object.spec.wrong{b: [1, 2]}}}]',
    {
      cost: 130,
      fault:
        'type mismatch: unexpected type name "Object.spec.wrong", expected "Object.spec.a", which matches field name path from root Object type',
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: {"x": Object.spec.a{b: 1}}}}]',
    { cost: 160, json: [{ op: 'add', path: '/a', value: { a: { x: { b: 1 } } } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: [Object.spec.a{b: 1}]}}]',
    { cost: 140, json: [{ op: 'add', path: '/a', value: { a: [{ b: 1 }] } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: [[1]]}}]',
    {
      cost: 90,
      fault: 'JSONPath valueExpression evaluated to a type that could not marshal to JSON: proto: invalid type: []ref.Val',
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: null}}]',
    {
      cost: 90,
      fault:
        'JSONPath valueExpression evaluated to a type that could not marshal to JSON: proto: invalid type: structpb.NullValue',
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: {"x": {"y": 1}}}}]',
    {
      cost: 90,
      fault:
        'JSONPath valueExpression evaluated to a type that could not marshal to JSON: proto: invalid type: map[ref.Val]ref.Val',
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: 9007199254740993}}]',
    { cost: 90, json: [{ op: 'add', path: '/a', value: { a: 9007199254740992 } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: b\'abc\'}}]',
    { cost: 90, json: [{ op: 'add', path: '/a', value: { a: 'YWJj' } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: duration(\'1s\')}}]',
    {
      cost: 90,
      fault: 'JSONPath valueExpression evaluated to a type that could not marshal to JSON: proto: invalid type: time.Duration',
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: 3u}}]',
    { cost: 90, json: [{ op: 'add', path: '/a', value: { a: 3 } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: Object.spec{a: optional.of(1)}}]',
    { cost: 91, json: [{ op: 'add', path: '/a', value: { a: 1 } }] },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: JSONPatch{}}]',
    {
      cost: 90,
      fault:
        'JSONPath valueExpression evaluated to a type that could not marshal to JSON: cannot convert to native type: *structpb.Value',
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a/b~c"), value: "é"}]',
    { cost: 54, json: [{ op: 'add', path: '/metadata/labels/a~1b~0c', value: 'é' }] },
  ],
  ['[JSONPatch{op: "add", path: "/é\\"\\\\ \\u00e9"}]', { cost: 50, json: [{ op: 'add', path: '/é"\\ é' }] }],
  ['[JSONPatch{op: "add", path: "/tab\\t"}]', { cost: 50, json: [{ op: 'add', path: '/tab\t' }] }],
  ['[]', { cost: 0, value: '[]' }],
  ['[1]', { cost: 0, value: '[1]' }],
  [
    '[JSONPatch{}, 1]',
    { errors: "ERROR: <input>:1:15: expected type 'JSONPatch' but found 'int'\n | [JSONPatch{}, 1]\n | ..............^" },
  ],
  [
    '[JSONPatch{}] + [JSONPatch{op: "a"}]',
    {
      cost: 101,
      json: [
        { op: '', path: '' },
        { op: 'a', path: '' },
      ],
    },
  ],
  [
    'object.spec.list.map(x, JSONPatch{op: "add", path: "/spec/list/" + string(x), value: x})',
    {
      cost: 118,
      json: [
        { op: 'add', path: '/spec/list/1', value: 1 },
        { op: 'add', path: '/spec/list/2', value: 2 },
      ],
    },
  ],
  ['has(object.spec.list) ? [JSONPatch{op: "a"}] : []', { cost: 52, json: [{ op: 'a', path: '' }] }],
  ['[JSONPatch{path: "/a"}].map(p, p.path)', { cost: 65, value: '["/a"]' }],
  ['JSONPatch{path: "/a"}.path', { cost: 42, value: '"/a"' }],
  ['JSONPatch{path: "/a"}.value', { cost: 42, value: 'null' }],
  ['has(JSONPatch{path: "/a"}.path)', { cost: 41, value: 'true' }],
  ['JSONPatch{path: "/a"}.nope', { cost: 42, error: 'unsupported indexer: nope' }],
  ['dyn(JSONPatch{path: "/a"}).path', { cost: 43, value: '"/a"' }],
  ['dyn(JSONPatch{path: "/a"}).value', { cost: 43, value: 'null' }],
  ['dyn(JSONPatch{path: "/a", value: 1}).value', { cost: 43, value: '1' }],
  ['dyn(JSONPatch{path: "/a"}).nope', { cost: 43, error: 'unsupported indexer: nope' }],
  ['dyn(JSONPatch{path: "/a"}).op', { cost: 43, value: '""' }],
  ['has(dyn(JSONPatch{path: "/a"}).op)', { cost: 42, value: 'false' }],
  ['has(dyn(JSONPatch{path: "/a"}).path)', { cost: 42, value: 'true' }],
  ['has(dyn(JSONPatch{path: "/a"}).nope)', { cost: 42, error: 'unsupported field: nope' }],
  ['dyn(JSONPatch{path: "/a"})[\'path\']', { cost: 43, value: '"/a"' }],
  ['dyn(JSONPatch{path: "/a"}).?path', { cost: 43, value: 'optional.of("/a")' }],
  ['JSONPatch{path: "/a"} == JSONPatch{path: "/a"}', { cost: 81, value: 'true' }],
  ['JSONPatch{path: "/a"} == JSONPatch{path: "/b"}', { cost: 81, value: 'false' }],
  ['JSONPatch{value: 1} == JSONPatch{value: 1.0}', { cost: 81, value: 'true' }],
  ['JSONPatch{value: 1} == JSONPatch{}', { cost: 81, value: 'false' }],
  ['dyn(JSONPatch{}) == dyn(Object{})', { cost: 83, value: 'false' }],
  ['type(JSONPatch{}) == JSONPatch', { program: 'reference to undefined type: JSONPatch' }],
  ['JSONPatch', { program: 'reference to undefined type: JSONPatch' }],
  [
    'JSONPatch.foo{}',
    {
      errors:
        "ERROR: <input>:1:14: undeclared reference to 'JSONPatch.foo' (in container '')\n | JSONPatch.foo{}\n | .............^",
    },
  ],
  [
    'jsonpatch.escapeKey(1)',
    {
      errors:
        "ERROR: <input>:1:20: found no matching overload for 'jsonpatch.escapeKey' applied to '(int)'\n | jsonpatch.escapeKey(1)\n | ...................^",
    },
  ],
  ['jsonpatch.escapeKey(dyn(1))', { cost: 1, error: 'no such overload: jsonpatch.escapeKey(int)' }],
  ['jsonpatch.escapeKey("k8s.io/my~label")', { cost: 2, value: '"k8s.io~1my~0label"' }],
  ['jsonpatch.escapeKey("~/~1")', { cost: 1, value: '"~0~1~01"' }],
  [
    'Object{\n  spec: Object.spec{\n    x: wrong\n  }\n}',
    { errors: "ERROR: <input>:3:8: undeclared reference to 'wrong' (in container '')\n |     x: wrong\n | .......^" },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: {1u: 1}}]',
    {
      cost: 50,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: unsupported type conversion from 'uint' to string",
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: dyn({1.5: 1})}]',
    {
      cost: 50,
      fault:
        "JSONPath valueExpression evaluated to a type that could not marshal to JSON: type conversion error from Double to 'string'",
    },
  ],
  [
    '[JSONPatch{op: "add", path: "/a", value: {"a": double("NaN")}}]',
    {
      cost: 50,
      fault:
        'JSONPath valueExpression evaluated to a type that could not marshal to JSON: json: error calling MarshalJSON for type *structpb.Value: proto: google.protobuf.Value.number_value: invalid NaN value',
    },
  ],
  ['Object{m: [optional.none()]}', { cost: 51, json: { m: [null] } }],
  ['Object{m: optional.of([1])}', { cost: 41, json: { m: [1] } }],
  ['Object{m: [1] + []}', { cost: 41, json: { m: [1] } }],
  ['Object{m: object.spec.list + object.spec.list}', { cost: 47, json: { m: [1, 2, 1, 2] } }],
  [
    'Object{m: [dyn(object.spec.deep)] + [object.spec.deep]}',
    { cost: 68, json: { m: [{ x: [{ y: null }] }, { x: [{ y: null }] }] } },
  ],
  ['Object{m: object.metadata.labels.map(k, k)}', { cost: 57, json: { m: ['a'] } }],
  [
    '[JSONPatch{op:"add",path:"/a",value: [dyn(1), "a"]}]',
    {
      errors:
        'ERROR: <input>:1:47: expected type \'dyn\' but found \'string\'\n | [JSONPatch{op:"add",path:"/a",value: [dyn(1), "a"]}]\n | ..............................................^',
    },
  ],
  [
    '[JSONPatch{op:"add",path:"/a",value: [dyn(1), dyn("a"), dyn(null)]}]',
    { cost: 50, json: [{ op: 'add', path: '/a', value: [1, 'a', null] }] },
  ],
  ['[JSONPatch{?op: optional.of("add"), ?path: optional.none()}]', { cost: 52, json: [{ op: 'add', path: '' }] }],
  ['[JSONPatch{op: "add", op: "remove"}]', { cost: 50, json: [{ op: 'remove', path: '' }] }],
];
