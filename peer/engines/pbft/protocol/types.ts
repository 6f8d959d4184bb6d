import type { PbftNotice, PbftRequest, PbftResult } from './interface.ts';
import type { PbftMessage } from './messages.ts';
import type { EngineTypes } from '../../../core/engine.ts';

/** The types of the PBFT engine. */
export interface PbftTypes extends EngineTypes {
  message: PbftMessage;
  request: PbftRequest;
  result: PbftResult;
  notice: PbftNotice;
  peer: number;
}
