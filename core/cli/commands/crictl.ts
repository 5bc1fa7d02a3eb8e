import { CodedError } from '../../base/errors.js';
import { nearestName } from '../../base/nearest-name.js';
import type { CommandContext } from '../command.js';
