import { describe, expect, it } from '@jest/globals';
import { readCustomConfiguration } from './corefile.js';

describe('coredns-custom', () => {
  it('gives hosts, forwards and servers', () => {
    const read = readCustomConfiguration({
      'a.override': 'hosts {\n  10.0.0.1 one two # mine\n  ttl 10\n}\nlog\n',
      'b.server': [
        'corp.example:53 10.1.0.0/16 {',
        '    errors',
        '    cache 30',
        '    forward . 10.0.0.2 dns://10.0.0.3:5353 [fd00::1]:53 {',
        '      policy sequential',
        '      except sub.corp.example',
        '      max_fails 3',
        '    }',
        '}',
        'lan { ',
        '  hosts {',
        '    192.168.1.1 "router.lan"',
        '    no_reverse',
        '  }',
        '}',
      ].join('\n'),
      'README.md': '}}}',
    });
    expect(read).toEqual({
      hosts: [{ entries: [{ address: '10.0.0.1', names: ['one', 'two'] }], ttlSeconds: 10, fallthrough: true, reverse: true }],
      forwards: [],
      servers: [
        {
          zones: ['corp.example', '1.10.in-addr.arpa'],
          hosts: [],
          forwards: [
            {
              from: '',
              to: ['10.0.0.2', 'dns://10.0.0.3:5353', '[fd00::1]:53'],
              except: ['sub.corp.example'],
              policy: 'sequential',
              forceTcp: false,
            },
          ],
        },
        {
          zones: ['lan'],
          hosts: [
            {
              entries: [{ address: '192.168.1.1', names: ['router.lan'] }],
              ttlSeconds: 3600,
              fallthrough: false,
              reverse: false,
            },
          ],
          forwards: [],
        },
      ],
      problems: ['a.override: "log" is not built, only hosts and forward are'],
    });
  });

  it('says what is not served', () => {
    const { problems, servers } = readCustomConfiguration({
      '1.override': 'rewrite name a b\nforward . tls://1.1.1.1',
      '2.server': '. {\n forward . 1.1.1.1\n}\nx:5353 {\n}\ntls://y {\n}',
      '3.server': 'z {\n',
      '4.override': '}',
      '5.override': 'hosts {\n bad line\n}\nhosts /etc/hosts',
    });
    expect(servers).toEqual([]);
    expect(problems).toEqual([
      '1.override: "rewrite" is not built, only hosts and forward are',
      '1.override: forward .: tls://1.1.1.1 is not built, only addresses and files like resolv.conf are',
      "2.server: the server .: the root is the main server block's, use a key *.override",
      '2.server: the server x:5353: only port 53 is served',
      '2.server: the server tls://y: only plain DNS is served',
      '3.server: a closing brace is missing',
      '4.override: a closing brace too many',
      '5.override: hosts: "bad line" is not understood',
      '5.override: hosts /etc/hosts: files and zones are not built, only lines in braces',
    ]);
  });
});
