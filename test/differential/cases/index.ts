import type { Case } from '../replay.js';
import { rbacCases } from './rbac.js';
import { reviewCases } from './reviews.js';
import { smallKindCases } from './small-kinds.js';

/** By the name of the file that holds what upstream answers. */
export const cases: Readonly<Record<string, readonly Case[]>> = {
  rbac: rbacCases,
  reviews: reviewCases,
  'small-kinds': smallKindCases,
};
