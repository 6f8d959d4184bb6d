/** What must come true after everything has healed, one goal after the other. */
import type { Course } from './course.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { LivenessGoal } from './subject.ts';
import { MS, SECOND } from './units.ts';

/** How often goals are looked at. */
const GOAL_INTERVAL = SECOND;

export class Goals<T extends EngineTypes> {
  /** After how many seconds each goal was reached, by its checker. */
  readonly reached = new Map<string, number>();
  private readonly course: Course<T>;
  private readonly goals: readonly LivenessGoal[];
  private begun = 0;
  private current = -1;
  private due = Infinity;

  constructor(course: Course<T>, goals: readonly LivenessGoal[]) {
    this.course = course;
    this.goals = goals;
  }

  begin(): void {
    this.begun = this.course.now;
    this.next();
  }

  private next(): void {
    const { course } = this;
    const goal = this.goals[++this.current];
    course.goal = goal?.checker;
    if (goal === undefined) {
      course.over = true;
      return;
    }
    this.due = course.now + goal.limit * MS;
    goal.begin?.();
    this.look(goal);
  }

  private look(goal: LivenessGoal): void {
    const { course } = this;
    const missing = goal.missing();
    if (missing === undefined) {
      course.trace(undefined, 'goal reached', { checker: goal.checker });
      this.reached.set(goal.checker, (course.now - this.begun) / SECOND);
      this.next();
    } else if (course.now >= this.due) {
      course.violate(goal.checker, undefined, missing);
    } else {
      course.call(course.now + GOAL_INTERVAL, () => {
        this.look(goal);
      });
    }
  }
}
