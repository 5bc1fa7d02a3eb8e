import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { ProxyRewriter } from './proxy-rewriter.js';

const base = '/api/v1/namespaces/n/pods/http:p:80/proxy';

function rewriter(url: string, method = 'GET'): ProxyRewriter {
  const request = { url, method, headers: { host: 'server:6443' }, socket: { remoteAddress: '192.0.2.1' } };
  return new ProxyRewriter(request as unknown as IncomingMessage, '10.0.0.1:80');
}

describe('a proxied answer', () => {
  it('comes from the path as the client wrote it', () => {
    expect(rewriter(`${base}/a%2Fb/?q=1`).backendPath('/a/b')).toBe('/a%2Fb/?q=1');
    expect(rewriter(base, 'POST').backendPath('/')).toBe('/');
    expect(rewriter(`${base}?q=1`).backendPath('/')).toBeUndefined();
    expect(rewriter(`${base}?q=1`).withSlash()).toBe(`${base}/?q=1`);
    expect(rewriter('/api/v1/nodes/n/proxy/healthz').backendPath('/')).toBe('/healthz');
  });

  it('keeps redirects on the proxy', () => {
    const locate = (location: string): unknown => {
      const headers = { location };
      rewriter(`${base}/`).rewriteLocation(headers);
      return headers.location;
    };
    expect(locate('/login?x=1')).toBe(`${base}/login?x=1`);
    expect(locate('http://10.0.0.1:80/login')).toBe(`https://server:6443${base}/login`);
    expect(locate('http://elsewhere/login')).toBe('http://elsewhere/login');
    expect(locate('relative')).toBe('relative');
    expect(locate(`${base}/login`)).toBe(`${base}/login`);
  });

  it('keeps links of a page on the proxy', async () => {
    const headers = { 'content-type': 'text/html; charset=utf-8' };
    const page = rewriter(`${base}/`);
    expect(page.wantsBody(headers)).toBe(true);
    expect(page.wantsBody({ 'content-type': 'application/json' })).toBe(false);
    const answer = Readable.from([Buffer.from(`<a href="/x">é</a><img src='y.png'>`)]) as IncomingMessage;
    expect((await page.rewriteBody(answer, headers)).toString()).toBe(`<a href="${base}/x">é</a><img src='y.png'>`);
    expect(headers).toHaveProperty('content-length');
  });
});
