import { Argument, Command, type Option } from 'commander';

import { addVerboseOption, commandsOf, type OptionParser } from '../../shared/options.ts';

/** The program as it is installed. */
const PROGRAM = 'gossip-peer';
const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** What can be completed of one command. */
interface Completable {
  /** Its name after those of the commands that it belongs to; none for the program itself. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly CompletableOption[];
  /** Names of its own commands. */
  readonly commands: readonly string[];
  /** What its first argument may be, where that is known: the names of its commands, if it has any. */
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
  const commands = [program, ...commandsOf(program)].map((command) => completable(command, program));
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands);
}

function completable(command: Command, program: Command): Completable {
  const path: string[] = [];
  for (let one = command; one !== program && one.parent !== null; one = one.parent) path.unshift(one.name());
  const commands = command.commands.map((one) => one.name());
  const [argument] = command.registeredArguments;
  return {
    path,
    commands,
    description: command.description(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(completableOption), HELP],
    words: commands.length > 0 ? [...commands, 'help'] : (argument?.argChoices ?? []),
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

/** A command in a pattern of a shell: the names up to its own, as one word. */
function shellWord(path: readonly string[]): string {
  return path.length > 1 ? quoted(path.join(' ')) : path.join('');
}

/** Patterns of a command and a word that together are a command within it, as `network:start`. */
function steps(commands: readonly Completable[]): string {
  return commands
    .flatMap(({ path, commands: names }) => names.map((name) => `${shellWord(path)}:${name}`))
    .join(' | ');
}

/** Files are completed by the shell itself, wherever we know nothing. It runs in bash 3.2 too. */
function bashScript(commands: readonly Completable[]): string {
  const values = commands.flatMap(({ path, options }) => {
    const name = shellWord(path);
    const known = options.filter(({ words }) => words.length > 0);
    const unknown = options.filter(({ value, words }) => value && words.length === 0);
    const patterns = unknown.map((option) => `${name}:--${option.name}`).join(' | ');
    return [
      ...known.map((option) => `    ${name}:--${option.name}) words='${option.words.join(' ')}' ;;`),
      ...(patterns === '' ? [] : [`    ${patterns}) return ;;`]),
    ];
  });
  const rest = commands.map(({ path, options, words }) => {
    const name = shellWord(path);
    const flags = options.map((option) => `--${option.name}`).join(' ');
    return `      ${name}:-*) words='${flags}' ;;\n      ${name}:*) words='${words.join(' ')}' ;;`;
  });
  return `# Completion of ${PROGRAM}, and of "node peer", for bash: source <(node peer completion bash)
_gossip_peer() {
  # Where the words after the program begin.
  local first=1 at command='' current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words=''
  [[ \${COMP_WORDS[0]} == node ]] && first=2
  COMPREPLY=()
  ((COMP_CWORD < first)) && return
  # --option=value comes in three words.
  if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((at = first; at < COMP_CWORD; at++)); do
    case $command:\${COMP_WORDS[at]} in
    ${steps(commands)}) command="\${command:+$command }\${COMP_WORDS[at]}" ;;
    *) break ;;
    esac
  done
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
    const pattern = command.path.length === 0 ? '*' : shellWord(command.path);
    return `    ${pattern})\n      _arguments \\\n        ${specs(command)}\n      ;;`;
  });
  // The program itself stands for whatever is no command.
  return `#compdef ${PROGRAM}
# Completion of ${PROGRAM} for zsh: a file _${PROGRAM} in a folder of $fpath, or source <(node peer completion zsh)
_gossip_peer() {
  local command=''
  while ((CURRENT > 2)); do
    case $command:$words[2] in
    ${steps(commands)})
      command="\${command:+$command }$words[2]"
      shift words
      ((CURRENT--))
      ;;
    *) break ;;
    esac
  done
  case $command in
${[...cases.slice(1), ...cases.slice(0, 1)].join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _gossip_peer "$@"; else compdef _gossip_peer ${PROGRAM}; fi
`;
}

function fishScript(commands: readonly Completable[]): string {
  const lines = commands.flatMap((command) => {
    const { path, commands: inner, words, file, options } = command;
    const within = path.map((name) => `__fish_seen_subcommand_from ${name}`);
    const none = inner.length === 0 ? [] : [`not __fish_seen_subcommand_from ${inner.join(' ')}`];
    const start = `complete -c ${PROGRAM} -n ${quoted([...within, ...none].join('; and '))}`;
    const described = commands.filter(
      (one) => one.path.length === path.length + 1 && path.every((name, at) => name === one.path[at]),
    );
    return [
      ...described.map((one) => `${start} -a ${one.path.at(-1)} -d ${quoted(one.description)}`),
      ...(inner.length > 0 || words.length === 0 ? [] : [`${start} -a ${quoted(words.join(' '))}`]),
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
