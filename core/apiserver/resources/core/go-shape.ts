const goNames: Readonly<Record<string, string>> = {
  seLinuxOptions: 'SELinuxOptions',
  gmsaCredentialSpecName: 'GMSACredentialSpecName',
  gmsaCredentialSpec: 'GMSACredentialSpec',
};

/** Of fields whose Go type is no pointer, what they are when absent. */
const emptyStrings = new Set(['user', 'role', 'level', 'type']);

/** A value as the JSON of a Go structure without names for JSON: every field, in its order, by its Go name. */
export function goShape(
  value: object,
  fields: readonly string[],
  nested: Readonly<Record<string, readonly string[]>> = {},
): object {
  const source = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    fields.map(field => {
      const name = goNames[field] ?? field[0]!.toUpperCase() + field.slice(1);
      const inner = source[field];
      if (inner === undefined) return [name, emptyStrings.has(field) ? '' : null];
      const shape = nested[field];
      return [name, shape && typeof inner === 'object' && inner !== null ? goShape(inner, shape) : inner];
    }),
  );
}
