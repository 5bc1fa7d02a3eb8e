import { FakeClock } from '../../../base/fake-clock.js';
import { SinkLogger } from '../../../base/logger.js';
import type { FlowSchema, PriorityLevelConfiguration } from '../../../api/generated/types.js';
import { resourceAttributes } from '../../auth/authorizer.js';
import type { Attributes } from '../../auth/authorizer.js';
import type { UserInfo } from '../../auth/user-info.js';
import type { RequestInfo } from '../../handlers/request-info.js';
import { parseRequest } from '../../handlers/request-info.js';
import { defaultFlowControl } from '../default-flow-control.js';
import { FlowMetrics } from '../flow-metrics.js';
import { PriorityAndFairness } from '../priority-and-fairness.js';
import { PriorityLevels } from '../priority-levels.js';
import type { Passage } from '../request-limiter.js';
import { Turns } from '../turns.js';
import { WatchCounts } from '../watch-counts.js';
import type { StoredAmount } from '../work-estimator.js';
import { WorkEstimator } from '../work-estimator.js';

const apiVersion = 'flowcontrol.apiserver.k8s.io/v1';

export function level(
  name: string,
  limited: NonNullable<PriorityLevelConfiguration['spec']['limited']>,
): PriorityLevelConfiguration {
  return {
    apiVersion,
    kind: 'PriorityLevelConfiguration',
    metadata: { name, uid: `uid-of-${name}` },
    spec: { type: 'Limited', limited },
    status: {},
  };
}

export function queuingLevel(
  name: string,
  shares: number,
  queuing: { queues: number; handSize: number; queueLengthLimit: number },
): PriorityLevelConfiguration {
  return level(name, {
    nominalConcurrencyShares: shares,
    lendablePercent: 0,
    borrowingLimitPercent: 0,
    limitResponse: { type: 'Queue', queuing },
  });
}

/** Of a group's requests. */
export function schemaOf(group: string, levelName: string, more: Partial<FlowSchema['spec']> = {}): FlowSchema {
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };
  return {
    apiVersion,
    kind: 'FlowSchema',
    metadata: { name: group, uid: `uid-of-schema-${group}` },
    spec: {
      priorityLevelConfiguration: { name: levelName },
      matchingPrecedence: 50,
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'Group', group: { name: group } }],
          resourceRules: [everything],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        },
      ],
      ...more,
    },
    status: {},
  };
}

export function user(name: string, ...groups: string[]): UserInfo {
  return { name, groups: [...groups, 'system:authenticated'] };
}

/** Priority and fairness with a clock of its own and, if nothing else is given, what every cluster begins with. */
export class FlowControlBench {
  readonly clock = new FakeClock();
  readonly metrics = new FlowMetrics(this.clock);
  readonly watches = new WatchCounts();
  readonly levels: PriorityLevels;
  readonly limiter: PriorityAndFairness;
  /** Of every resource. */
  stored: StoredAmount | undefined;

  constructor(seats: number, levels: readonly PriorityLevelConfiguration[] = [], schemas: readonly FlowSchema[] = []) {
    const { clock, metrics, watches } = this;
    this.levels = new PriorityLevels({ clock, metrics, seats, logger: new SinkLogger(() => undefined, 'error') });
    const defaults = defaultFlowControl();
    const isGiven = levels.length > 0;
    this.levels.digest(isGiven ? levels : defaults.levels, isGiven ? schemas : [...defaults.schemas, ...schemas]);
    const estimator = new WorkEstimator({ stored: () => this.stored, watches });
    this.limiter = new PriorityAndFairness({
      clock,
      metrics,
      watches,
      levels: this.levels,
      estimator,
      turns: new Turns(call => call()),
    });
  }

  request(method: string, url: string): RequestInfo {
    return parseRequest(method, url);
  }

  asked(who: UserInfo, info: RequestInfo): Attributes {
    return resourceAttributes({ user: who, verb: info.verb, resource: info.resource, name: info.name });
  }

  enter(who: UserInfo, method = 'GET', url = '/api/v1/namespaces/default/configmaps/x'): Passage {
    const info = this.request(method, url);
    return this.limiter.enter(info, this.asked(who, info))!;
  }

  limit(name: string): number {
    return this.levels.all().find(each => each.name === name)!.queues.limit;
  }

  lines(pattern: RegExp): string[] {
    return this.metrics
      .text()
      .split('\n')
      .filter(line => !line.startsWith('#') && pattern.test(line));
  }
}
