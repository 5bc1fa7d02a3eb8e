/**
 * What a plugin's dataplane module may import at run time: nothing here pulls in the container or the client, which would cost the
 * listening child its memory budget.
 */
export { CodedError, errorCode, errorText } from '../base/errors.js';
export { deferred } from '../base/deferred.js';
export type { Deferred } from '../base/deferred.js';
export type { CreateDataplaneModule, DataplaneChange, DataplaneModule, DataplaneModuleContext } from '../contracts/dataplane.js';
