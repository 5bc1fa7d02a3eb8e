import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { certificateSigningRequest } from './certificate-signing-request.js';

export const certificatesDefinitions: readonly ResourceDefinition[] = [certificateSigningRequest];
