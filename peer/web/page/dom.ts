/**
 * Builds elements without markup: whatever is a text stays a text, so nothing from the network becomes an element. What
 * nobody sees in a text is written as an escape.
 */
import { escapeControls } from '../../../shared/escape.ts';

export type Child = Node | string | null;

export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Sets attributes: false, null and undefined leave one out or take it away, true writes it without a value. */
function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : escapeControls(String(value)));
  }
}

/** Children as the DOM takes them. */
function shown(children: readonly Child[]): (Node | string)[] {
  return children
    .filter((child) => child !== null)
    .map((child) => (typeof child === 'string' ? escapeControls(child) : child));
}

/** An HTML element. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...shown(children));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** An SVG element. */
export function makeSvg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...shown(children));
  return element;
}

/**
 * Text that came from the network, isolated so that its writing direction can't turn what stands around it.
 *
 * @param className for what is to be cut off with an ellipsis, for instance
 */
export function foreign(text: string, className?: string): HTMLElement {
  return make('bdi', { class: className }, text);
}

/** The element with an id that index.html has. */
export function byId<E extends Element = HTMLElement>(id: string, type?: new () => E): E {
  const element = document.getElementById(id);
  if (element === null || (type !== undefined && !(element instanceof type)))
    throw new Error(`the page has no such element #${id}`);
  return element as unknown as E;
}

/** Replaces what is in an element. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren(...shown(children));
}

/** Sets a text only where it changes, so that screen readers and animations see changes alone. */
export function setText(element: Element, text: string): void {
  const seen = escapeControls(text);
  if (element.textContent !== seen) element.textContent = seen;
}
