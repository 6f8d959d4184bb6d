/** Miners that are wrong in one way each: for each rule one that breaks it, and no other. */
import { createHash } from 'node:crypto';

import type { JsonObject } from '../../../support/wire.ts';
import { StudentMiner, parsed, type Found, type MinerJob } from './student-miner.ts';

type Kind = new (...args: ConstructorParameters<typeof StudentMiner>) => StudentMiner;

/** A miner that passes over jobs while it works on one that has something in common with them. */
function passesOver(same: (job: MinerJob, current: MinerJob) => boolean): Kind {
  return class extends StudentMiner {
    #busy: MinerJob | undefined;
    protected override onJob(job: MinerJob): void {
      if (this.#busy !== undefined && same(job, this.#busy)) return;
      this.#busy = job;
      super.onJob(job);
    }
    protected override found(job: MinerJob, block: Found & { hash: string }): void {
      this.#busy = undefined;
      super.found(job, block);
    }
    protected override onEnd(): void {
      this.#busy = undefined;
      super.onEnd();
    }
  };
}

/** A miner that reads otherwise. */
function reads(read: (text: string) => readonly string[]): Kind {
  return class extends StudentMiner {
    protected override read(text: string): void {
      for (const object of read(text).map(parsed)) if (object !== undefined) this.onMessage(object);
    }
  };
}

export const WRONG_MINERS: Readonly<Record<string, Kind>> = {
  quiet: class extends StudentMiner {
    protected override greet(): void {
      this.send({ type: 'HI' });
    }
  },
  job: class extends StudentMiner {
    protected override found(): void {
      // Keeps it.
    }
  },
  fields: class extends StudentMiner {
    protected override answer(job: MinerJob, block: Found & { hash: string }): object {
      const { minedBy, ...rest } = super.answer(job, block) as Found;
      return { ...rest, miner: minedBy };
    }
  },
  hash: class extends StudentMiner {
    protected override hash(block: Found, job: MinerJob): string {
      const { minedBy, messages, nonce } = block;
      return createHash('sha256')
        .update(job.previous_hash + minedBy + messages.join('') + nonce)
        .digest('hex');
    }
  },
  difficulty: class extends StudentMiner {
    protected override zeros(job: MinerJob): number {
      return job.difficulty > 9 ? job.difficulty : 0;
    }
    protected override nonce(count: number): string {
      // Never by chance.
      return `x${count}`;
    }
    protected override hash(block: Found, job: MinerJob): string {
      const hash = super.hash(block, job);
      return hash.endsWith('0') && job.difficulty < 9
        ? super.hash({ ...block, nonce: `${block.nonce}y` }, job)
        : hash;
    }
  },
  utf8: class extends StudentMiner {
    protected override hash(block: Found, job: MinerJob): string {
      const messages = block.messages.map((message) => message.replace(/[^ -~]/g, '?'));
      return super.hash({ ...block, messages }, job);
    }
  },
  messages: class extends StudentMiner {
    protected override block(job: MinerJob, count: number): Found {
      const { messages } = job;
      return super.block(
        { ...job, messages: messages.length === 3 ? messages.slice(0, 2) : messages },
        count,
      );
    }
  },
  'nonce-length': class extends StudentMiner {
    protected override nonce(count: number): string {
      return String(count).padStart(45, '0');
    }
  },
  'nonce-text': class extends StudentMiner {
    protected override answer(job: MinerJob, block: Found & { hash: string }): object {
      return { ...super.answer(job, block), nonce: Number(block.nonce) };
    }
  },
  name: class extends StudentMiner {
    protected override block(job: MinerJob, count: number): Found {
      return super.block({ ...job, minedBy: 'me' }, count);
    }
  },
  time: class extends StudentMiner {
    protected override block(job: MinerJob, count: number): Found {
      const block = super.block(job, count);
      return { ...block, timestamp: block.timestamp + 60 };
    }
  },
  'next-job': class extends StudentMiner {
    protected override found(job: MinerJob, block: Found & { hash: string }): void {
      super.found(job, block);
      this.link?.close();
      this.onEnd();
    }
  },
  genesis: class extends StudentMiner {
    protected override hash(block: Found, job: MinerJob): string {
      return super.hash(block, job.height === 0 ? { ...job, height: 1, previous_hash: 'None' } : job);
    }
  },
  'new-block': passesOver((job, current) => job.height > current.height),
  'new-tip': passesOver(
    (job, current) => job.height === current.height && job.previous_hash !== current.previous_hash,
  ),
  'new-words': passesOver((job, current) => job.previous_hash === current.previous_hash),
  'no-stale': class extends StudentMiner {
    protected override goesOn(): boolean {
      return true;
    }
    protected override found(job: MinerJob, block: Found & { hash: string }): void {
      if (job === this.job) super.found(job, block);
      else
        this.ground.after(1_000, () => {
          super.found(job, block);
        });
    }
  },
  once: class extends StudentMiner {
    protected override found(job: MinerJob, block: Found & { hash: string }): void {
      super.found(job, block);
      super.found(job, block);
    }
  },
  unframed: class extends StudentMiner {
    protected override read(text: string): void {
      this.rest += text;
      const lines = this.rest.split('\n');
      this.rest = lines.pop() ?? '';
      for (const line of lines) super.read(line);
    }
  },
  split: reads((text) => text.split(/(?<=\})\s*(?=\{)/)),
  coalesced: class extends StudentMiner {
    protected override read(text: string): void {
      if (text.includes('}{')) return;
      super.read(text);
    }
  },
  unknown: class extends StudentMiner {
    protected override onMessage(message: JsonObject): void {
      if (message['type'] === undefined) super.onMessage(message);
      else this.onJob = (): void => undefined;
    }
  },
  reconnect: class extends StudentMiner {
    protected override onEnd(): void {
      this.link = undefined;
    }
  },
  garbage: class extends StudentMiner {
    protected override read(text: string): void {
      if (text.startsWith('garbage')) this.read = (): void => undefined;
      else super.read(text);
    }
  },
};
