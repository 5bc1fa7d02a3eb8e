import { CodedError } from '../../base/errors.js';

/** A refusal that the kubelet's HTTPS API answers with; its body is the message. */
export class HttpProblem extends CodedError {
  readonly httpStatus: number;

  constructor(httpStatus: number, message: string, cause?: unknown) {
    super('HTTP_PROBLEM', message, { cause });
    this.httpStatus = httpStatus;
  }
}
