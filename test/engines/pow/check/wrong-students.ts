/** Peers that are wrong in one way each: for each rule one that breaks it, and no other. */
import type { Address } from '../../../../shared/address.ts';
import { wireHash, type JsonObject, type WireBlock } from '../../../support/wire.ts';
import { Student, type Candidate } from './student.ts';

type Kind = new (...args: ConstructorParameters<typeof Student>) => Student;

/** A peer that some message ends. */
function dies(on: (text: string, message: JsonObject | undefined) => boolean): Kind {
  return class extends Student {
    protected override receive(bytes: Uint8Array, from: Address): void {
      const text = Buffer.from(bytes).toString();
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        // Some die of this.
      }
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (on(text, isObject ? (value as JsonObject) : undefined)) this.close();
      else super.receive(bytes, from);
    }
  };
}

/** A peer that passes over one fault of blocks that are announced, where that is the only one. */
function overlooks(fault: string, also: (block: WireBlock) => boolean = () => true): Kind {
  return class extends Student {
    protected override announcedFault(block: WireBlock): string | undefined {
      const right = super.announcedFault(block);
      const zeros = '0'.repeat(this.plan.difficulty);
      const hashed = wireHash(block, this.chain.at(-1)?.hash ?? '') === block.hash;
      const others =
        (fault !== 'has the wrong hash' && !hashed) ||
        (fault !== 'misses the difficulty' && !block.hash.endsWith(zeros));
      return right === fault && !others && also(block) ? undefined : right;
    }
  };
}

/** A peer that refuses good blocks when they are announced. */
function refuses(block: (block: WireBlock) => boolean): Kind {
  return class extends Student {
    protected override announcedFault(one: WireBlock): string | undefined {
      return block(one) ? 'that is not for me' : super.announcedFault(one);
    }
  };
}

export const WRONG: Readonly<Record<string, Kind>> = {
  'gossip-reply': class extends Student {
    protected override reply(): void {
      // Is silent.
    }
  },
  'gossip-reply-fields': class extends Student {
    protected override gossipReply(): object {
      const { host, port } = this.plan.address;
      return { type: 'GOSSIP_REPLY', host, post: port, name: 'student' };
    }
  },
  'gossip-originator': class extends Student {
    protected override reply(_origin: Address, from: Address): void {
      this.send(from, this.gossipReply());
    }
  },
  'gossip-repeat': class extends Student {
    protected override repeat(): void {
      // Tells nobody.
    }
  },
  'gossip-three': class extends Student {
    protected override repeat(message: JsonObject, origin: Address): void {
      for (const { address } of this.tracked.values())
        if (address.port !== origin.port) this.send(address, message);
    }
  },
  'gossip-unchanged': class extends Student {
    protected override repeat(message: JsonObject, origin: Address): void {
      const id = `mine-${++this.gossips}`;
      this.seen.add(id);
      super.repeat({ ...message, id }, origin);
    }
  },
  'gossip-once': class extends Student {
    protected override onGossip(message: JsonObject, from: Address): void {
      this.seen.clear();
      super.onGossip(message, from);
    }
  },
  'gossip-fields': class extends Student {
    protected override ownGossip(): object {
      return { type: 'GOSSIP', ...this.plan.address, name: 'student' };
    }
  },
  'keep-alive': class extends Student {
    protected override nextGossip(): void {
      // A second round, since in the first it knows nobody, and no third.
      if (this.gossips < 2) super.nextGossip();
    }
  },
  'gossip-new-id': class extends Student {
    protected override ownGossip(): object {
      return { ...super.ownGossip(), id: 'student' };
    }
  },
  expiry: class extends Student {
    protected override dropSilent(): void {
      // Forgets nobody.
    }
  },
  stats: class extends Student {
    protected override onStats(): void {
      // Is silent.
    }
  },
  'stats-fields': class extends Student {
    protected override statsReply(): object {
      return { ...super.statsReply(), height: String(this.chain.length) };
    }
  },
  'stats-height': class extends Student {
    protected override statsReply(): object {
      return { ...super.statsReply(), height: this.chain.length - 1 };
    }
  },
  block: class extends Student {
    protected override onGetBlock(height: unknown, from: Address): void {
      if (this.chain[Number(height)] === undefined) super.onGetBlock(height, from);
    }
  },
  'block-genesis': class extends Student {
    protected override blockAt(height: number): WireBlock | undefined {
      return height === 0 ? undefined : super.blockAt(height);
    }
  },
  'block-fields': class extends Student {
    protected override blockReply(block: WireBlock): object {
      return { ...super.blockReply(block), timestamp: String(block.timestamp) };
    }
  },
  'block-chain': class extends Student {
    protected override blockAt(height: number): WireBlock | undefined {
      const block = super.blockAt(height);
      return height === 2 && block !== undefined ? { ...block, messages: ['censored'] } : block;
    }
  },
  'block-unknown': class extends Student {
    protected override noBlock(): object {
      return Object.fromEntries(
        Object.entries(super.noBlock()).map(([name, value]) => [
          name,
          value === null ? 'None' : (value as unknown),
        ]),
      );
    }
  },
  'block-negative': class extends Student {
    protected override blockAt(height: number): WireBlock | undefined {
      return height < 0 ? this.chain.at(height) : super.blockAt(height);
    }
  },
  'block-odd': class extends Student {
    protected override onGetBlock(height: unknown, from: Address): void {
      super.onGetBlock(typeof height === 'number' ? Math.floor(height) : height, from);
    }
  },
  'block-burst': class extends Student {
    #room = 20;
    protected override onGetBlock(height: unknown, from: Address): void {
      if (this.#room <= 0) return;
      this.#room--;
      this.after(200, () => {
        this.#room++;
      });
      super.onGetBlock(height, from);
    }
  },
  announce: class extends Student {
    protected override onAnnounce(): void {
      // Waits for the next consensus, unless it is told while it has one.
      if (this.sync !== undefined) this.again = true;
    }
    protected again = false;
    protected override finish(blocks: WireBlock[], later: Candidate[]): void {
      super.finish(blocks, later);
      if (this.again) this.beginConsensus();
      this.again = false;
    }
  },
  'announce-limits': refuses(({ messages }) => messages.some(({ length }) => length >= 20)),
  'announce-utf8': refuses(({ messages }) => messages.some((message) => !/^[ -~]*$/.test(message))),
  'announce-wrong-hash': overlooks('has the wrong hash'),
  'announce-difficulty': overlooks('misses the difficulty'),
  'announce-long-message': overlooks('has a long message'),
  'announce-many-messages': overlooks('has too few or many messages', ({ messages }) => messages.length > 10),
  'announce-no-messages': overlooks('has too few or many messages', ({ messages }) => messages.length < 1),
  'announce-long-nonce': overlooks('has a long nonce'),
  'announce-duplicate': class extends Student {
    protected override add(block: WireBlock): void {
      if (block.hash === this.chain.at(-1)?.hash) this.chain.push(block);
      else super.add(block);
    }
  },
  'announce-behind': class extends Student {
    protected override add(block: WireBlock): void {
      if (this.chain[block.height]?.hash === block.hash) this.chain.length = block.height + 1;
      else super.add(block);
    }
  },
  'announce-ahead': class extends Student {
    protected override add(block: WireBlock): void {
      if (block.height > this.chain.length) this.chain.push(block);
      else super.add(block);
    }
  },
  'announce-silent': class extends Student {
    protected override onAnnounce(message: JsonObject, from: Address): void {
      super.onAnnounce(message, from);
      this.send(from, { type: 'ANNOUNCE_REPLY', ok: true });
    }
  },
  'new-word': class extends Student {
    protected override handle(message: JsonObject, from: Address): void {
      if (message['type'] === 'NEW_WORD') this.send(from, { type: 'NEW_WORD_REPLY' });
      super.handle(message, from);
    }
  },
  consensus: class extends Student {
    protected override askedForStats(): Address[] {
      return super.askedForStats().slice(0, 3);
    }
  },
  'consensus-once': class extends Student {
    protected override onConsensus(): void {
      if (this.sync === undefined) this.beginConsensus();
    }
  },
  sync: class extends Student {
    protected override choose(candidates: Candidate[]): Candidate[] {
      return this.chain.length > 0 ? [] : super.choose(candidates);
    }
  },
  'sync-fork': class extends Student {
    protected override finish(blocks: WireBlock[], later: Candidate[]): void {
      const shared = this.chain.findIndex(({ hash }, at) => blocks[at]?.hash !== hash);
      super.finish(shared > 0 ? this.chain : blocks, later);
    }
  },
  'sync-genesis': class extends Student {
    protected override finish(blocks: WireBlock[], later: Candidate[]): void {
      const [genesis] = this.chain;
      super.finish(genesis !== undefined && genesis.hash !== blocks[0]?.hash ? this.chain : blocks, later);
    }
  },
  'sync-longest': class extends Student {
    protected override choose(candidates: Candidate[]): Candidate[] {
      return super.choose(candidates).sort((a, b) => b.sources.length - a.sources.length);
    }
  },
  'sync-tie': class extends Student {
    protected override choose(candidates: Candidate[]): Candidate[] {
      return super
        .choose(candidates)
        .sort(
          (a, b) => b.claim.height - a.claim.height || ((a.claim.hash ?? '') < (b.claim.hash ?? '') ? -1 : 1),
        );
    }
  },
  'sync-shorter': class extends Student {
    protected override choose(candidates: Candidate[]): Candidate[] {
      const tip = this.chain.at(-1)?.hash;
      return candidates
        .filter(({ claim }) => claim.hash !== tip)
        .sort((a, b) => b.claim.height - a.claim.height || b.sources.length - a.sources.length);
    }
  },
  'sync-liar': class extends Student {
    protected override isValid(blocks: readonly WireBlock[]): boolean {
      return blocks.every(({ hash }) => hash.endsWith('0'.repeat(this.plan.difficulty)));
    }
  },
  'sync-difficulty': class extends Student {
    protected override isValid(blocks: readonly WireBlock[]): boolean {
      return blocks.every((block, at) => wireHash(block, blocks[at - 1]?.hash ?? '') === block.hash);
    }
  },
  'sync-unserved': class extends Student {
    protected override maxRetries(): number {
      return Infinity;
    }
  },
  'sync-loss': class extends Student {
    protected override maxRetries(): number {
      return 1;
    }
  },
  'sync-spread': class extends Student {
    protected override sourceOf(height: number, sources: readonly Address[]): Address {
      return sources[0] ?? super.sourceOf(height, sources);
    }
  },
  'sync-growing': class extends Student {
    protected override onAnnounce(message: JsonObject, from: Address): void {
      if (this.sync === undefined) super.onAnnounce(message, from);
    }
  },
  'odd-bytes': dies((text) => text.includes('\ufffd')),
  'odd-json': dies((text) => text === 'null'),
  'odd-gossip': dies((_, message) => message?.['type'] === 'GOSSIP' && message['port'] === 0),
  'odd-stats': dies((_, message) => message?.['type'] === 'STATS_REPLY' && message['height'] === null),
  'odd-blocks': dies((_, message) => message?.['type'] === 'GET_BLOCK' && message['height'] === undefined),
  'odd-announce': dies(
    (_, message) => message?.['type'] === 'ANNOUNCE' && typeof message['nonce'] === 'number',
  ),
  datagrams: class extends Student {
    protected override onConsensus(from: Address): void {
      this.port.send(Buffer.from('["ok"]'), from);
      super.onConsensus(from);
    }
  },
  'datagram-size': class extends Student {
    protected override ownGossip(): object {
      return { ...super.ownGossip(), name: 'n'.repeat(1024) };
    }
  },
  'one-port': class extends Student {
    protected override onStats(from: Address): void {
      const { host } = this.plan.address;
      void this.ground
        .openPort(host, 0, () => undefined)
        .then((port) => {
          port.send(Buffer.from(JSON.stringify(this.statsReply())), from);
          port.close();
        });
    }
  },
  'announce-copies': class extends Student {
    protected override add(block: WireBlock): void {
      const before = this.chain.length;
      super.add(block);
      if (this.chain.length > before)
        for (const to of [...this.some(), ...this.some()]) this.send(to, { type: 'ANNOUNCE', ...block });
    }
  },
  'consensus-periodic': class extends Student {
    protected override consensusRound(): void {
      // Waits to be called.
    }
  },
};

/** Peers that join, in a wrong way. */
export const WRONG_JOINERS: Readonly<Record<string, Kind>> = {
  'join-gossip': class extends Student {
    #rounds = 0;
    protected override gossipRound(): void {
      if (this.#rounds++ === 0) this.nextGossip();
      else super.gossipRound();
    }
    protected override join(): void {
      if (this.plan.join !== undefined) this.track(this.plan.join);
      super.join();
    }
  },
  'join-sync': class extends Student {
    protected override join(): void {
      // Waits for the next consensus.
    }
  },
};
