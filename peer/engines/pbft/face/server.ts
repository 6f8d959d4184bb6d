/** The web server of a PBFT replica. */
import { createFaceApp } from '../../../web/face-app.ts';
import type { Listening } from '../../../web/http.ts';
import { openWeb, type AppOptions, type WebApp, type WebOptions } from '../../../web/server.ts';
import { face } from './face.ts';
import { facedReplica } from './faced.ts';
import type { PbftSubject } from '../node/subject.ts';

export function createPbftApp(replica: PbftSubject, options: AppOptions): WebApp {
  return createFaceApp(facedReplica(replica, options.now ?? Date.now), face, options);
}

/**
 * Opens the web server of a replica.
 *
 * @throws UserError if the port can't be opened
 */
export function openPbftWeb(replica: PbftSubject, options: WebOptions): Promise<Listening> {
  return openWeb((own) => createPbftApp(replica, own), options);
}
