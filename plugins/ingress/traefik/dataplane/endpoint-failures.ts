import { errorCode } from '../../../../core/plugin-api/dataplane.js';
import type { Endpoint } from './backends.js';
import type { ProxyOptions } from './proxy.js';

/** What OpenSSL and Node say of certificates that they do not take. */
const certificateCodes = /^(CERT_|DEPTH_ZERO_|ERR_TLS_CERT_|SELF_SIGNED_|UNABLE_TO_)/;
const rememberedLimit = 1000;

/** Says why an endpoint did not answer: for its certificate, which only its owner can mend, once aloud. */
export class EndpointFailures {
  readonly #log: ProxyOptions['log'];
  readonly #told = new Set<string>();

  constructor(log: ProxyOptions['log']) {
    this.#log = log;
  }

  tell({ address, port }: Endpoint, error: Error): void {
    const key = `${address} ${port} ${error.message}`;
    const fields = { address, port, error: error.message };
    if (!certificateCodes.test(String(errorCode(error))) || this.#told.has(key)) {
      return this.#log('debug', 'an endpoint did not answer', fields);
    }
    if (this.#told.size >= rememberedLimit) this.#told.clear();
    this.#told.add(key);
    this.#log('warn', 'an endpoint has a certificate that is not trusted (option insecureSkipVerify takes any)', fields);
  }
}
