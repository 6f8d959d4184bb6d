#!/usr/bin/env node
// So that `node peer` works from a plain checkout.
import { launch } from '../shared/launch.js';

await launch('peer');
