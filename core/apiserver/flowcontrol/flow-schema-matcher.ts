import type { FlowcontrolSubject, NonResourcePolicyRule, ResourcePolicyRule } from '../../api/generated/types.js';
import { RecentCache } from '../auth/recent-cache.js';
import type { UserInfo } from '../auth/user-info.js';
import { serviceAccountUsername } from '../auth/user-info.js';
import type { RequestInfo } from '../handlers/request-info.js';
import type { ClassifyingSchema } from './flow.js';
import { Flow } from './flow.js';

/** Users whose schemas are kept worked out. */
const keptUsers = 4096;

/** Undefined: every value. */
type Words = ReadonlySet<string> | undefined;

interface ResourceTest {
  readonly verbs: Words;
  readonly groups: Words;
  /** `pods` and `pods/status` are two. */
  readonly resources: Words;
  readonly namespaces: Words;
  readonly clusterScope: boolean;
}

interface PathTest {
  readonly verbs: Words;
  readonly paths: Words;
  /** Each ends with a slash. */
  readonly prefixes: readonly string[];
}

/** What a schema asks of the requests of one user, whom it knows. */
interface Candidate {
  readonly schema: ClassifyingSchema;
  readonly resources: readonly ResourceTest[];
  readonly paths: readonly PathTest[];
  /** Undefined: by namespace. */
  readonly flow: Flow | undefined;
}

interface KnownUser {
  readonly groups: readonly string[];
  readonly candidates: readonly Candidate[];
}

interface CompiledRule {
  readonly subjects: readonly FlowcontrolSubject[];
  readonly resources: readonly ResourceTest[];
  readonly paths: readonly PathTest[];
}

/**
 * Which schema a request falls under: the first in the order given that matches. Subjects are looked at once a user, so that most
 * requests cost a look into a map and a comparison or two. Source: apiserver pkg/util/flowcontrol/rule.go.
 */
export class FlowSchemaMatcher {
  readonly #schemas: readonly { readonly schema: ClassifyingSchema; readonly rules: readonly CompiledRule[] }[];
  readonly #fallback: ClassifyingSchema;
  readonly #users = new RecentCache<KnownUser>(keptUsers);

  /** In order of precedence. `fallback` takes what matches none of them. */
  constructor(schemas: readonly ClassifyingSchema[], fallback: ClassifyingSchema) {
    this.#schemas = schemas.map(schema => ({
      schema,
      rules: (schema.spec.rules ?? []).map(({ subjects, resourceRules = [], nonResourceRules = [] }) => ({
        subjects: subjects ?? [],
        resources: resourceRules.map(resourceTest),
        paths: nonResourceRules.map(pathTest),
      })),
    }));
    this.#fallback = fallback;
  }

  match(user: UserInfo, info: RequestInfo): Flow {
    const { candidates } = this.#known(user);
    for (let at = 0; at < candidates.length; at++) {
      const candidate = candidates[at]!;
      if (matches(candidate, info)) return candidate.flow ?? candidate.schema.ofNamespace(info.namespace);
    }
    return this.#fallback.only;
  }

  #known(user: UserInfo): KnownUser {
    const known = this.#users.get(user.name);
    if (known && sameWords(known.groups, user.groups)) return known;
    const made = { groups: user.groups, candidates: this.#candidates(user) };
    this.#users.set(user.name, made);
    return made;
  }

  #candidates(user: UserInfo): Candidate[] {
    const candidates: Candidate[] = [];
    for (const { schema, rules } of this.#schemas) {
      const own = rules.filter(({ subjects }) => subjects.some(subject => isSubject(user, subject)));
      if (own.length === 0) continue;
      const method = schema.spec.distinguisherMethod?.type;
      candidates.push({
        schema,
        resources: own.flatMap(({ resources }) => resources),
        paths: own.flatMap(({ paths }) => paths),
        flow: method === 'ByUser' ? new Flow(schema, user.name) : method === 'ByNamespace' ? undefined : schema.only,
      });
    }
    return candidates;
  }
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function isSubject(user: UserInfo, subject: FlowcontrolSubject): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.user !== undefined && (subject.user.name === '*' || subject.user.name === user.name);
    case 'Group': {
      const name = subject.group?.name;
      return name !== undefined && (name === '*' || user.groups.includes(name));
    }
    case 'ServiceAccount': {
      if (!subject.serviceAccount) return false;
      const { namespace, name } = subject.serviceAccount;
      return name === '*'
        ? user.name.startsWith(serviceAccountUsername(namespace, ''))
        : user.name === serviceAccountUsername(namespace, name);
    }
    default:
      return false;
  }
}

/** A star means everything only where it stands alone. */
function words(list: readonly string[] | null | undefined): Words {
  return list?.length === 1 && list[0] === '*' ? undefined : new Set(list);
}

function resourceTest({ verbs, apiGroups, resources, namespaces, clusterScope = false }: ResourcePolicyRule): ResourceTest {
  return {
    verbs: words(verbs),
    groups: words(apiGroups),
    resources: words(resources),
    namespaces: words(namespaces),
    clusterScope,
  };
}

function pathTest(rule: NonResourcePolicyRule): PathTest {
  // A list that was given as nothing is null.
  const nonResourceURLs = rule.nonResourceURLs ?? [];
  const isEverything = nonResourceURLs.includes('*');
  const prefixes = nonResourceURLs.map(url => {
    const prefix = url.endsWith('*') ? url.slice(0, -1) : url;
    return prefix.endsWith('/') ? prefix : `${prefix}/`;
  });
  return {
    verbs: words(rule.verbs),
    paths: isEverything ? undefined : new Set(nonResourceURLs),
    prefixes,
  };
}

function matches({ resources, paths }: Candidate, info: RequestInfo): boolean {
  if (!info.resourceRequest) {
    for (let at = 0; at < paths.length; at++) if (matchesPath(paths[at]!, info)) return true;
    return false;
  }
  for (let at = 0; at < resources.length; at++) if (matchesResource(resources[at]!, info)) return true;
  return false;
}

function matchesResource(test: ResourceTest, { verb, group, resource, subresource, namespace }: RequestInfo): boolean {
  if (test.verbs && !test.verbs.has(verb)) return false;
  if (test.resources && !test.resources.has(subresource ? `${resource}/${subresource}` : resource)) return false;
  if (test.groups && !test.groups.has(group)) return false;
  if (!namespace) return test.clusterScope;
  return !test.namespaces || test.namespaces.has(namespace);
}

function matchesPath(test: PathTest, { verb, path }: RequestInfo): boolean {
  if (test.verbs && !test.verbs.has(verb)) return false;
  return !test.paths || test.paths.has(path) || test.prefixes.some(prefix => path.startsWith(prefix));
}
