/** What is imported when there is a claim or class: it brings the CEL engine along. */
export { DeviceAllocator } from './device-allocator.js';
export { SelectorPrograms } from './selector-programs.js';
