import type { PbftNotice, PbftRequest, PbftResult } from '../../engines/pbft/interface.ts';
import type { PbftMessage } from '../../engines/pbft/messages.ts';
import type { EngineTypes } from '../subject.ts';

/** The types of the PBFT engine. */
export interface PbftTypes extends EngineTypes {
  message: PbftMessage;
  request: PbftRequest;
  result: PbftResult;
  notice: PbftNotice;
  peer: number;
}
