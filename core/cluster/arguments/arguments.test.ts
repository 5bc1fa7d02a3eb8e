import { describe, expect, it } from '@jest/globals';
import { totalmem } from 'node:os';
import { apiServerArguments, apiServerTuning } from './apiserver-arguments.js';
import { nftablesServiceProxy } from '../../../plugins/service-proxy/nftables/index.js';
import { readArguments } from './component-arguments.js';
import type { ArgumentComponent, ArgumentFindings } from './component-arguments.js';
import { controllerArguments, controllersTuning } from './controller-arguments.js';
import { kubeletArguments, kubeletTuning } from './kubelet-arguments.js';
import { schedulerArguments, schedulerTuning } from './scheduler-arguments.js';

type Check = (given: readonly string[], source?: string) => ArgumentFindings;

const components: readonly (readonly [ArgumentComponent<never>, Check])[] = [
  [apiServerArguments, apiServerTuning],
  [controllerArguments, controllersTuning],
  [kubeletArguments, kubeletTuning],
  [schedulerArguments, schedulerTuning],
  [nftablesServiceProxy.arguments!, (given, source) => readArguments(nftablesServiceProxy.arguments!, given, {}, source)],
];

const messages = ({ errors, warnings }: ArgumentFindings): { errors: string[]; warnings: readonly string[] } => ({
  errors: errors.map(({ message }) => message),
  warnings,
});
const nothing = { errors: [], warnings: [] };

describe.each(components)('the table of $flag', (component, check) => {
  const rows = Object.entries(component.table);

  it('is sorted, and each refused argument is refused and each without effect warned about', () => {
    expect(rows.map(([name]) => name)).toEqual(rows.map(([name]) => name).sort());
    for (const [name, rule] of rows) {
      const found = messages(check([`${name}=surely-not-a-default`]));
      const line = `--${component.flag} ${name}=surely-not-a-default`;
      if (rule.state === 'no-effect') expect(found).toEqual({ errors: [], warnings: [`${line} has no effect: ${rule.why}`] });
      if (rule.state !== 'refused') continue;
      expect(found).toEqual({ errors: [`${line} needs ${rule.needs}`], warnings: [] });
      for (const value of rule.except ?? []) expect(messages(check([`--${name}=${value}`]))).toEqual(nothing);
    }
  });

  it('refuses what it does not know, with the nearest name', () => {
    const name = rows[0]![0];
    expect(messages(check([`${name}x=1`, 'v=2'], 'config.yaml'))).toEqual({
      errors: [
        `--${component.flag} (from config.yaml) ${name}x=1: ${component.name} has no argument "${name}x" that is known here (did you mean "${name}"?)`,
      ],
      warnings: [`--${component.flag} (from config.yaml) v=2 has no effect: there is one log, for which --debug and -v are`],
    });
  });
});

describe('the kubelet', () => {
  const tuning = (...given: string[]): object => {
    const found = kubeletTuning(given);
    expect(messages(found)).toEqual(nothing);
    return found.tuning;
  };

  it('reads numbers, sizes, durations and lists', () => {
    const given = [
      'max-pods=50',
      '--image-gc-high-threshold=70',
      'image-gc-low-threshold=60',
      'minimum-image-ttl-duration=1m30s',
      'container-log-max-size=1Mi',
      'container-log-max-files=3',
      'node-status-update-frequency=4s',
      'eviction-pressure-transition-period=30s',
      'cluster-dns=10.43.0.10,10.43.0.11',
      'cluster-dns=10.43.0.12',
      'cluster-domain=example.com',
      'resolv-conf=/run/resolv.conf',
      'port=10350',
      'protect-kernel-defaults=true',
      'allowed-unsafe-sysctls=kernel.msg*,net.core.somaxconn',
    ];
    expect(tuning(...given)).toEqual({
      maximumPods: 50,
      imageHighPercent: 70,
      imageLowPercent: 60,
      imageMinimumAgeMs: 90_000,
      logMaximumBytes: 1_048_576,
      logMaximumFiles: 3,
      statusPeriodMs: 4000,
      evictionTransitionMs: 30_000,
      clusterDns: ['10.43.0.10', '10.43.0.11', '10.43.0.12'],
      clusterDomain: 'example.com',
      resolvConf: '/run/resolv.conf',
      port: 10_350,
      protectKernelDefaults: true,
      unsafeSysctls: ['kernel.msg*', 'net.core.somaxconn'],
    });
  });

  it('adds up what is reserved', () => {
    const given = ['system-reserved=cpu=500m,memory=1Gi', 'kube-reserved=cpu=0.25,ephemeral-storage=1G'];
    expect(tuning(...given)).toEqual({ reserved: { cpu: 0.75, memory: 2 ** 30, 'ephemeral-storage': 1e9 } });
  });

  it('replaces the limits of eviction as a whole', () => {
    const disk = { condition: 'DiskPressure', resource: 'ephemeral-storage', minimumReclaim: 0.1 };
    const memory = { signal: 'memory.available', condition: 'MemoryPressure', resource: 'memory' };
    expect(tuning('eviction-hard=memory.available<200Mi,nodefs.available<7%,imagefs.available<0%')).toEqual({
      evictionThresholds: [
        { ...memory, limit: { bytes: 200 * 2 ** 20 } },
        { ...disk, signal: 'nodefs.available', limit: { fraction: 0.07 } },
      ],
    });
    expect(tuning('eviction-hard=memory.available<10%')).toEqual({
      evictionThresholds: [{ ...memory, limit: { bytes: Math.floor(totalmem() / 10) } }],
    });
    expect(tuning('eviction-minimum-reclaim=memory.available=1%')).toMatchObject({
      evictionThresholds: [{ minimumReclaim: 0.01 }, { signal: 'nodefs.available', limit: { fraction: 0.05 } }, {}, {}, {}],
    });
  });

  it.each([
    ['max-pods=none', 'must be a whole number of at least 1'],
    ['max-pods', 'must be a whole number of at least 1'],
    ['image-gc-high-threshold=101', 'must be a whole number from 0 to 100'],
    ['container-log-max-size=big', 'must be a quantity like 500m or 10Mi'],
    ['container-log-max-size=0', 'must be above 0'],
    ['container-log-max-size=-1', 'must not be negative'],
    ['node-status-update-frequency=10', 'must be a duration like 10s or 1h30m'],
    ['node-status-update-frequency=0s', 'must be longer than nothing'],
    ['cluster-dns=here', '"here" is not an IP address'],
    ['allowed-unsafe-sysctls=vm.swappiness', 'the sysctls "vm.swappiness" are not known to be namespaced'],
    ['system-reserved=pid=5', '"pid" is none of cpu, ephemeral-storage, memory'],
    ['kube-reserved=cpu', 'must be like NAME=VALUE,NAME=VALUE, not "cpu"'],
    ['eviction-hard=pid.available<5%', expect.stringMatching(/^"pid.available" is none of memory.available/)],
    ['eviction-hard=memory.available<500%', '"500%" is not a percentage from 0% to 100%'],
    ['eviction-minimum-reclaim=nodefs.available=1Gi', 'must be a percentage like 10%; amounts are not supported here'],
  ])('refuses %s', (argument, problem) => {
    const { errors } = messages(kubeletTuning([argument]));
    expect(errors.map(text => text.replace(`--kubelet-arg ${argument}: `, ''))).toEqual([problem]);
  });
});

describe('the API server', () => {
  it('reads ports, admission plugins and tolerations', () => {
    const given = [
      'service-node-port-range=31000-31999',
      'disable-admission-plugins=ServiceAccount,AlwaysPullImages',
      'disable-admission-plugins=LimitRanger',
      'enable-admission-plugins=NodeRestriction',
      'default-not-ready-toleration-seconds=10',
      'default-unreachable-toleration-seconds=0',
    ];
    const found = apiServerTuning(given);
    expect(messages(found)).toEqual(nothing);
    expect(found.tuning).toEqual({
      serviceNodePortRange: { first: 31_000, last: 31_999 },
      disabledAdmission: ['ServiceAccount', 'AlwaysPullImages', 'LimitRanger'],
      notReadySeconds: 10,
      unreachableSeconds: 0,
    });
    expect(
      messages(apiServerTuning(['enable-admission-plugins=EventRateLimit,NodeRestrictoin', 'service-node-port-range=9-1']))
        .errors,
    ).toEqual([
      '--kube-apiserver-arg enable-admission-plugins=EventRateLimit,NodeRestrictoin: needs EventRateLimit, which this version does not build',
      '--kube-apiserver-arg service-node-port-range=9-1: must be a range of ports like 30000-32767',
    ]);
    expect(messages(apiServerTuning(['disable-admission-plugins=NodeRestrictoin'])).errors).toEqual([
      expect.stringContaining('"NodeRestrictoin" is unknown (did you mean "NodeRestriction"?)'),
    ]);
  });
});

describe('limits of requests', () => {
  it('are read', () => {
    const found = apiServerTuning([
      'max-requests-inflight=800',
      'max-mutating-requests-inflight=0',
      'enable-priority-and-fairness=false',
    ]);
    expect(messages(found)).toEqual(nothing);
    expect(found.tuning).toEqual({ requestsInFlight: 800, mutatingRequestsInFlight: 0, priorityAndFairness: false });
  });

  it('may be none only where nothing is shared', () => {
    const none = ['max-requests-inflight=0', 'max-mutating-requests-inflight=0'];
    expect(messages(apiServerTuning(none)).errors).toEqual([
      expect.stringContaining('max-requests-inflight and max-mutating-requests-inflight must sum to more than 0'),
    ]);
    expect(messages(apiServerTuning([...none, 'enable-priority-and-fairness=false']))).toEqual(nothing);
    expect(messages(apiServerTuning(['max-requests-inflight=-1', 'enable-priority-and-fairness=perhaps'])).errors).toHaveLength(
      2,
    );
  });
});

describe('the controllers', () => {
  it('are chosen by name, old name and star, the first word about one counting', () => {
    const disabled = (...given: string[]): readonly string[] | undefined => {
      const found = controllersTuning(given.map(value => `controllers=${value}`));
      expect(messages(found)).toEqual(nothing);
      return found.tuning.disabled;
    };
    expect(disabled('*,-podgc,-ttl-controller,-service,-bootstrap-signer-controller')).toEqual([
      'pod-garbage-collector-controller',
      'ttl-controller',
    ]);
    expect(disabled('*', '-deployment', 'deployment')).toEqual(['deployment-controller']);
    expect(disabled('namespace')).not.toContain('namespace-controller');
    expect(disabled('namespace')).toContain('deployment-controller');
    expect(messages(controllersTuning(['controllers=*,-deploiment', 'controllers=token-cleaner-controller'])).errors).toEqual([
      expect.stringMatching(/"deploiment" is no controller/),
      expect.stringMatching(/needs token-cleaner-controller, which this version does not build$/),
    ]);
  });

  it('read times, thresholds and mask sizes', () => {
    const given = [
      'node-monitor-grace-period=20s',
      'node-monitor-period=2s',
      'node-startup-grace-period=30s',
      'terminated-pod-gc-threshold=0',
      'node-cidr-mask-size=25',
      'node-cidr-mask-size-ipv6=112',
    ];
    const found = controllersTuning(given);
    expect(messages(found)).toEqual(nothing);
    expect(found.tuning).toEqual({
      nodeMonitorGraceMs: 20_000,
      nodeMonitorPeriodMs: 2000,
      nodeStartupGraceMs: 30_000,
      terminatedPods: Infinity,
      nodeCidrMaskSizes: { 4: 25, 6: 112 },
    });
  });
});

describe('the audit of the API server', () => {
  const batch = { bufferSize: 10_000, maxBatchSize: 1, maxBatchWaitMs: 0, throttle: undefined };
  const log = ['audit-log-path=/logs/audit.log'];

  it('has the defaults of upstream, and is not there without a path, a webhook or a policy', () => {
    const found = apiServerTuning(['audit-policy-file=/p.yaml', ...log, 'audit-log-maxage=30']);
    expect(messages(found)).toEqual(nothing);
    expect(found.tuning.audit).toEqual({
      policyFile: '/p.yaml',
      log: {
        path: '/logs/audit.log',
        format: 'json',
        mode: 'blocking',
        rotation: { maxSizeBytes: 100 * 1024 * 1024, maxBackups: 100, maxAgeDays: 30, compress: false },
        batch,
        truncate: undefined,
      },
      webhook: undefined,
    });
    expect(apiServerTuning(['audit-log-maxage=30', 'audit-webhook-batch-max-size=7']).tuning).toEqual({});
  });

  it('reads what is said of batches and truncation', () => {
    const given = [
      'audit-webhook-config-file=/w.yaml',
      'audit-webhook-batch-initial-backoff=2s',
      'audit-webhook-batch-max-size=7',
      'audit-webhook-batch-throttle-qps=0.5',
      'audit-webhook-mode=batch',
      'audit-webhook-truncate-enabled',
      'audit-webhook-version=audit.k8s.io/v1',
    ];
    expect(apiServerTuning(given).tuning.audit?.webhook).toEqual({
      configFile: '/w.yaml',
      initialBackoffMs: 2000,
      batch: { ...batch, maxBatchSize: 7, maxBatchWaitMs: 30_000, throttle: { perSecond: 0.5, burst: 15 } },
      truncate: { maxBatchBytes: 10 * 1024 * 1024, maxEventBytes: 100 * 1024 },
    });
  });

  it.each([
    ['audit-log-mode=never', 'invalid audit log mode never, allowed modes are "batch,blocking,blocking-strict"'],
    ['audit-log-format=xml', 'invalid audit log format xml, allowed formats are "legacy,json"'],
    ['audit-log-maxsize=-1', "--audit-log-maxsize -1 can't be a negative number"],
    ['audit-log-version=audit.k8s.io/v1beta1', 'invalid group version, allowed versions are ["audit.k8s.io/v1"]'],
    ['audit-log-truncate-max-event-size=0', 'invalid audit truncate log max event size 0, must be a positive number'],
    [
      'audit-log-truncate-max-batch-size=1',
      'invalid audit truncate log max batch size 1, must be greater than max event size (102400)',
    ],
  ])('refuses %s', (argument, message) => {
    expect(messages(apiServerTuning([...log, argument])).errors).toEqual([`--kube-apiserver-arg: ${message}`]);
  });

  it('refuses numbers of batches only where there are batches', () => {
    const given = [...log, 'audit-log-batch-buffer-size=0', 'audit-log-batch-throttle-enable=true'];
    expect(messages(apiServerTuning(given))).toEqual(nothing);
    expect(messages(apiServerTuning([...given, 'audit-log-mode=batch'])).errors).toEqual([
      '--kube-apiserver-arg: invalid audit batch log buffer size 0, must be a positive number',
      '--kube-apiserver-arg: invalid audit batch log throttle QPS 0, must be a positive number',
      '--kube-apiserver-arg: invalid audit batch log throttle burst 0, must be a positive number',
    ]);
  });

  it('refuses what is no number and no duration, and requests that wait for a webhook', () => {
    const given = [
      'audit-log-maxage=x',
      'audit-webhook-batch-max-wait=-1s',
      'audit-webhook-initial-backoff=x',
      'audit-webhook-batch-throttle-qps=x',
      'audit-webhook-mode=blocking',
    ];
    expect(messages(apiServerTuning(given)).errors.map(text => text.replace(/^--kube-apiserver-arg /, ''))).toEqual([
      'audit-log-maxage=x: must be a whole number',
      'audit-webhook-batch-max-wait=-1s: must not be negative',
      'audit-webhook-initial-backoff=x: must be a duration like 10s or 1h30m',
      'audit-webhook-batch-throttle-qps=x: must be a number',
      'audit-webhook-mode=blocking: needs requests that wait for a webhook, which this version does not build',
    ]);
  });
});
