/** The web server of a proof-of-work peer. */
import { createFaceApp } from '../../../web/face-app.ts';
import type { Listening } from '../../../web/http.ts';
import { openWeb, type AppOptions, type WebApp, type WebOptions } from '../../../web/server.ts';
import { face } from './face.ts';
import { FacedPeer } from './faced.ts';
import type { PowSubject } from './subject.ts';

export function createPowApp(subject: PowSubject, options: AppOptions): WebApp {
  const peer = new FacedPeer(subject, options.now ?? Date.now);
  const web = createFaceApp(peer, face, options);
  return {
    ...web,
    close: () => {
      web.close();
      peer.close();
    },
  };
}

/**
 * Opens the web server of a peer.
 *
 * @throws UserError if the port can't be opened
 */
export function openPowWeb(subject: PowSubject, options: WebOptions): Promise<Listening> {
  return openWeb((own) => createPowApp(subject, own), options);
}
