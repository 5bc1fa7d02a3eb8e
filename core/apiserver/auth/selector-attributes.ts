import { parseFieldSelector } from '../../machinery/field-selector.js';
import { parseLabelSelector } from '../../machinery/label-selector.js';
import { errorCode } from '../../base/errors.js';
import type { Attributes } from './authorizer.js';

const collectionVerbs = new Set(['list', 'watch', 'deletecollection']);

/**
 * What the query of a request for a collection adds to its attributes: the selectors, and the one name that
 * `metadata.name=` asks for, so that rules with resource names hold. A selector that cannot be read adds nothing:
 * the handler refuses it later. Source: apiserver request info and authorization filter.
 */
export function selectorAttributes(
  verb: string,
  name: string,
  query: URLSearchParams,
): Pick<Attributes, 'name' | 'fieldSelector' | 'labelSelector'> {
  if (!collectionVerbs.has(verb)) return { name };
  const fields = query.get('fieldSelector');
  const labels = query.get('labelSelector');
  if (!fields && !labels) return { name };
  const fieldSelector = fields ? readable(() => parseFieldSelector(fields)) : undefined;
  const labelSelector = labels ? readable(() => parseLabelSelector(labels)) : undefined;
  const wanted = name || (fieldSelector?.exactValue('metadata.name') ?? '');
  return {
    name: isPathSegment(wanted) ? wanted : name,
    ...(fieldSelector && !fieldSelector.empty ? { fieldSelector: fieldSelector.requirements } : {}),
    ...(labelSelector && !labelSelector.empty ? { labelSelector: labelSelector.requirements } : {}),
  };
}

/** A selector's value that could not be an object's name in a URL must not count as one. */
function isPathSegment(name: string): boolean {
  return name !== '.' && name !== '..' && !name.includes('/') && !name.includes('%');
}

function readable<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (errorCode(error) === 'INVALID_SELECTOR') return undefined;
    throw error;
  }
}
