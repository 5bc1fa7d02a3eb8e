/** What becomes of one argument of an upstream component, as `--kubelet-arg` and its like give it. `T` is what is read into. */
export type ArgumentRule<T> =
  | {
      readonly state: 'works';
      readonly summary: string;
      /** Called for each time it is given, in order. Throws an Error whose message completes "NAME=VALUE: ...". */
      read(value: string, target: T): void;
    }
  /** Accepted; a warning says why nothing comes of it. */
  | { readonly state: 'no-effect'; readonly why: string }
  /** The start is refused, but for values that say what happens anyway. */
  | { readonly state: 'refused'; readonly needs: string; readonly except?: readonly string[] };

export type ArgumentTable<T> = Readonly<Record<string, ArgumentRule<T>>>;

/** One component: whose arguments come by which flag, and what is known of them. Every field of `T` is optional: it begins empty. */
export interface ArgumentComponent<T> {
  readonly flag: string;
  /** As messages name it: `the kubelet`. */
  readonly name: string;
  readonly table: ArgumentTable<T>;
}

export function works<T>(summary: string, read: (value: string, target: T) => void): ArgumentRule<T> {
  return { state: 'works', summary, read };
}

export function noEffect(why: string): ArgumentRule<never> & { state: 'no-effect' } {
  return { state: 'no-effect', why };
}

export function refused(needs: string, ...except: readonly string[]): ArgumentRule<never> & { state: 'refused' } {
  return except.length === 0 ? { state: 'refused', needs } : { state: 'refused', needs, except };
}

/** What components of one process share: there is one log, one listener, one leader. */
export const why = {
  election: 'parts of one process elect no leader',
  features: 'features are not switched by gates here',
  listener: 'it has no listener of its own',
  log: 'there is one log, for which --debug and -v are',
  profiling: 'use node --inspect',
  rates: 'calls inside the process are not throttled',
  workers: 'the number of workers is fixed',
} as const;

/** `name=value`; dashes before it do not matter, a bare name means true. */
export function splitArgument(argument: string): readonly [name: string, value: string] {
  const [, name = '', value = 'true'] = /^-{0,2}([^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
  return [name, value];
}

/** Reads those that work into `target`; the others were judged before anything was built. */
export function applyArguments<T>({ table }: ArgumentComponent<T>, given: readonly string[], target: T): T {
  for (const argument of given) {
    const [name, value] = splitArgument(argument);
    const rule = Object.hasOwn(table, name) ? table[name] : undefined;
    if (rule?.state === 'works') rule.read(value, target);
  }
  return target;
}
