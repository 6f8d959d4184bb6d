/** Looks at all nodes, again and again: what a timeline is made of. */
import type { Course } from './course.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { SimulatedNode, SubjectRun } from './subject.ts';
import { SECOND } from './units.ts';

/**
 * How many samples of the time with faults a timeline has. Nodes catch up in a small part of that, so after healing
 * samples are so many times closer together; but no two are closer than a second, as in that time little happens.
 */
const SAMPLES = 400;
const HEALING_SAMPLES = 16;
const LEAST_SAMPLE_INTERVAL = SECOND;

interface Modules<T extends EngineTypes> {
  readonly nodes: readonly SimulatedNode[];
  readonly run: Pick<SubjectRun<T>, 'mostTips' | 'progress'>;
  /** When everything is to heal, in microseconds. */
  readonly faultEnd: number;
}

export class Sampler<T extends EngineTypes> {
  readonly samples: {
    readonly seconds: number[];
    readonly progress: readonly number[][];
    readonly tips: number[];
  };
  private readonly course: Course<T>;
  private readonly modules: Modules<T>;
  /** Samples begun so far, and how many of these before everything healed: undefined until then. */
  private sampled = 0;
  private sampledBeforeHealing: number | undefined;

  constructor(course: Course<T>, modules: Modules<T>) {
    this.course = course;
    this.modules = modules;
    this.samples = { seconds: [], progress: modules.nodes.map(() => []), tips: [] };
  }

  begin(): void {
    this.sample();
  }

  /** Everything has healed. */
  onHealed(): void {
    this.sampledBeforeHealing = this.sampled;
    this.sample();
  }

  look(): void {
    const { nodes, run } = this.modules;
    const { seconds, progress, tips } = this.samples;
    const now = this.course.now / SECOND;
    const values = nodes.map((node) => run.progress(node));
    const most = run.mostTips();
    // What is looked at twice at a time, as when the run ends with a sample, is one sample.
    const place = seconds.at(-1) === now ? seconds.length - 1 : seconds.length;
    seconds[place] = now;
    for (const [index, value] of values.entries()) {
      const line = progress[index];
      if (line !== undefined) line[place] = value;
    }
    tips[place] = Math.max(tips[place] ?? 0, most);
  }

  private sample(): void {
    const { course } = this;
    this.look();
    const turn = ++this.sampled;
    course.call(course.now + this.interval(), () => {
      // Sampling is no event of the run.
      course.events--;
      // Healing brings a sample before this one was due, which has the next one follow earlier.
      if (turn === this.sampled) this.sample();
    });
  }

  private interval(): number {
    const interval = this.modules.faultEnd / SAMPLES;
    if (this.sampledBeforeHealing === undefined) return Math.max(LEAST_SAMPLE_INTERVAL, interval);
    // A goal may be waited for much longer than there were faults: the longer it takes, the rarer they are.
    const doublings = Math.floor((this.sampled - this.sampledBeforeHealing) / SAMPLES);
    return Math.max(LEAST_SAMPLE_INTERVAL, interval / HEALING_SAMPLES) * 2 ** doublings;
  }
}
