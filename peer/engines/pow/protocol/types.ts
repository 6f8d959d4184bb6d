import type { Address } from '../../../../shared/address.ts';
import type { PowNotice, PowRequest, PowResult } from './interface.ts';
import type { PowMessage } from './messages.ts';
import type { EngineTypes } from '../../../core/engine.ts';

/** The types of the proof-of-work engine. */
export interface PowTypes extends EngineTypes {
  message: PowMessage;
  request: PowRequest;
  result: PowResult;
  notice: PowNotice;
  peer: Address;
}
