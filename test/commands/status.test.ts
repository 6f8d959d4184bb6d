import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { serve } from '@hono/node-server';
import { describe, expect, onTestFinished, test } from 'vitest';

import { painter } from '../../shared/text-table.ts';
import { formatHashRate, formatSeconds, networkText, peerText, type PeerAnswers } from '../../peer/commands/status-text.ts';
import { eventually } from '../support/asker.ts';
import { Lab, freePort } from '../support/processes.ts';
import { LOOPBACK } from '../support/wire.ts';
import { HOSTILE, WebRig, hostileBlock } from '../web/web-rig.ts';
import { runPeer } from './run.ts';
