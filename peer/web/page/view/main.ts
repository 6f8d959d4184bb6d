/** The status page of a node whose engine has no page of its own. */
import { openPage } from './page.ts';

await openPage();
