export type OpenApiSchema = { [key: string]: unknown };

/** What a schema that is not in the tables is written with. */
export interface SchemaContext {
  readonly form: 'v2' | 'v3';
  /** A reference to a type by name, which then is in the document too. */
  reference(typeName: string): OpenApiSchema;
  /** The same for a member with a description. */
  member(typeName: string, description: string | undefined): OpenApiSchema;
  /** What is said of a field of a kind of the core group. */
  describe(kind: string, field: string): string | undefined;
}

/** The types of a resource that brings its own. Names are definition names (`com.example.v1.Foo`). */
export interface CustomSchemas {
  readonly type: string;
  readonly listType: string;
  object(context: SchemaContext): OpenApiSchema;
  list(context: SchemaContext): OpenApiSchema;
}
