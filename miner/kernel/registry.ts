/** Which kernels there are, and which one is taken. */
import { UserError, messageOf } from '../../shared/errors.ts';
import type { Kernel } from './kernel.ts';
import { createNativeKernel } from './native.ts';
import { referenceKernel } from './reference.ts';
import { createWasmKernel } from './wasm.ts';

interface KernelEntry {
  readonly name: string;
  /** @throws Error with one sentence that says why the kernel does not run here */
  readonly load: () => Kernel;
}

/** Fastest first. The last one runs everywhere. */
const KERNELS = [
  { name: 'native', load: createNativeKernel },
  { name: 'wasm', load: createWasmKernel },
  { name: 'reference', load: () => referenceKernel },
] as const satisfies readonly KernelEntry[];

/** What `--kernel` takes: a kernel, or `auto` for the fastest that runs. */
export const KERNEL_CHOICES = ['auto', ...KERNELS.map(({ name }) => name)] as const;
export type KernelChoice = (typeof KERNEL_CHOICES)[number];

/** A kernel, and why it is this one. */
export interface ChosenKernel {
  readonly kernel: Kernel;
  /** For people, in a few words. */
  readonly reason: string;
}

/**
 * Loads a kernel. It is quick enough to be called in every worker.
 *
 * @param choice a kernel's name, or `auto` for the fastest that runs here
 * @param distrusted kernels that were caught in an error and are not to be taken, whatever the choice
 * @throws UserError if the kernel asked for by its name does not run here
 */
export function chooseKernel(
  choice: KernelChoice,
  distrusted: ReadonlySet<string> = new Set(),
): ChosenKernel {
  const failures: string[] = [];
  for (const { name, load } of KERNELS as readonly KernelEntry[]) {
    if (distrusted.has(name)) {
      failures.push(`${name} gave a wrong result`);
    } else if (choice === 'auto' || choice === name || distrusted.has(choice)) {
      try {
        return { kernel: load(), reason: reasonFor(choice, failures) };
      } catch (error) {
        if (choice === name) throw new UserError(`the ${name} kernel does not run here: ${messageOf(error)}`);
        failures.push(`${name}: ${messageOf(error)}`);
      }
    }
  }
  throw new UserError(`no kernel runs here: ${failures.join('; ')}`);
}

function reasonFor(choice: KernelChoice, failures: readonly string[]): string {
  if (failures.length > 0) return failures.join('; ');
  return choice === 'auto' ? 'the fastest that runs here' : 'as asked for';
}
