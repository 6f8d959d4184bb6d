import { execFileSync, spawnSync } from 'node:child_process';

import { describe, expect, test } from 'vitest';

import { APPLICATIONS } from '../../peer/applications/registry.ts';
import { runHere, runPeer } from './run.ts';

/** Whether this machine has a shell. */
function has(shell: string): boolean {
  return spawnSync(shell, ['-c', 'exit 0']).status === 0;
}

function note(shell: string): string {
  return has(shell) ? '' : ` (skipped: this machine has no ${shell})`;
}

async function script(shell: string): Promise<string> {
  const { stdout, code } = await runPeer(['completion', shell]);
  expect(code).toBe(0);
  return stdout;
}

describe.skipIf(!has('bash'))(`in bash${note('bash')}`, async () => {
  const source = has('bash') ? await script('bash') : '';

  /** What bash would offer for the last of these words. */
  function offered(...words: string[]): string[] {
    const asked = `${source}
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      if [[ $1 == node ]]; then _gossip_peer_node; else _gossip_peer; fi
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const text = execFileSync('bash', ['--norc', '-c', asked, 'bash', ...words], { encoding: 'utf8' });
    return text.split('\n').filter((line) => line !== '');
  }

  test('the names of commands are offered, and those of options of each', () => {
    expect(offered('gossip-peer', '')).toEqual(
      expect.arrayContaining([
        'export',
        'import',
        'verify',
        'simulate',
        'network',
        'status',
        'pbft',
        'completion',
        'help',
      ]),
    );
    expect(offered('gossip-peer', 'ne')).toEqual(['network']);
    expect(offered('gossip-peer', '--miner-')).toEqual(['--miner-port', '--miner-bind']);
    expect(offered('gossip-peer', 'network', '--mi')).toEqual(['--miners']);
    expect(offered('gossip-peer', 'status', '--')).toEqual(
      expect.arrayContaining(['--url', '--watch', '--json', '--help']),
    );
    expect(offered('gossip-peer', 'export', '--mi')).toEqual([]);
  });

  test('commands within a command are offered, and the options of each', () => {
    expect(offered('gossip-peer', 'pbft', '')).toEqual(['start', 'keygen', 'help']);
    expect(offered('gossip-peer', 'pbft', 'key')).toEqual(['keygen']);
    expect(offered('gossip-peer', 'pbft', 'start', '--view')).toEqual(['--view-change-timeout']);
    expect(offered('gossip-peer', 'pbft', 'start', '--application', '')).toEqual([...APPLICATIONS.keys()]);
    expect(offered('gossip-peer', 'pbft', 'keygen', '--s')).toEqual(['--seed']);
    expect(offered('node', 'peer', 'pbft', 'keygen', '--j')).toEqual(['--json']);
    // They are commands within that one only.
    expect(offered('gossip-peer', 'start', '--view')).toEqual([]);
  });

  test('what an option and an argument may be is offered', () => {
    expect(offered('gossip-peer', 'network', '--kernel', '')).toEqual([
      'reference',
      'wasm',
      'native',
      'auto',
    ]);
    expect(offered('gossip-peer', 'network', '--nodes', '3', '--log-level', 'de')).toEqual(['debug']);
    expect(offered('gossip-peer', '--log-format', '=', 'j')).toEqual(['json']);
    expect(offered('gossip-peer', '--log-format', '=')).toEqual(['text', 'json']);
    expect(offered('gossip-peer', 'completion', '')).toEqual(['bash', 'zsh', 'fish']);
    // A number or a file: nothing of ours.
    expect(offered('gossip-peer', 'network', '--nodes', '')).toEqual([]);
    expect(offered('gossip-peer', 'import', '')).toEqual([]);
  });

  test('options that are not for people are not offered', () => {
    expect(offered('gossip-peer', '--su')).toEqual([]);
  });

  test('"node peer" is completed too, other programs of node are left alone', () => {
    expect(offered('node', 'peer', 'com')).toEqual(['completion']);
    expect(offered('node', './peer', 'network', '--ker')).toEqual(['--kernel']);
    expect(offered('node', 'pe')).toEqual([]);
    expect(offered('node', 'server.js', 'com')).toEqual([]);
  });

  test('it is registered, and a completion of node that is there already stays', () => {
    const registered = (before: string): string =>
      execFileSync('bash', ['--norc', '-c', `${before}\n${source}\ncomplete -p gossip-peer node`], {
        encoding: 'utf8',
      });
    expect(registered('')).toBe(
      'complete -o default -F _gossip_peer gossip-peer\ncomplete -o default -F _gossip_peer_node node\n',
    );
    expect(registered('complete -W mine node')).toMatch(/complete -W 'mine' node/);
  });
});

test.skipIf(!has('zsh'))(`zsh can read its script${note('zsh')}`, async () => {
  const source = await script('zsh');
  const asked = `autoload -U compinit; compinit -D; ${source}\nprint $_comps[gossip-peer]`;
  expect(execFileSync('zsh', ['-f', '-c', asked], { encoding: 'utf8' })).toBe('_gossip_peer\n');
});

test.skipIf(!has('fish'))(`fish offers commands and what an option may be${note('fish')}`, async () => {
  const source = await script('fish');
  const offered = (line: string): string =>
    execFileSync('fish', ['--no-config', '-c', `${source}\ncomplete -C '${line}'`], { encoding: 'utf8' });
  expect(offered('gossip-peer ne')).toMatch(/^network\t/);
  expect(offered('gossip-peer network --kernel ')).toMatch(/^wasm/m);
});

test('the scripts for zsh and fish have every command, what an option may be, and quote what they explain', async () => {
  const [zsh = '', fish = ''] = await Promise.all(
    ['zsh', 'fish'].map(async (shell) => (await runHere(['completion', shell])).stdout),
  );
  for (const text of [zsh, fish])
    for (const word of [
      'simulate',
      'network',
      'keygen',
      'reference wasm native auto',
      'error warn info debug',
      'bash zsh fish',
    ])
      expect(text).toContain(word);
  // An apostrophe within quotes ends them and begins them again.
  for (const line of [...zsh.split('\n'), ...fish.split('\n')].filter((one) => !/^\s*#/.test(one))) {
    const quotes = line.replaceAll("'\\''", '').replaceAll(/[^']/g, '').length;
    expect({ line, even: quotes % 2 === 0 }).toEqual({ line, even: true });
  }
});

test('another shell is refused with those that there are', async () => {
  const { stderr, code } = await runHere(['completion', 'ksh']);
  expect(stderr).toMatch(/Allowed choices are bash, zsh, fish/);
  expect(code).toBe(1);
});
