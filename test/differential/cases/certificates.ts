import type { Case } from '../replay.js';

const at = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
/** Requests that openssl made: for jane, for jane in system:masters, with an RSA key; and a certificate. Base64 of PEM. */
const request =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eERUQUxCZ05WQkFvTUJIUmxZVzB4RFRBTEJnTlZCQU1NQkdwaGJtVXdXVEFUQmdjcQpoa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVJOQXgzOG1FT2pSMmJGbGVyMXZDVE5iRzlsT2RXYkJHcmNFeCtzCnk1TXdjdG5pNFZJeDZJRDd5aFc5S2puakVqRHFETzlZcFNnRmpTRWxwTUJuK1lNSm9BQXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUlnYTNSSmx4R2RSclpQRVc5Ui8xR2RLMjk4VWxtYmVhZWhMZzY1MzExem1jc0NJUUM0R0hmRwpSMlEwOFRSUTRUK2pLQ3duc0pkbnJxTFVtZnNRV0lEakFzMktQQT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=';
const mastersRequest =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIa01JR0tBZ0VBTUNneEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRwdFlYTjBaWEp6TVEwd0N3WURWUVFEREFScQpZVzVsTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFVFFNZC9KaERvMGRteFpYcTlid2t6V3h2ClpUblZtd1JxM0JNZnJNdVRNSExaNHVGU01laUErOG9WdlNvNTR4SXc2Z3p2V0tVb0JZMGhKYVRBWi9tRENhQUEKTUFvR0NDcUdTTTQ5QkFNQ0Ewa0FNRVlDSVFDWnlPRVo3aDVNTHhDMVZYNGlSWFNmWE84Y3FPcHZvYWZwM3ZYTwpPR0cyY2dJaEFMalhEWmZXSEFIb3VOU2lsK3dpczFLVE5qbmpxZVI0MmhqVDNDZ0t1Ymt4Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=';
const rsaRequest =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQ1V6Q0NBVHNDQVFBd0RqRU1NQW9HQTFVRUF3d0Rjbk5oTUlJQklqQU5CZ2txaGtpRzl3MEJBUUVGQUFPQwpBUThBTUlJQkNnS0NBUUVBMm9PWGgzUHE0d3RjNVZrZ0xMcm5uWXNvQ04yZVVvWnBWU0p4K3lWUmRXbFlUUDBmCjhRdXRJaHEyQms3K2ZaczA0SDRzQlA2d0MvVm1zNGp1T3ZhRDUrQXZyRnlpWXVzU1I1dEVSdW9sTDhvNDFmU28KVjJnWjd3cW9SL3NDK056dzlqanFOY3FKcllxa2dJUEtDQWQxRko5UnBuTU15YXkxNVRDUlBYdzU4WEVTc0ZCUgorYVJua0w2ZTF1UnJVWTdvYzRtMFFRSUk3cHlkUFh5T3hUUEZzNGgrb2ZwbldFTHBzVVMzRWtkcDBoc3ZpU0d6Ckc5bkZ0bUdoZUJ6cVlPcmpwbDdMQmpUSEYrQ0hMcXVHYTZ5Wmw5d0YxMS9KNkRKL1VrOUpLbkkrbForL2tnOWwKdndoS29XVWpEeHlQcElYc1VvQjNSMzFYQ0x2TVFWTFlYMS9SZFFJREFRQUJvQUF3RFFZSktvWklodmNOQVFFTApCUUFEZ2dFQkFLNEw5M1FJT25EM1pYTFEvaHk3VEd4V09jczJaUWtNQmdUTzVqc1RyTFl2U0tnNkoyM1J4bnhoClFwbTFER3c5dmErWndvUnN6L0tqRmViKy80WXBmY25QRkUyWWZpamJuYVJpRzBEK1M5TU9SYW9wd1FuMWd1MGEKQUlmSGNWblFhMTk4M1BDQkIzYW1rbFRnemI5WnBVOExzajZuSk5JTEVsNkdJaXF2QS8xWGcrWjNnNFQxcE03QgpLTENiK0g1MklHK3ZNZEhkMEExTlZxQW02djZqMmdrdDBLZ1JrZ29HWkdmaFZrU0djTEhxR01MVkF0cFZ0VjNSCkNsUzBLWXlOb0xzaWtkMlBweXNROXZ1NlN4Q0M0dk5nSkUwcDhYdTgwa0twQTdoWnJNNk1JQ0NlbTNEeHg1emQKcmVhTGNrV3N3UXczZmdENzlMTHNDTGk5SExRNGpKOD0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==';
const certificate =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJjekNDQVJtZ0F3SUJBZ0lVZnFDc2dFM2VEaE1CeDdGbG9ORzlBTnpraDNFd0NnWUlLb1pJemowRUF3SXcKRHpFTk1Bc0dBMVVFQXd3RWFtRnVaVEFlRncweU5qRXhNakV5TWpNeE5ETmFGdzB6TmpFeE1UZ3lNak14TkROYQpNQTh4RFRBTEJnTlZCQU1NQkdwaGJtVXdXVEFUQmdjcWhrak9QUUlCQmdncWhrak9QUU1CQndOQ0FBUk5BeDM4Cm1FT2pSMmJGbGVyMXZDVE5iRzlsT2RXYkJHcmNFeCtzeTVNd2N0bmk0Vkl4NklEN3loVzlLam5qRWpEcURPOVkKcFNnRmpTRWxwTUJuK1lNSm8xTXdVVEFkQmdOVkhRNEVGZ1FVcEMrMDR0VkZiME4rMU8rM2dLZnk0ZUZCZEZNdwpId1lEVlIwakJCZ3dGb0FVcEMrMDR0VkZiME4rMU8rM2dLZnk0ZUZCZEZNd0R3WURWUjBUQVFIL0JBVXdBd0VCCi96QUtCZ2dxaGtqT1BRUURBZ05JQURCRkFpQjU4ekdOemdpay80NXN1Ui90U3NYdzBOOEtqSnpDdVhCUlpKR2MKeS96VVN3SWhBTlI2K0k1aDJGSHgrZjlmZDczS2NyQ3hKRFA4bi9La2ZhMVdRUFBuVWJoagotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==';
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const named = (name: string): object => ({ metadata: { name } });
const spec = { request, signerName: 'example.com/signer', usages: ['client auth'] };
const approved = { type: 'Approved', status: 'True', reason: 'Fine', message: 'it is' };

export const certificatesCases: readonly Case[] = [
  {
    name: 'CertificateSigningRequest: approval and certificate',
    at,
    steps: [
      {
        do: 'create',
        body: { ...named('jane'), spec: { ...spec, username: 'other', expirationSeconds: 3600 }, status: { certificate } },
      },
      { do: 'table' },
      {
        do: 'update',
        patch: { metadata: { labels: { a: 'b' } }, spec: { signerName: 'example.com/other' }, status: { certificate } },
      },
      { do: 'update', sub: 'status', patch: { status: { conditions: [approved] } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [approved], certificate } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [approved, { ...approved, type: 'Denied' }] } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [] } } },
      { do: 'update', sub: 'status', patch: { status: { conditions: [{ ...approved, message: 'changed' }] } } },
      { do: 'update', sub: 'status', patch: { status: { certificate: 'aGVsbG8=' } } },
      { do: 'update', sub: 'status', patch: { status: { certificate: request } } },
      { do: 'update', sub: 'status', patch: { status: { certificate } } },
      { do: 'update', sub: 'status', patch: { status: { certificate: null } } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { conditions: [approved, { type: 'Failed', status: 'False' }, { type: '' }] } },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'CertificateSigningRequest: signers are for those who may',
    at,
    steps: [
      {
        do: 'create',
        at: `${rbac}/clusterroles`,
        body: {
          ...named('may-update-requests'),
          rules: [
            {
              apiGroups: ['certificates.k8s.io'],
              resources: ['certificatesigningrequests/approval', 'certificatesigningrequests/status'],
              verbs: ['update'],
            },
            { apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames: ['other.com/*'], verbs: ['approve'] },
          ],
        },
      },
      {
        do: 'create',
        at: `${rbac}/clusterrolebindings`,
        body: {
          ...named('may-update-requests'),
          roleRef: { kind: 'ClusterRole', name: 'may-update-requests' },
          subjects: [{ kind: 'User', name: 'jane' }],
        },
      },
      { do: 'create', body: { ...named('not-hers'), spec } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [approved] } }, as: 'jane' },
      { do: 'update', sub: 'status', patch: { status: { certificate } }, as: 'jane' },
      { do: 'update', sub: 'status', patch: { metadata: { labels: { a: 'b' } } }, as: 'jane' },
      { do: 'create', body: { ...named('hers'), spec: { ...spec, signerName: 'other.com/signer' } } },
      { do: 'update', sub: 'approval', patch: { status: { conditions: [approved] } }, as: 'jane' },
      { do: 'update', sub: 'status', patch: { status: { certificate } }, as: 'jane' },
    ],
  },
  {
    name: 'CertificateSigningRequest: what is refused',
    at,
    steps: [
      { do: 'create', body: { ...named('empty'), spec: {} } },
      { do: 'create', body: { ...named('usages'), spec: { ...spec, usages: ['client auth', 'client auth', 'fun'] } } },
      { do: 'create', body: { ...named('short'), spec: { ...spec, expirationSeconds: 5 } } },
      { do: 'create', body: { ...named('legacy'), spec: { ...spec, signerName: 'kubernetes.io/legacy-unknown' } } },
      { do: 'create', body: { ...named('plain'), spec: { ...spec, signerName: 'plain' } } },
      { do: 'create', body: { ...named('labels'), spec: { ...spec, signerName: 'a_b/C_d' } } },
      {
        do: 'create',
        body: {
          ...named('masters'),
          spec: { ...spec, request: mastersRequest, signerName: 'kubernetes.io/kube-apiserver-client' },
        },
      },
      { do: 'create', body: { ...named('rsa'), spec: { ...spec, request: rsaRequest } } },
    ],
  },
];
