import { CodedError } from '../../base/errors.js';

/**
 * A claim, class or device is such that no node can be tried, or a search took too long: code DEVICE_ALLOCATION. Only one node is
 * concerned where it is NODE_ALLOCATION.
 */
export class AllocationError extends CodedError {
  constructor(message: string, code: 'DEVICE_ALLOCATION' | 'NODE_ALLOCATION' = 'DEVICE_ALLOCATION') {
    super(code, message);
  }
}
