#!/usr/bin/env node
// So that `node miner` works from a plain checkout.
import { launch } from '../shared/launch.js';

await launch('miner');
