import { describe, expect, it } from '@jest/globals';
import { FieldErrors, fieldPath } from '../../machinery/field-errors.js';
import { validateWebhookClient } from './webhook-client-validation.js';

const faults = (config: object): string[] => {
  const errors = new FieldErrors();
  validateWebhookClient(config, fieldPath('clientConfig'), errors);
  return errors.list.map(({ field, body }) => `${field}: ${body}`);
};

describe('where a webhook is called', () => {
  it.each([['https://example.com/path'], ['https://[::1]:8443/'], ['HTTPS://example.com']])('takes %s', url => {
    expect(faults({ url })).toEqual([]);
  });

  it.each([
    ['http://example.com', `Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`],
    ['https:///path', 'Invalid value: "": host must be specified; desired format: https://host[/path]'],
    ['https://me@example.com', 'Invalid value: "me": user information is not permitted in the URL'],
    ['https://example.com?a=b', 'Invalid value: "a=b": query parameters are not permitted in the URL'],
    ['https://example.com#a%20b', 'Invalid value: "a b": fragments are not permitted in the URL'],
    // Bytes that are no text.
    ['https://example.com#%ff', 'Invalid value: "\ufffd": fragments are not permitted in the URL'],
    [
      'https://example.com/%zz',
      'Required value: url must be a valid URL: parse "https://example.com/%zz": invalid URL escape "%zz"; desired format: https://host[/path]',
    ],
  ])('refuses %s', (url, body) => {
    expect(faults({ url })).toEqual([`clientConfig.url: ${body}`]);
  });

  it('is a URL or a Service', () => {
    const service = { name: 'hook', namespace: 'web' };
    expect(faults({ service })).toEqual([]);
    const either = 'clientConfig: Required value: exactly one of url or service is required';
    expect(faults({})).toEqual([either]);
    expect(faults({ service, url: 'https://example.com' })).toEqual([either]);
    expect(faults({ service: { ...service, path: '/a//b' } })).toEqual([
      'clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
    ]);
  });
});
