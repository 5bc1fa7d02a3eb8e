import type { Case } from '../replay.js';

const at = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const named = (name: string): { metadata: object } => ({ metadata: { name } });

/** Made once by openssl; the key was thrown away. */
const request =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eEREQUtCZ05WQkFvTUEyUmxkakVPTUF3R0ExVUVBd3dGWVd4cFkyVXdXVEFUQmdjcQpoa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVNvaGl2czU5cXJVZVYwaGl4bXdrbW1BQlB1UHRyUTVLTHEyMm1xCkZlK1lGZG9SaGpHdjBjTDdwbXord0krbDVqU0RxbnVRcFZyWlZqS3VwN3FFeTdKZ29BQXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUloQU9SdUpHTHR2N2V3TmtNMWhMcVFUTmVHTEZSNkpTQkQ4VWRmU3YyeDBaZU5BaUJ3VVU4UwpjclN6ZW5FR3hxdnBnTTVDVGs4Wlo0SGdheHJ4c01xRndxRmIvUT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=';
const mastersRequest =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIa01JR0xBZ0VBTUNreEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRwdFlYTjBaWEp6TVE0d0RBWURWUVFEREFWaApiR2xqWlRCWk1CTUdCeXFHU000OUFnRUdDQ3FHU000OUF3RUhBMElBQktpR0srem4ycXRSNVhTR0xHYkNTYVlBCkUrNCsydERrb3VyYmFhb1Y3NWdWMmhHR01hL1J3dnVtYlA3QWo2WG1OSU9xZTVDbFd0bFdNcTZudW9UTHNtQ2cKQURBS0JnZ3Foa2pPUFFRREFnTklBREJGQWlFQXB4Q1o1bCs1N1l2U3pkbkd4emJZL002NnE4bllsb0o3TXNmNQpRM3loaGRJQ0lHSVMrVnVubzhyUGkwN1VmVUhvaHVNb2ZvL29YZTBKNmh3bTVtQkJxL0ptCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=';
/** Its subject was changed after it was signed. */
const tamperedRequest =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eEREQUtCZ05WQkFvTUEyUmxkakVPTUF3R0ExVUVBd3dGWW05aVlua3dXVEFUQmdjcWhrak9QUUlCQmdncQpoa2pPUFFNQkJ3TkNBQVNvaGl2czU5cXJVZVYwaGl4bXdrbW1BQlB1UHRyUTVLTHEyMm1xRmUrWUZkb1Joakd2MGNMN3Bteit3SStsCjVqU0RxbnVRcFZyWlZqS3VwN3FFeTdKZ29BQXdDZ1lJS29aSXpqMEVBd0lEU0FBd1JRSWhBT1J1SkdMdHY3ZXdOa00xaExxUVROZUcKTEZSNkpTQkQ4VWRmU3YyeDBaZU5BaUJ3VVU4U2NyU3plbkVHeHF2cGdNNUNUazhaWjRIZ2F4cnhzTXFGd3FGYi9RPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==';
const certificate =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJkVENDQVJ1Z0F3SUJBZ0lVUEFKYi80VSt4dHZqMk1sNklwalR0bWRwREc4d0NnWUlLb1pJemowRUF3SXcKRURFT01Bd0dBMVVFQXd3RllXeHBZMlV3SGhjTk1qWXhNVEl4TWpJek5URTRXaGNOTXpZeE1URTRNakl6TlRFNApXakFRTVE0d0RBWURWUVFEREFWaGJHbGpaVEJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEwSUFCS2lHCksrem4ycXRSNVhTR0xHYkNTYVlBRSs0KzJ0RGtvdXJiYWFvVjc1Z1YyaEdHTWEvUnd2dW1iUDdBajZYbU5JT3EKZTVDbFd0bFdNcTZudW9UTHNtQ2pVekJSTUIwR0ExVWREZ1FXQkJTVDUxb1J0c3NDU2l2ZGpwa0xCZ0FZM0Vybgo2VEFmQmdOVkhTTUVHREFXZ0JTVDUxb1J0c3NDU2l2ZGpwa0xCZ0FZM0VybjZUQVBCZ05WSFJNQkFmOEVCVEFECkFRSC9NQW9HQ0NxR1NNNDlCQU1DQTBnQU1FVUNJUURielE1WnIzR2xBTE1RY2FqTTd1Y3lTQjU1YUp0TkM3bm4KTXRIakZVb2V3UUlnZHFwQXJQelVPSHNMVFJDbmViTTFML0pqc3FTN0dkNFBrWW02VEdaWGROQT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=';

const signerName = 'example.com/signer';
const spec = { request, signerName, usages: ['client auth'] };
const condition = { type: 'Approved', status: 'True', reason: 'Fine', message: 'is fine' };

export const certificateCases: readonly Case[] = [
  {
    name: 'CertificateSigningRequest: what is refused',
    at,
    steps: [
      { do: 'create', body: { ...named('empty'), spec: {} } },
      { do: 'create', body: { ...named('text'), spec: { ...spec, request: 'aGVsbG8=' } } },
      { do: 'create', body: { ...named('certificate'), spec: { ...spec, request: certificate } } },
      { do: 'create', body: { ...named('tampered'), spec: { ...spec, request: tamperedRequest } } },
      { do: 'create', body: { ...named('usages'), spec: { ...spec, usages: ['client auth', 'flying', 'client auth'] } } },
      { do: 'create', body: { ...named('legacy'), spec: { ...spec, signerName: 'kubernetes.io/legacy-unknown' } } },
      { do: 'create', body: { ...named('signer'), spec: { ...spec, signerName: 'Example/a b' } } },
      { do: 'create', body: { ...named('short'), spec: { ...spec, signerName: 'short', expirationSeconds: 599 } } },
      {
        do: 'create',
        body: {
          ...named('masters'),
          spec: { ...spec, request: mastersRequest, signerName: 'kubernetes.io/kube-apiserver-client' },
        },
      },
    ],
  },
  {
    name: 'CertificateSigningRequest: from request to certificate',
    at,
    steps: [
      {
        do: 'create',
        body: {
          ...named('Any_Name:1'),
          spec: { ...spec, username: 'forged', groups: ['forged'], extra: { a: ['b'] }, expirationSeconds: 3600 },
          status: { conditions: [condition], certificate },
        },
      },
      { do: 'table' },
      {
        do: 'update',
        patch: { metadata: { labels: { a: 'b' } }, spec: { usages: ['server auth'] }, status: { conditions: [condition] } },
      },
      { do: 'update', sub: 'status', patch: { status: { conditions: [condition] } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [{ type: 'Approved', status: 'False' }] } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [{ type: '', status: '' }] } } },
      {
        do: 'update',
        sub: 'approval',
        patch: { status: { conditions: [condition, { ...condition, type: 'Denied' }, condition] } },
      },
      {
        do: 'update',
        sub: 'approval',
        patch: { spec: { signerName: 'other.example.com/signer' }, status: { certificate, conditions: [condition] } },
      },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [] } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [condition, { ...condition, type: 'Failed' }] } } },
      { do: 'update', sub: 'status', patch: { status: { certificate: 'aGVsbG8=' } } },
      { do: 'update', sub: 'status', patch: { status: { certificate: request } } },
      { do: 'update', sub: 'status', patch: { status: { certificate } } },
      { do: 'update', sub: 'status', patch: { status: { certificate: null } } },
      { do: 'table' },
      { do: 'get', sub: 'approval' },
    ],
  },
];
