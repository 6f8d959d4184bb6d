import { Argument, Command, type Option } from 'commander';

import { addVerboseOption, type OptionParser } from '../../shared/options.ts';

/** The program as it is installed. */
const PROGRAM = 'gossip-peer';
const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** What can be completed of one command. */
interface Completable {
  /** Undefined for the program itself. */
  readonly name: string | undefined;
  readonly description: string;
  readonly options: readonly CompletableOption[];
  /** What its first argument may be, where that is known. */
  readonly words: readonly string[];
  /** Whether that is a file. */
  readonly file: boolean;
}

interface CompletableOption {
  /** Without its dashes. */
  readonly name: string;
  readonly description: string;
  /** Whether a value follows. */
  readonly value: boolean;
  /** What the value may be, where that is known. */
  readonly words: readonly string[];
  /** Whether the value is a file or a folder. */
  readonly file: boolean;
}

const HELP: CompletableOption = {
  ...{ name: 'help', description: 'display help', value: false, words: [], file: false },
};

/** `peer completion`: a script that has a shell complete our command line. */
export function completionCommand(): Command {
  const command = new Command('completion')
    .description('print a script that has a shell complete commands, options and what they may be')
    .addArgument(new Argument('<shell>', 'which shell it is for').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(node peer completion bash)                      in ~/.bashrc; also completes "node peer"
  node peer completion zsh > "\${fpath[1]}/_${PROGRAM}"
  node peer completion fish > ~/.config/fish/completions/${PROGRAM}.fish`,
    )
    .action((shell: Shell) => {
      process.stdout.write(completionScript(shell, command.parent ?? command));
    });
  return addVerboseOption(command);
}

/** A script made of what a program and its commands take. */
export function completionScript(shell: Shell, program: Command): string {
  const commands = [program, ...program.commands].map((command) => completable(command, program));
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands);
}

function completable(command: Command, program: Command): Completable {
  const isProgram = command === program;
  const [argument] = command.registeredArguments;
  return {
    name: isProgram ? undefined : command.name(),
    description: command.description(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(completableOption), HELP],
    words: isProgram ? [...program.commands.map((one) => one.name()), 'help'] : (argument?.argChoices ?? []),
    file: argument?.name() === 'file',
  };
}

function completableOption(option: Option): CompletableOption {
  const parse = option.parseArg as OptionParser<unknown> | undefined;
  return {
    name: option.name(),
    description: option.description,
    value: option.required || option.optional,
    words: option.argChoices ?? parse?.words ?? [],
    // What a value is called says what it is.
    file: /<(file|folder)>/.test(option.flags),
  };
}

/** Files are completed by the shell itself, wherever we know nothing. It runs in bash 3.2 too. */
function bashScript(commands: readonly Completable[]): string {
  const names = commands.flatMap(({ name }) => name ?? []);
  const values = commands.flatMap(({ name = '', options }) => {
    const known = options.filter(({ words }) => words.length > 0);
    const unknown = options.filter(({ value, words }) => value && words.length === 0);
    const patterns = unknown.map((option) => `${name}:--${option.name}`).join(' | ');
    return [
      ...known.map((option) => `    ${name}:--${option.name}) words='${option.words.join(' ')}' ;;`),
      ...(patterns === '' ? [] : [`    ${patterns}) return ;;`]),
    ];
  });
  const rest = commands.map(({ name = '', options, words }) => {
    const flags = options.map((option) => `--${option.name}`).join(' ');
    return `      ${name}:-*) words='${flags}' ;;\n      ${name}:*) words='${words.join(' ')}' ;;`;
  });
  return `# Completion of ${PROGRAM}, and of "node peer", for bash: source <(node peer completion bash)
_gossip_peer() {
  # Where the words after the program begin.
  local first=1 command='' current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words=''
  [[ \${COMP_WORDS[0]} == node ]] && first=2
  COMPREPLY=()
  ((COMP_CWORD < first)) && return
  # --option=value comes in three words.
  if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if ((COMP_CWORD > first)); then
    case \${COMP_WORDS[first]} in
    ${names.join(' | ')}) command=\${COMP_WORDS[first]} ;;
    esac
  fi
  case $command:$previous in
${values.join('\n')}
    *)
      case $command:$current in
${rest.join('\n')}
      esac
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
_gossip_peer_node() {
  case \${COMP_WORDS[1]} in
  peer | peer/ | */peer | */peer/ | *peer/index.js) _gossip_peer ;;
  esac
}
complete -o default -F _gossip_peer ${PROGRAM}
complete -p node > /dev/null 2>&1 || complete -o default -F _gossip_peer_node node
`;
}

/** A text in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function zshScript(commands: readonly Completable[]): string {
  const specs = ({ options, words, file }: Completable): string => {
    const flags = options.map(({ name, description, value, words: choices, file: isFile }) => {
      const explained = `--${name}[${description.replaceAll(/[[\]:\\]/g, '\\$&')}]`;
      if (!value) return quoted(explained);
      return quoted(
        `${explained}:${name}:${isFile ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ' '}`,
      );
    });
    const argument = words.length > 0 ? [quoted(`1: :(${words.join(' ')})`)] : file ? ["'1: :_files'"] : [];
    return [...argument, ...flags].join(' \\\n        ');
  };
  const cases = commands.map((command) => {
    const pattern = command.name ?? '*';
    const shift = command.name === undefined ? '' : 'shift words; ((CURRENT--))\n      ';
    return `    ${pattern})\n      ${shift}_arguments \\\n        ${specs(command)}\n      ;;`;
  });
  // The program itself stands for whatever is no command.
  return `#compdef ${PROGRAM}
# Completion of ${PROGRAM} for zsh: a file _${PROGRAM} in a folder of $fpath, or source <(node peer completion zsh)
_gossip_peer() {
  local command=''
  ((CURRENT > 2)) && command=$words[2]
  case $command in
${[...cases.slice(1), ...cases.slice(0, 1)].join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _gossip_peer "$@"; else compdef _gossip_peer ${PROGRAM}; fi
`;
}

function fishScript(commands: readonly Completable[]): string {
  const names = commands.flatMap(({ name }) => name ?? []).join(' ');
  const lines = commands.flatMap((command) => {
    const { name, description, options, words, file } = command;
    const when = quoted(
      name === undefined ? `not __fish_seen_subcommand_from ${names}` : `__fish_seen_subcommand_from ${name}`,
    );
    const start = `complete -c ${PROGRAM} -n ${when}`;
    return [
      ...(name === undefined
        ? []
        : [`complete -c ${PROGRAM} -n '__fish_use_subcommand' -a ${name} -d ${quoted(description)}`]),
      ...(name === undefined || words.length === 0 ? [] : [`${start} -a ${quoted(words.join(' '))}`]),
      ...(file ? [`${start} -F`] : []),
      ...options.map((option) => {
        const kind = !option.value
          ? ''
          : option.file
            ? ' -r -F'
            : option.words.length > 0
              ? ` -x -a ${quoted(option.words.join(' '))}`
              : ' -x';
        return `${start} -l ${option.name}${kind} -d ${quoted(option.description)}`;
      }),
    ];
  });
  return [
    `# Completion of ${PROGRAM} for fish: ~/.config/fish/completions/${PROGRAM}.fish`,
    `complete -c ${PROGRAM} -f`,
    ...lines,
    '',
  ].join('\n');
}
