import { UserError, messageOf } from '../../shared/errors.ts';
import type { Supervisor } from '../../shared/supervised.ts';
import { controlSchema, type Control, type Report } from './control.ts';
import { MAX_ANSWER_LENGTH } from './limits.ts';

type Kind = Control['type'];

/**
 * What a node does with each kind of order; those that are missing are refused. A text is what came of it, in words for
 * people; a UserError says why it is not done.
 */
export type Orders = {
  readonly [K in Kind]?: (order: Extract<Control, { type: K }>) => Promise<string> | undefined;
};

/** Has a node that runs obey the process that started it. */
export function obey(supervisor: Supervisor, orders: Orders): void {
  const carryOut = async (order: Control): Promise<Report> => {
    const { id } = order;
    // The kind of the order is that of its handler.
    const handle = orders[order.type] as ((order: Control) => Promise<string> | undefined) | undefined;
    try {
      if (handle === undefined) throw new UserError(`this node takes no order "${order.type}"`);
      const text = await handle(order);
      return text === undefined
        ? { type: 'done', id }
        : { type: 'answer', id, text: text.slice(0, MAX_ANSWER_LENGTH) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { type: 'refused', id, reason: messageOf(error).slice(0, MAX_ANSWER_LENGTH) };
    }
  };
  supervisor.listen((message) => {
    const { data: order } = controlSchema.safeParse(message);
    // What nobody foresaw ends the program, as anywhere else.
    if (order !== undefined)
      void carryOut(order).then((report) => {
        supervisor.report(report);
      });
  });
  supervisor.report({ type: 'up' } satisfies Report);
}
