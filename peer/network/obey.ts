import type { Address } from '../../shared/address.ts';
import type { Supervisor } from '../../shared/supervised.ts';
import { controlSchema, type Report } from './control.ts';

/** Has a node that others tell apart by addresses do what the process says that started it. */
export function obey(
  supervisor: Supervisor,
  node: { readonly block: (addresses: readonly Address[]) => void },
): void {
  const report = (what: Report): void => {
    supervisor.tell(what);
  };
  supervisor.listen((message) => {
    const control = controlSchema.safeParse(message);
    if (!control.success || control.data.type !== 'block') return;
    node.block(control.data.peers);
    report({ type: 'done', id: control.data.id });
  });
  report({ type: 'up' });
}
