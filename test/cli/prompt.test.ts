import { describe, expect, it } from 'vitest';

import { Prompt, type PromptParts } from '../../peer/cli/prompt.ts';

interface Parts extends PromptParts {
  readonly heard: [string, ...string[]][];
}

function newPrompt(): { prompt: Prompt<Parts>; parts: Parts; printed: string[]; quits: () => number } {
  const printed: string[] = [];
  let quits = 0;
  const stopped = new AbortController();
  const prompt = new Prompt<Parts>(
    [
      [
        'say',
        {
          usage: 'say <text>',
          help: 'say it',
          short: ['s'],
          run: (args, { heard }, text) => void heard.push([text, ...args]),
        },
      ],
    ],
    40,
  );
  const parts: Parts = {
    ...{ heard: [], stopped: stopped.signal },
    print: (text) => printed.push(text),
    quit: () => {
      quits++;
      stopped.abort();
    },
  };
  return { prompt, parts, printed, quits: () => quits };
}

describe('a prompt', () => {
  it('gives a command its words, and its text as it was typed', async () => {
    const { prompt, parts } = newPrompt();
    for (const line of ['say  two   words ', 's one', 'say', '', '  ', '# say nothing']) {
      await prompt.run(line, parts);
    }
    expect(parts.heard).toEqual([['two   words', 'two', 'words'], ['one', 'one'], ['']]);
  });

  it('knows help, wait and the end by itself, also by their short names', async () => {
    const { prompt, parts, printed, quits } = newPrompt();
    await prompt.run('h', parts);
    expect(printed).toEqual([prompt.help()]);
    expect(prompt.help()).toMatch(/^ {2}say <text>, s {3}say it\n/);
    await prompt.run('wait 0.001', parts);
    await prompt.run('exit', parts);
    await prompt.run('q', parts);
    expect(quits()).toBe(2);
    // What is over is not waited for.
    await prompt.run('wait 86400', parts);
  });

  it('refuses what it does not know, in a sentence that draws nothing, and what is too long', async () => {
    const { prompt, parts } = newPrompt();
    await expect(prompt.run('\u001b[2J', parts)).rejects.toThrow('there is no command "\\u001b[2J"');
    await expect(prompt.run('sayy it', parts)).rejects.toThrow(
      'there is no command "sayy" (did you mean say?); "help" lists them',
    );
    await expect(prompt.run('x'.repeat(41), parts)).rejects.toThrow('a line has at most 40 characters');
    await expect(prompt.run('wait for me', parts)).rejects.toThrow('how long?');
    expect(parts.heard).toEqual([]);
  });

  it('completes names of commands, and what may stand after them', () => {
    const { prompt } = newPrompt();
    expect(prompt.complete('s', [])).toEqual([['say'], 's']);
    expect(prompt.complete('', [])).toEqual([['say', 'wait', 'help', 'quit'], '']);
    expect(prompt.complete('say no', ['node-1', 'other'])).toEqual([['node-1'], 'no']);
  });
});
