import { Environment } from './environment.js';
import { authorizerLibrary } from './libraries/authorizer.js';
import { formatLibrary } from './libraries/format.js';
import { kubernetesListsLibrary, listsLibrary, setsLibrary } from './libraries/lists.js';
import { cidrLibrary, ipLibrary } from './libraries/network.js';
import { optionalLibrary, twoVariableLibrary } from './libraries/optional.js';
import { quantityLibrary } from './libraries/quantity.js';
import { regexLibrary } from './libraries/regex.js';
import { semverLibrary } from './libraries/semver.js';
import { standardLibrary } from './libraries/standard.js';
import { stringsLibrary } from './libraries/strings.js';
import { urlsLibrary } from './libraries/urls.js';

/** The most that one expression may cost when it runs. */
export const perCallCostLimit = 1_000_000;

let environment: Environment | undefined;

/**
 * What every expression in Kubernetes 1.36 may use, without variables (k8s.io/apiserver/pkg/cel/environment/base.go). The
 * compatibility version is 1.35, which has all libraries, so new and stored expressions have one environment.
 */
export function kubernetesEnvironment(): Environment {
  return (environment ??= new Environment({
    libraries: [
      standardLibrary,
      urlsLibrary,
      regexLibrary,
      kubernetesListsLibrary,
      authorizerLibrary,
      optionalLibrary,
      quantityLibrary,
      stringsLibrary,
      setsLibrary,
      ipLibrary,
      cidrLibrary,
      formatLibrary,
      twoVariableLibrary,
      semverLibrary,
      listsLibrary,
    ],
    optionalSyntax: true,
    homogeneousLiterals: true,
  }));
}
