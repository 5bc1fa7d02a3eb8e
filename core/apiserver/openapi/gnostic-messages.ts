/**
 * The protobuf messages of OpenAPI documents, as far as API servers use them. Facts of gnostic-models' OpenAPIv2.proto and OpenAPIv3.proto.
 *
 * A type is a word (`string bool double int64`, `any`: JSON in a message), the name of a message, or `[]X`.
 */
export interface Message {
  /** By JSON name. */
  readonly fields?: Readonly<Record<string, readonly [number: number, type: string]>>;
  /** All other JSON names, each as `{ name = 1; value = 2 }`. */
  readonly entries?: readonly [number: number, type: string];
  /** JSON names that begin with `x-`, likewise. */
  readonly extensions?: number;
  /** The message is one of these, or the list or value itself when there is only one. */
  readonly choose?: (value: unknown) => readonly [number: number, type: string];
}

export interface MessageSet {
  readonly document: string;
  readonly messages: Readonly<Record<string, Message>>;
}

type Field = readonly [number: number, type: string];

const isReference = (value: unknown): boolean => typeof value === 'object' && value !== null && '$ref' in value;
const orReference = (type: string): Message => ({ choose: value => (isReference(value) ? [2, 'Reference'] : [1, type]) });
const namedValues = (type: string): Message => ({ entries: [1, type] });
const always = (...field: Field): Message => ({ choose: () => field });

const limits: (first: number) => Record<string, Field> = first => ({
  maximum: [first, 'double'],
  exclusiveMaximum: [first + 1, 'bool'],
  minimum: [first + 2, 'double'],
  exclusiveMinimum: [first + 3, 'bool'],
  maxLength: [first + 4, 'int64'],
  minLength: [first + 5, 'int64'],
  pattern: [first + 6, 'string'],
  maxItems: [first + 7, 'int64'],
  minItems: [first + 8, 'int64'],
  uniqueItems: [first + 9, 'bool'],
});

const schemaOrBoolean = (type: string): Message => ({
  choose: value => (typeof value === 'boolean' ? [2, 'bool'] : [1, type]),
});

/** A parameter in the query has `allowEmptyValue` at 5, which moves what follows. */
const parameter = (inQuery: boolean): Message => {
  const shift = inQuery ? 1 : 0;
  return {
    fields: {
      required: [1, 'bool'],
      in: [2, 'string'],
      description: [3, 'string'],
      name: [4, 'string'],
      ...(inQuery && { allowEmptyValue: [5, 'bool'] }),
      type: [5 + shift, 'string'],
      format: [6 + shift, 'string'],
      collectionFormat: [8 + shift, 'string'],
      default: [9 + shift, 'any'],
      ...limits(10 + shift),
      enum: [20 + shift, '[]any'],
    },
    extensions: 22 + shift,
  };
};

export const documentV2: MessageSet = {
  document: 'Document',
  messages: {
    Document: {
      fields: {
        swagger: [1, 'string'],
        info: [2, 'Info'],
        paths: [8, 'Paths'],
        definitions: [9, 'Definitions'],
        parameters: [10, 'Parameters'],
        security: [12, '[]SecurityRequirement'],
        securityDefinitions: [13, 'SecurityDefinitions'],
      },
      extensions: 16,
    },
    Info: { fields: { title: [1, 'string'], version: [2, 'string'], description: [3, 'string'] }, extensions: 7 },
    Paths: { entries: [2, 'PathItem'], extensions: 1 },
    PathItem: {
      fields: {
        get: [2, 'Operation'],
        put: [3, 'Operation'],
        post: [4, 'Operation'],
        delete: [5, 'Operation'],
        options: [6, 'Operation'],
        head: [7, 'Operation'],
        patch: [8, 'Operation'],
        parameters: [9, '[]ParametersItem'],
      },
      extensions: 10,
    },
    Operation: {
      fields: {
        tags: [1, '[]string'],
        summary: [2, 'string'],
        description: [3, 'string'],
        operationId: [5, 'string'],
        produces: [6, '[]string'],
        consumes: [7, '[]string'],
        parameters: [8, '[]ParametersItem'],
        responses: [9, 'Responses'],
        schemes: [10, '[]string'],
        deprecated: [11, 'bool'],
      },
      extensions: 13,
    },
    ParametersItem: orReference('Parameter'),
    Parameters: namedValues('Parameter'),
    Parameter: { choose: value => ((value as { in?: unknown }).in === 'body' ? [1, 'BodyParameter'] : [2, 'OtherParameter']) },
    BodyParameter: {
      fields: {
        description: [1, 'string'],
        name: [2, 'string'],
        in: [3, 'string'],
        required: [4, 'bool'],
        schema: [5, 'Schema'],
      },
      extensions: 6,
    },
    OtherParameter: {
      choose: value => ((value as { in?: unknown }).in === 'path' ? [4, 'PathParameter'] : [3, 'QueryParameter']),
    },
    PathParameter: parameter(false),
    QueryParameter: parameter(true),
    Responses: { entries: [1, 'ResponseValue'], extensions: 2 },
    ResponseValue: orReference('Response'),
    Response: { fields: { description: [1, 'string'], schema: [2, 'SchemaItem'] }, extensions: 5 },
    SchemaItem: always(1, 'Schema'),
    Reference: { fields: { $ref: [1, 'string'], description: [2, 'string'] } },
    Definitions: namedValues('Schema'),
    Schema: {
      fields: {
        $ref: [1, 'string'],
        format: [2, 'string'],
        title: [3, 'string'],
        description: [4, 'string'],
        default: [5, 'any'],
        multipleOf: [6, 'double'],
        ...limits(7),
        maxProperties: [17, 'int64'],
        minProperties: [18, 'int64'],
        required: [19, '[]string'],
        enum: [20, '[]any'],
        additionalProperties: [21, 'AdditionalProperties'],
        type: [22, 'TypeItem'],
        items: [23, 'ItemsItem'],
        allOf: [24, '[]Schema'],
        properties: [25, 'Definitions'],
        readOnly: [27, 'bool'],
      },
      extensions: 31,
    },
    AdditionalProperties: schemaOrBoolean('Schema'),
    TypeItem: always(1, 'string'),
    ItemsItem: always(1, 'Schema'),
    SecurityRequirement: namedValues('Strings'),
    Strings: always(1, '[]string'),
    SecurityDefinitions: namedValues('SecurityDefinition'),
    SecurityDefinition: always(2, 'ApiKey'),
    ApiKey: {
      fields: { type: [1, 'string'], name: [2, 'string'], in: [3, 'string'], description: [4, 'string'] },
      extensions: 5,
    },
  },
};

export const documentV3: MessageSet = {
  document: 'Document',
  messages: {
    Document: {
      fields: { openapi: [1, 'string'], info: [2, 'Info'], paths: [4, 'Paths'], components: [5, 'Components'] },
      extensions: 9,
    },
    Info: { fields: { title: [1, 'string'], description: [2, 'string'], version: [6, 'string'] }, extensions: 7 },
    Paths: { entries: [1, 'PathItem'], extensions: 2 },
    PathItem: {
      fields: {
        summary: [2, 'string'],
        description: [3, 'string'],
        get: [4, 'Operation'],
        put: [5, 'Operation'],
        post: [6, 'Operation'],
        delete: [7, 'Operation'],
        options: [8, 'Operation'],
        head: [9, 'Operation'],
        patch: [10, 'Operation'],
        parameters: [13, '[]ParameterItem'],
      },
      extensions: 14,
    },
    Operation: {
      fields: {
        tags: [1, '[]string'],
        summary: [2, 'string'],
        description: [3, 'string'],
        operationId: [5, 'string'],
        parameters: [6, '[]ParameterItem'],
        requestBody: [7, 'RequestBodyItem'],
        responses: [8, 'Responses'],
        deprecated: [10, 'bool'],
      },
      extensions: 13,
    },
    ParameterItem: orReference('Parameter'),
    Parameter: {
      fields: {
        name: [1, 'string'],
        in: [2, 'string'],
        description: [3, 'string'],
        required: [4, 'bool'],
        schema: [10, 'SchemaItem'],
      },
      extensions: 14,
    },
    RequestBodyItem: orReference('RequestBody'),
    RequestBody: {
      fields: { description: [1, 'string'], content: [2, 'MediaTypes'], required: [3, 'bool'] },
      extensions: 4,
    },
    MediaTypes: namedValues('MediaType'),
    MediaType: { fields: { schema: [1, 'SchemaItem'] }, extensions: 5 },
    Responses: { entries: [2, 'ResponseItem'], extensions: 3 },
    ResponseItem: orReference('Response'),
    Response: { fields: { description: [1, 'string'], content: [3, 'MediaTypes'] }, extensions: 5 },
    Reference: { fields: { $ref: [1, 'string'] } },
    Components: { fields: { schemas: [1, 'Schemas'], securitySchemes: [7, 'SecuritySchemes'] }, extensions: 10 },
    Schemas: namedValues('SchemaItem'),
    SchemaItem: orReference('Schema'),
    Schema: {
      fields: {
        nullable: [1, 'bool'],
        readOnly: [3, 'bool'],
        writeOnly: [4, 'bool'],
        example: [7, 'any'],
        deprecated: [8, 'bool'],
        title: [9, 'string'],
        multipleOf: [10, 'double'],
        ...limits(11),
        maxProperties: [21, 'int64'],
        minProperties: [22, 'int64'],
        required: [23, '[]string'],
        enum: [24, '[]any'],
        type: [25, 'string'],
        allOf: [26, '[]SchemaItem'],
        oneOf: [27, '[]SchemaItem'],
        anyOf: [28, '[]SchemaItem'],
        not: [29, 'Schema'],
        items: [30, 'ItemsItem'],
        properties: [31, 'Schemas'],
        additionalProperties: [32, 'AdditionalProperties'],
        default: [33, 'Default'],
        description: [34, 'string'],
        format: [35, 'string'],
      },
      extensions: 36,
    },
    ItemsItem: always(1, 'SchemaItem'),
    AdditionalProperties: schemaOrBoolean('SchemaItem'),
    /** Has no form for lists and objects: they are an empty message. */
    Default: {
      choose: value => {
        if (typeof value === 'number') return [1, 'double'];
        if (typeof value === 'boolean') return [2, 'bool'];
        return typeof value === 'string' ? [3, 'string'] : [0, ''];
      },
    },
    SecuritySchemes: namedValues('SecuritySchemeItem'),
    SecuritySchemeItem: orReference('SecurityScheme'),
    SecurityScheme: {
      fields: { type: [1, 'string'], description: [2, 'string'], name: [3, 'string'], in: [4, 'string'] },
      extensions: 9,
    },
  },
};
